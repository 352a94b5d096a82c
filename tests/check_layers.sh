#!/bin/sh
# Who may include what, by folder: a file includes headers of its own folder or
# of a folder with a lower number, so folders of one number do not know each
# other. Only src/config and src/httpd include httpd's headers, and each
# foreign library belongs to the files listed here. A new file in a folder
# needs no edit of this script.
#
#   check_layers.sh [CHECKOUT]
set -eu
cd "${1:-$(dirname "$0")/..}"

includes=$(grep -nE '^[[:space:]]*#[[:space:]]*include' \
               mod_nanomdm.c src/*/*.[ch]) || {
    echo "no source in $PWD" >&2; exit 1; }

printf '%s\n' "$includes" | awk '
    BEGIN {
        split("base:0 codec:1 crypto:1 mdm:2 db:2 net:2 storage:3 push:4 " \
              "webhook:4 service:5 api:5 jobs:5 scep:5 enroll:5 config:6 " \
              "httpd:7", rows, " ")
        for (i in rows) {
            split(rows[i], row, ":")
            layer[row[1]] = row[2]
        }
        layer["mod_nanomdm.c"] = 8
        # Library header -> the files that may include it.
        only["jansson.h"] = "^src/codec/json\\.c$"
        only["expat.h"] = "^src/codec/(plist_reader|redact)\\.c$"
        only["plist/plist.h"] = "^src/codec/plist_tree\\.c$"
        only["curl/curl.h"] = "^src/net/curl_transfer\\.c$"
        only["nghttp2/nghttp2.h"] = "^src/net/h2_(session|stream|session_parts)\\.[ch]$"
        only["apr_dbd.h"] = "^src/db/db\\.h$"
        only["mod_dbd.h"] = "^src/httpd/dbd\\.c$"
        openssl = "^src/(crypto/[a-z0-9_]+|net/tls_conn)\\.[ch]$"
        httpd = "^(httpd|http_|ap_|mod_|util_|mpm_|scoreboard|unixd)"
    }
    function folder_of(path) {
        sub(/^src\//, "", path)
        sub(/\/.*/, "", path)
        return path
    }
    function wrong(why) {
        print file ":" line ": " why
        failed = 1
    }
    {
        split($0, part, ":")
        file = part[1]; line = part[2]
        header = $0
        sub(/^[^"<]*["<]/, "", header)
        is_own = $0 ~ /include[ \t]*"/
        sub(/[">].*/, "", header)
        mine = folder_of(file)
        if (!(mine in layer)) {
            wrong("src/" mine " is not in the table of folders")
            next
        }
        if (header ~ /^openssl\// && file !~ openssl)
            wrong(header " belongs to src/crypto and src/net/tls_conn.c")
        if (header in only && file !~ only[header])
            wrong(header " belongs to " only[header])
        if (is_own && header ~ /\//) {
            theirs = folder_of(header)
            if (!(theirs in layer))
                wrong(header ": src/" theirs " is not in the table of folders")
            else if (theirs != mine && layer[theirs] >= layer[mine])
                wrong(header " is of layer " layer[theirs] \
                      ", this file of " layer[mine])
        }
        else if (layer[mine] < 6 && header ~ httpd)
            wrong(header " is httpd; only src/config and src/httpd include it")
    }
    END { exit failed }' >&2
