#!/bin/sh
# Log tags: each NMDMNO(nnnn) once in the source; docs/log-tags.md has one
# row for each and no other; no document speaks of a tag that is not there.
#
#   check_tags.sh [CHECKOUT]
set -eu
cd "${1:-$(dirname "$0")/..}"
guide=docs/log-tags.md
failed=0

say() { echo "$*" >&2; failed=1; }
lines_of() { grep -rnHE -- "$1" $2 | cut -d: -f1-2 | tr '\n' ' '; }

made=$(grep -ohE 'NMDMNO\([0-9]+\)' src/*/*.[ch] mod_nanomdm.c | tr -dc '0-9\n' |
       sort)
rows=$(grep -oE '^\| NMDM[0-9]+ ' $guide | tr -dc '0-9\n' | sort)
[ -n "$made" ] || say "no NMDMNO(nnnn) in $PWD/src"

for tag in $(printf '%s\n' "$made" | uniq -d); do
    say "$(lines_of "NMDMNO\($tag\)" 'src mod_nanomdm.c')" \
        "tag $tag is used more than once; take a free number"
done
for tag in $(printf '%s\n' "$made" | grep -vxE '[0-9]{4}' || true); do
    say "$(lines_of "NMDMNO\($tag\)" 'src mod_nanomdm.c')" \
        "tag $tag does not have four digits"
done
for tag in $(printf '%s\n' "$rows" | uniq -d); do
    say "$(lines_of "^\| NMDM$tag " "$guide") two rows for one tag"
done
for tag in $(printf '%s\n' "$made" | uniq); do
    printf '%s\n' "$rows" | grep -qx "$tag" ||
        say "$(lines_of "NMDMNO\($tag\)" 'src mod_nanomdm.c')" \
            "NMDM$tag has no row in $guide"
done
for file in README.md CHANGES docs/*; do
    for tag in $(grep -oE 'NMDM[0-9]{4}' $file | tr -dc '0-9\n' | sort -u); do
        printf '%s\n' "$made" | grep -qx "$tag" ||
            say "$(lines_of "NMDM$tag" "$file")" \
                "NMDM$tag is nowhere in the source"
    done
done
exit $failed
