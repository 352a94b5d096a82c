#!/bin/sh
# Who may include what: a file includes headers of its own layer or a lower
# one, httpd's headers stay in mod_nanomdm*, and each foreign library has one
# file that knows it; expat has two, what reads a property list and what takes
# secrets out of one, and OpenSSL six: certificates, trust, signatures, digests,
# TLS and the keys that seal the database. README.md shows the layers.
#
#   check_layers.sh [CHECKOUT]
set -eu
cd "${1:-$(dirname "$0")/..}"

includes=$(grep -nE '^[[:space:]]*#[[:space:]]*include' \
               mod_nanomdm.c src/*/*.[ch]) || {
    echo "no source in $PWD" >&2; exit 1; }

printf '%s\n' "$includes" | awk '
    BEGIN {
        split("nmdm nmdm_plist nmdm_json nmdm_crypto nmdm_time nmdm_page " \
              "nmdm_convert nmdm_count nmdm_seal nmdm_limit nmdm_redact " \
              "nmdm_cms nmdm_trust nmdm_x509 nmdm_bell", l0)
        split("nmdm_exchange nmdm_sql nmdm_dialect nmdm_db nmdm_fault " \
              "nmdm_wal nmdm_seen nmdm_daily nmdm_breaker nmdm_client " \
              "nmdm_transfer nmdm_apns nmdm_dest nmdm_link nmdm_wire", l1)
        split("nmdm_message nmdm_store nmdm_queue nmdm_schema nmdm_view " \
              "nmdm_outbox nmdm_renewal", l2)
        split("nmdm_push nmdm_webhook nmdm_courier nmdm_receiver nmdm_dm " \
              "nmdm_order", l3)
        split("nmdm_service nmdm_teller nmdm_admin nmdm_events nmdm_pushcert " \
              "nmdm_push_send nmdm_sweep nmdm_roster nmdm_ledger nmdm_retention " \
              "nmdm_api_db_stats nmdm_sealer", l4)
        for (i in l0) layer[l0[i]] = 0
        for (i in l1) layer[l1[i]] = 1
        for (i in l2) layer[l2[i]] = 2
        for (i in l3) layer[l3[i]] = 3
        for (i in l4) layer[l4[i]] = 4
        only["jansson.h"] = "src/codec/json.c"
        only["curl/curl.h"] = "src/net/curl_transfer.c"
        only["nghttp2/nghttp2.h"] = "src/net/h2_session.c"
        only["apr_dbd.h"] = "src/db/db.h"
        only["mod_dbd.h"] = "src/httpd/dbd.c"
        httpd = "^(httpd|http_|ap_|mod_|util_|mpm_|scoreboard|unixd)"
    }
    function layer_of(path) {
        sub(/.*\//, "", path)
        sub(/\.[ch]$/, "", path)
        if (path ~ /^mod_nanomdm/) return 5
        if (path in layer) return layer[path]
        return -1
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
        sub(/[">].*/, "", header)
        mine = layer_of(file)
        if (mine < 0) {
            if (!(file in told)) wrong("no layer knows this file")
            told[file] = 1
            next
        }
        if (header ~ /^openssl\// \
                && file !~ /^src\/nmdm_(crypto|cms|trust|x509|wire|seal)\.c$/)
            wrong(header " belongs to src/crypto/identity_cert.c, crypto/cms.c," \
                  " crypto/trust.c, crypto/x509.c, net/tls_conn.c or crypto/seal.c")
        if (header == "expat.h" && file != "src/codec/plist.c" \
                && file != "src/codec/redact.c")
            wrong(header " belongs to src/codec/plist.c or codec/redact.c")
        if (header in only && file != only[header])
            wrong(header " belongs to " only[header])
        if (header ~ /nanomdm|nmdm/) {
            if (layer_of(header) < 0)
                wrong("no layer knows " header)
            else if (layer_of(header) > mine)
                wrong(header " is of layer " layer_of(header) \
                      ", this file of " mine)
        }
        else if (mine < 5 && header ~ httpd)
            wrong(header " is httpd; only mod_nanomdm* includes it")
    }
    END { exit failed }' >&2
