#!/bin/sh
# Packs mod_nanomdm-VERSION.tar.gz: what is committed, or, where there is no
# git, all that is here and not made. The same source gives the same bytes: the
# archive of an unpacked archive is that archive.
#
#   dist.sh [FOLDER]       where to; the checkout unless given
set -eu
cd "$(dirname "$0")/.."
to=$(realpath -e "${1:-.}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/tree"
if [ -e .git ] && time=$(git log -1 --format=%ct 2>/dev/null); then
    git archive HEAD | tar -x -C "$work/tree"
    rm -rf "$work/tree/.ci"
else
    time=$(stat -c %Y src/base/version.h)
    built=$(find . -maxdepth 1 -name 'build*' ! -name build-aux \
        -printf ' --exclude=%p')
    # shellcheck disable=SC2086 # several words
    tar -c --exclude=./.git --exclude=./.ci $built \
        --exclude='*.so' --exclude='./*.tar.gz' --exclude='./*.deb' \
        --exclude=__pycache__ --exclude=.pytest_cache --exclude='*.pyc' . |
        tar -x -C "$work/tree"
fi
version=$(sed -nE 's/^#define NMDM_VERSION "(.*)"/\1/p' "$work/tree/src/base/version.h")
name=mod_nanomdm-$version
mv "$work/tree" "$work/$name"
tar -c -C "$work" --sort=name --format=ustar --mtime="@$time" --owner=0 \
    --group=0 --numeric-owner --mode=u+rw,go-w,a+rX "$name" | gzip -n -9 \
    > "$work/archive"
mv "$work/archive" "$to/$name.tar.gz"
chmod 644 "$to/$name.tar.gz"
echo "$to/$name.tar.gz"
