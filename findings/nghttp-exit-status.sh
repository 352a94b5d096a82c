#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nghttp is nghttp2's client for the command line, handy for asking a push
# gateway or its stand-in over HTTP/2 in a script.
#
# Expected: as with curl, a status other than 0 when nothing listens at the
#   address and no request was sent.
# Observed: it prints "Could not connect" and "Some requests were not processed"
#   and ends with status 0, so a script has to read its output
#   (nghttp2-client 1.52.0-1+deb12u3).
set -u
VERSION=1.52.0-1+deb12u3

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in curl python3; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
apt-get download "nghttp2-client=$VERSION" libev4 libc-ares2 libjemalloc2 \
    > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download nghttp2 $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)

# A port that was free a moment ago.
port=$(python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])') || exit 2
curl -s "https://127.0.0.1:$port/" > log 2>&1
by_curl=$?
LD_LIBRARY_PATH=$libraries root/usr/bin/nghttp -n "https://127.0.0.1:$port/" \
    > printed 2>&1
by_nghttp=$?
echo "expected: a status other than 0, as of curl: $by_curl"
echo "observed: $by_nghttp, after these lines"
cat printed
[ $by_curl -eq 7 ] && [ $by_nghttp -eq 0 ] && grep -q 'not processed' printed
