#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# strongSwan's pki --scep asks a SCEP server what it can do (GetCACaps, RFC 8894
# 3.5.2) before it enrolls, with --cipher and --digest as the user wants them.
#
# Expected: a server that lists AES and SHA-256 gets a request with --cipher aes
#   --digest sha256; one that lists neither is not sent one.
# Observed: "sha256 digest algorithm not supported by CA" where AES,
#   POSTPKIOperation, SCEPStandard and SHA-256 are listed, and with DES3 as well
#   "AES_CBC encryption algorithm not supported by CA"; where SHA-384 and
#   POSTPKIOperation alone are listed, the request is sent
#   (strongswan-pki 5.9.8-5+deb12u6).
set -u
VERSION=5.9.8-5+deb12u6
PORT=${PORT:-19833}

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in openssl python3; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
apt-get download "strongswan-pki=$VERSION" "libstrongswan=$VERSION" \
    "libstrongswan-extra-plugins=$VERSION" libgmp10 libcurl4 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download pki $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)
plugins=$work/root/usr/lib/ipsec/plugins
mkdir conf
for plugin in random nonce aes des sha1 sha2 gmp pkcs1 pkcs8 pem x509 pubkey \
    pkcs7 pkcs10 openssl curl; do
    [ ! -e "$plugins/libstrongswan-$plugin.so" ] || names="${names-} $plugin"
done
printf 'pki {\n  load = %s\n  plugin_dir = %s\n}\n' "${names-}" "$plugins" \
    > conf/strongswan.conf
openssl genrsa -traditional -out key.pem 2048 2> log || exit 2
openssl req -x509 -key key.pem -subj /CN=ca -out ca.pem 2> log || exit 2

# It lists what is in "caps", and notes that a request came.
cat > server.py <<'PY'
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header('Content-Type', 'text/plain')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, open('caps', 'rb').read())

    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        open('posted', 'w').close()
        self.answer(503, b'')

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
    printf '%s\n' "$@" > caps
    rm -f posted
    said=$(STRONGSWAN_CONF=$work/conf/strongswan.conf \
        LD_LIBRARY_PATH=$libraries timeout 20 root/usr/bin/pki --scep \
        --url "http://127.0.0.1:$PORT/scep" --in key.pem --dn CN=device \
        --cacert-enc ca.pem --cacert-sig ca.pem --cipher aes --digest sha256 \
        2>&1)
    if [ -e posted ]; then
        echo "a request"
    else
        printf '%s\n' "$said" | grep "not supported by CA" ||
            { printf '%s\n' "$said" | tail -n 3 >&2; exit 2; }
    fi
}
usual=$(ask AES POSTPKIOperation SCEPStandard SHA-256) || exit 2
des=$(ask AES DES3 POSTPKIOperation SCEPStandard SHA-256) || exit 2
other=$(ask SHA-384 POSTPKIOperation) || exit 2
echo "expected: AES, SHA-256: a request; and DES3: a request; SHA-384 alone: none"
echo "observed: AES, SHA-256: $usual; and DES3: $des; SHA-384 alone: $other"
case "$usual/$des/$other" in
"sha256 digest"*"/AES_CBC encryption"*"/a request") exit 0 ;;
esac
exit 1
