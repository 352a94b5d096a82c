#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# certmonger's scep-submit -C asks a SCEP server for its CA certificate. The
# "message" of that request is a name of the CA, which RFC 8894 (4.2) leaves to
# client and server, and which a server of several CAs chooses by.
#
# Expected: without -i, one request, without a message or with one fixed name.
# Observed: a server that answers with one certificate is asked twice, for the CA
#   "0" and then for the CA "1", also when -i 0 says which is meant; with -i acme
#   or an answer of several certificates it is asked once (certmonger 0.79.17-2).
#   A server that refuses names it does not know logs an error for each client.
set -u
VERSION=0.79.17-2
PORT=${PORT:-19800}

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in openssl python3; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
apt-get download "certmonger=$VERSION" libtalloc2 libtevent0 libpopt0 libnspr4 \
    libnss3 libxmlrpc-core-c3 libjansson4 libldap-2.5-0 libidn2-0 libdbus-1-3 \
    libsasl2-2 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download certmonger $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so*' -printf '%h\n' | sort -u |
            paste -sd:)

openssl req -x509 -newkey rsa:2048 -nodes -keyout key -outform DER -out ca.der \
    -subj /CN=ca 2> log || exit 2
cat > server.py <<'PY'
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open('requests', 'a') as requests:
            requests.write(self.path.split('?')[-1] + '\n')
        body = open('ca.der', 'rb').read()
        self.send_response(200)
        self.send_header('Content-Type', 'application/x-x509-ca-cert')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
open('ready', 'w').close()
server.serve_forever()
PY
python3 server.py "$PORT" 2> log &
server=$!
for _ in $(seq 100); do [ -e ready ] && break; sleep 0.2; done
[ -e ready ] || { tail -n 1 log >&2; exit 2; }
ask() {
    : > requests
    LD_LIBRARY_PATH=$libraries timeout 20 \
        "$work/root/usr/lib/certmonger/scep-submit" \
        -u "http://127.0.0.1:$PORT/scep" -C "$@" > log 2>&1 ||
        { tail -n 2 log >&2; exit 2; }
    sed 's/.*message=//' requests | paste -sd' '
}
plain=$(ask) || exit 2
zero=$(ask -i 0) || exit 2
acme=$(ask -i acme) || exit 2
echo "expected: one request each: -C: one name; -C -i 0: 0; -C -i acme: acme"
echo "observed: -C: $plain; -C -i 0: $zero; -C -i acme: $acme"
[ "$plain/$zero/$acme" = "0 1/0 1/acme" ]
