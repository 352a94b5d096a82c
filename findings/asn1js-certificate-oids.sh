#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An object identifier that begins with 2 may have any second number; 2.999 is there for
# examples (X.660). asn1.js reads them for much of Node's software; asn1.js-rfc5280
# reads certificates with it. An extension is known by its identifier alone.
#
# Expected: the extension 2.999.4711 is told as such, and the certificate's begin,
#   500101000000Z, is 1950 (RFC 5280, 4.1.2.5.1), so that it is valid today.
# Observed: 26.39.4711, which cannot exist: the first byte is divided, not the number.
#   1.3.6.1.4.1.4294967295 becomes 1.3.6.1.4.1.-1. The certificate is said to be
#   valid from 2050 on (asn1.js 5.4.1, asn1.js-rfc5280 3.0.0).
set -u
VERSION=5.4.1
CERT=3.0.0

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "asn1.js@$VERSION" "asn1.js-rfc5280@$CERT" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install asn1.js $VERSION" >&2; exit 2; }

cat > ca.cnf <<'CNF'
[ca]
default_ca = ca_default
[ca_default]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = policy
x509_extensions = ext
[policy]
commonName = supplied
[ext]
2.999.4711 = DER:0500
1.3.6.1.4.1.4294967295 = DER:0500
CNF
touch index
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key \
    -out csr -subj /CN=device 2> log &&
    openssl ca -batch -selfsign -config ca.cnf -in csr -keyfile key -notext \
        -startdate 19500101000000Z -enddate 20400101000000Z -out cert.pem 2> log &&
    openssl x509 -in cert.pem -outform DER -out cert ||
    { tail -n 1 log >&2; exit 2; }
cat > read.js <<'JS'
const {Certificate} = require('asn1.js-rfc5280');

const cert = Certificate.decode(require('fs').readFileSync('cert'), 'der');
const {validity, extensions} = cert.tbsCertificate;
console.log(...extensions.map(one => one.extnID).filter(Array.isArray)
    .map(id => id.join('.')), new Date(validity.notBefore.value).getUTCFullYear());
JS
observed=$(node read.js 2> log) || { tail -n 3 log >&2; exit 2; }
expected="$(openssl x509 -in cert.pem -noout -text |
    sed -n 's/^ *\([0-9.]*\): *$/\1/p' | paste -sd' ') 1950"
echo "expected: $expected"
echo "observed: $observed"
[ "$expected" = "2.999.4711 1.3.6.1.4.1.4294967295 1950" ] &&
    [ "$observed" = "26.39.4711 1.3.6.1.4.1.-1 2050" ]
