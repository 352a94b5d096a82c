#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# @peculiar/x509 takes a subject as text, 'CN=device, O=Example'. OpenSSL prints
# names as "CN = device, O = Example", and RFC 2253 (4) has readers accept blanks
# on both sides of the equals sign.
#
# Expected: 'CN = device' is read as CN=device, or refused, as a type that the
#   library does not know is ('UID=x': "Cannot get OID for name type").
# Observed: what has a blank before the equals sign is left out. A request for
#   'CN = device' is made with an empty subject, without an error
#   (@peculiar/x509 2.2.0).
set -u
VERSION=2.2.0
POLYFILL=0.2.2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "@peculiar/x509@$VERSION" "reflect-metadata@$POLYFILL" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install @peculiar/x509 $VERSION" >&2
      exit 2; }
cat > make.mjs <<'JS'
import 'reflect-metadata';
import fs from 'node:fs';
import {webcrypto} from 'node:crypto';
const x509 = await import('@peculiar/x509');

x509.cryptoProvider.set(webcrypto);
const keys = await webcrypto.subtle.generateKey(
    {name: 'ECDSA', namedCurve: 'P-256'}, true, ['sign', 'verify']);
for (const [file, name] of [['tight', 'CN=device, O=Example'],
                            ['mixed', 'CN=device, O = Example'],
                            ['wide', 'CN = device, O = Example']]) {
    const request = await x509.Pkcs10CertificateRequestGenerator.create({
        name, keys, signingAlgorithm: {name: 'ECDSA', hash: 'SHA-256'}});
    fs.writeFileSync(file, Buffer.from(request.rawData));
}
JS
node make.mjs > log 2>&1 || { tail -n 5 log >&2; exit 2; }
result=
for file in tight mixed wide; do
    subject=$(openssl req -inform DER -in $file -noout -subject \
        -nameopt RFC2253) || exit 2
    echo "expected: $file: subject=O=Example,CN=device"
    echo "observed: $file: $subject"
    result="$result|$subject"
done
[ "$result" = "|subject=O=Example,CN=device|subject=CN=device|subject=" ]
