#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# HAProxy's ssl_c_notafter is documented to return "the end date presented by the
# client as a formatted string YYMMDDhhmmss[Z]". Device identities often use the
# end date 9999-12-31, which RFC 5280 (4.1.2.5) sets aside for "no end".
#
# Expected: some text for every certificate that was accepted, at worst with the
#   century cut off: 991231... for the year 9999.
# Observed: nothing at all from the year 2100 on; a header made of it is sent
#   empty, as if there were no certificate (haproxy 2.6.12-1+deb12u4). The
#   certificate itself and its other fields are there.
set -u
VERSION=2.6.12-1+deb12u4
PORT=${PORT:-18443}

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in curl openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
apt-get download "haproxy=$VERSION" liblua5.3-0 libopentracing-c-wrapper0 \
    libopentracing1 libpcre2-8-0 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download HAProxy $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)

new_key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new_key -keyout ca.key -out ca.pem -subj /CN=ca -days 30 \
    2> log || exit 2
cat ca.pem ca.key > server.pem
days_to() { echo $((($(date -d "$1-06-01" +%s) - $(date +%s)) / 86400)); }
for year in 2055 2099 2100 9999; do
    openssl req $new_key -keyout "$year.key" -out csr -subj "/CN=$year" \
        2> log &&
        openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -set_serial "$year" \
            -days "$(days_to "$year")" -out "$year.pem" 2> log || exit 2
done
cat > haproxy.cfg <<CFG
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend f
  bind 127.0.0.1:$PORT ssl crt server.pem ca-file ca.pem verify required
  http-request return status 200 content-type text/plain lf-string "%[ssl_c_s_dn(CN)] [%[ssl_c_notafter]]"
CFG
LD_LIBRARY_PATH=$libraries root/usr/sbin/haproxy -f haproxy.cfg > log 2>&1 &
server=$!
ask() { curl -sk --cert "$1.pem" --key "$1.key" "https://127.0.0.1:$PORT/"; }
for _ in $(seq 50); do ask 2055 > /dev/null && break; sleep 0.2; done
ask 2055 > /dev/null || { tail -n 3 log >&2; exit 2; }

echo "expected: CN and end date for each of four certificates"
result=
for year in 2055 2099 2100 9999; do
    answer=$(ask "$year")
    echo "observed: $answer"
    result="$result|$answer"
done
case $result in
"|2055 [550"*"]|2099 [990"*"]|2100 []|9999 []") exit 0 ;;
*) exit 1 ;;
esac
