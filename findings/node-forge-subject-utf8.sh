#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# node-forge makes certificates and requests. A subject is given as JavaScript
# strings: setSubject([{name: 'commonName', value: '...'}]).
#
# Expected: a name that PrintableString cannot hold becomes a UTF8String, as the
#   same library does for challengePassword, or an error says that it cannot.
# Observed: it is put into a PrintableString of as many bytes as the text has
#   characters, and the structure no longer adds up: neither OpenSSL nor
#   node-forge itself can read the request back. No error is reported when it is
#   made (node-forge 1.4.3, OpenSSL 3.0.22). With valueTagClass set to UTF8 it is
#   right.
set -u
VERSION=1.4.3

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "node-forge@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install node-forge $VERSION" >&2; exit 2; }

cat > make.js <<'JS'
const forge = require('node-forge');
const fs = require('fs');
const keys = forge.pki.rsa.generateKeyPair(2048);

function make(file, attribute) {
    const request = forge.pki.createCertificationRequest();
    request.publicKey = keys.publicKey;
    request.setSubject([attribute]);
    request.sign(keys.privateKey, forge.md.sha256.create());
    fs.writeFileSync(file, forge.pki.certificationRequestToPem(request));
}
make('ascii.csr', {name: 'organizationName', value: 'Rei'});
make('plain.csr', {name: 'organizationName', value: '\u793a\u4f8b\u793e'});
make('utf8.csr', {name: 'organizationName', value: '\u793a\u4f8b\u793e',
                  valueTagClass: forge.asn1.Type.UTF8});
for (const file of ['ascii.csr', 'plain.csr', 'utf8.csr']) {
    let answer = 'reads it';
    try {
        forge.pki.certificationRequestFromPem(fs.readFileSync(file, 'utf8'));
    } catch (error) {
        answer = 'cannot read it: ' + error.message;
    }
    fs.writeFileSync(file + '.forge', answer);
}
JS
node make.js > log 2>&1 || { tail -n 5 log >&2; exit 2; }
echo "expected: all three requests can be read"
result=
for file in ascii plain utf8; do
    if openssl req -in $file.csr -noout -verify > log 2>&1; then
        openssl=reads
    else
        openssl=refuses
    fi
    echo "observed: $file: OpenSSL $openssl it, node-forge $(cat $file.csr.forge)"
    result="$result $file:$openssl:$(cut -d' ' -f1 $file.csr.forge)"
done
[ "$result" = " ascii:reads:reads plain:refuses:cannot utf8:reads:reads" ]
