#!/bin/sh
# Builds libapache2-mod-nanomdm_VERSION-1_ARCH.deb from the source archive, in a
# clean folder, with Debian's tools and the recipe in debian/.
#
#   deb.sh [FOLDER]        where to; the checkout unless given
#
# MAINTAINER="Name <address>" in the environment is who answers for the package.
set -eu
umask 022               # or dpkg-deb refuses the folders
cd "$(dirname "$0")/.."
to=$(realpath -e "${1:-.}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

archive=$(build-aux/dist.sh "$work")
tar -xf "$archive" -C "$work"
cd "$work/$(basename "$archive" .tar.gz)"
if [ -n "${MAINTAINER:-}" ]; then
    escaped=$(printf '%s' "$MAINTAINER" | sed 's/[&|\\]/\\&/g')
    sed -i "s|^Maintainer: .*|Maintainer: $escaped|" debian/control
    sed -i "1,/^ -- /s|^ -- .*>  | -- $escaped  |" debian/changelog
fi
unset MAKEFLAGS MFLAGS MAKELEVEL
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-parallel=$(nproc) noautodbgsym}"
if ! dpkg-buildpackage --build=binary --no-sign > "$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
fi
mv "$work"/*.deb "$to"
ls "$to"/libapache2-mod-nanomdm_*.deb
