#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# HAProxy's converter json_query takes a value out of a JSON body, to route or log
# a request by. Its manual: it "supports the JSON types string, boolean and number.
# Floating point numbers will be returned as a string", and with 'int' a number
# becomes an integer.
#
# Expected: without 'int' a number is text that means the same number, as 40 and
#   0.93 do: the time 1795773600 (exp of a token), 5000000000, 123456.789.
# Observed: six digits of it: 1.79577e+09, 5e+09 and 123457; 2000001 is 2e+06.
#   With 'int' the integers are right, and what is no integer is cut
#   (haproxy 2.6.12-1+deb12u4).
set -u
VERSION=2.6.12-1+deb12u4
PORT=${PORT:-18444}

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v curl > /dev/null || { echo "needs curl" >&2; exit 2; }
apt-get download "haproxy=$VERSION" liblua5.3-0 libopentracing-c-wrapper0 \
    libopentracing1 libpcre2-8-0 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download HAProxy $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)

cat > haproxy.cfg <<CFG
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend f
  bind 127.0.0.1:$PORT
  option http-buffer-request
  http-request set-var(txn.text) req.body,json_query('\$.n')
  http-request set-var(txn.int) req.body,json_query('\$.n','int')
  http-request return status 200 content-type text/plain lf-string "%[var(txn.text)] %[var(txn.int)]"
CFG
LD_LIBRARY_PATH=$libraries root/usr/sbin/haproxy -f haproxy.cfg > log 2>&1 &
server=$!
ask() { curl -s -d "{\"n\":$1}" "http://127.0.0.1:$PORT/"; }
for _ in $(seq 50); do ask 1 > /dev/null && break; sleep 0.2; done
ask 1 > /dev/null || { tail -n 3 log >&2; exit 2; }

echo "expected: the number as it is, and its integer"
result=
for number in 40 0.93 123456 2000001 5000000000 1795773600 123456.789; do
    answer=$(ask $number)
    echo "observed: $number: $answer"
    result="$result|$answer"
done
[ "$result" = "|40 40|0.93 0|123456 123456|2e+06 2000001|5e+09 5000000000\
|1.79577e+09 1795773600|123457 123456" ]
