#!/bin/sh
# Directives: those of the table in src/config/directives.c, of
# docs/directives.md and of conf/nanomdm.conf are the same; every member of
# nanomdm_conf_t is set in create and in merge.
#
#   check_directives.sh [CHECKOUT]
set -eu
cd "${1:-$(dirname "$0")/..}"
code=src/config/directives.c
members_in=src/config/config.h
set_in=src/config/config.c
failed=0

say() { echo "$*" >&2; failed=1; }
line_of() { grep -nE -m1 -- "$1" "$2" | cut -d: -f1; }

# in_all NAMES FILE PATTERN OTHER-NAMES OTHER-FILE: each of NAMES, which
# stand in FILE as PATTERN (NAME for the name), is among OTHER-NAMES.
in_all() {
    for name in $1; do
        printf '%s\n' "$4" | grep -qx "$name" ||
            say "$2:$(line_of "$(echo "$3" | sed "s/NAME/$name/")" "$2"):" \
                "$name is not in $5"
    done
}

table=$(sed -n '/^const command_rec/,/^};/p' $code |
        grep -oE '"NanoMDM[A-Za-z]+"' | tr -d '"')
manual=$(sed -nE 's/^### (NanoMDM[A-Za-z]+)$/\1/p' docs/directives.md)
sample=$(sed -nE 's/^# *(NanoMDM[A-Za-z]+) .*/\1/p' conf/nanomdm.conf)
[ -n "$table" ] || say "$code: no table of directives"

in_all "$table" $code '"NAME"' "$manual" docs/directives.md
in_all "$table" $code '"NAME"' "$sample" conf/nanomdm.conf
in_all "$manual" docs/directives.md '^### NAME$' "$table" "the table of $code"
in_all "$sample" conf/nanomdm.conf '^# *NAME ' "$table" "the table of $code"

# Each entry has the four rows of httpd's manual, and an example.
for name in $manual; do
    entry=$(sed -n "/^### $name\$/,/^##/p" docs/directives.md)
    for row in '| Description |' "| Syntax | \`$name " '| Default |' \
               '| Context |' '```apache'; do
        printf '%s\n' "$entry" | grep -qF "$row" ||
            say "docs/directives.md:$(line_of "^### $name\$" \
                docs/directives.md): $name has no $row"
    done
done

for file in README.md conf/nanomdm.conf docs/*; do
    mentioned=$(grep -oE '\bNanoMDM[A-Z][A-Za-z]+' $file | sort -u)
    in_all "$mentioned" $file NAME "$table" "the table of $code"
done

members=$(sed -n '/^typedef struct {/,/^}/{
              /^typedef/{h;d};H;/^} nanomdm_conf_t;/{g;p}}' \
              $members_in |
          sed -nE 's/^ .*[ *]([a-z_]+);.*/\1/p')
[ -n "$members" ] || say "$members_in: no members of nanomdm_conf_t"
for function in nanomdm_create_dir_conf nanomdm_merge_dir_conf; do
    body=$(sed -n "/^void \*$function/,/^}/p" $set_in)
    for member in $members; do
        printf '%s\n' "$body" | grep -qE "conf->$member = " ||
            say "$set_in:$(line_of "^void \*$function" $set_in): $function does" \
                "not set $member"
    done
done
exit $failed
