#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# jsrsasign makes certificate requests. "attrs" takes the attributes of PKCS #9,
# among them challengePassword, which SCEP needs; the older "extreq" takes
# extensions only.
#
# Expected: a request with challengePassword that others can read.
# Observed: the attributes are a SET inside [0], where PKCS #10 (RFC 2986, 4.1)
#   has [0] in place of the SET: OpenSSL does not read the request, and
#   jsrsasign's own getParam() finds no extensions in it. Made with extreq it is
#   right (jsrsasign 11.1.5, OpenSSL 3.0.22).
set -u
VERSION=11.1.5

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "jsrsasign@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install jsrsasign $VERSION" >&2; exit 2; }
openssl genrsa -out key 2048 2> log && openssl rsa -in key -pubout -out pub \
    2> log || exit 2

cat > make.js <<'JS'
const {KJUR, KEYUTIL} = require('jsrsasign');
const fs = require('fs');
const ext = [{extname: 'subjectAltName', array: [{dns: 'device.example'}]}];

function make(file, what) {
    const request = new KJUR.asn1.csr.CertificationRequest({
        subject: {str: '/CN=device'},
        sbjpubkey: KEYUTIL.getKey(fs.readFileSync('pub', 'utf8')),
        sigalg: 'SHA256withRSA',
        sbjprvkey: fs.readFileSync('key', 'utf8'),
        ...what});
    fs.writeFileSync(file, request.getPEM());
    const read = KJUR.asn1.csr.CSRUtil.getParam(fs.readFileSync(file, 'utf8'));
    console.log(file, 'extreq' in read ? 'extensions' : 'nothing');
}
make('extreq.csr', {extreq: ext});
make('attrs.csr', {attrs: [
    {attr: 'challengePassword', password: 'secret'},
    {attr: 'extensionRequest', ext}]});
JS
node make.js > own 2> log || { tail -n 5 log >&2; exit 2; }
result=
for file in extreq attrs; do
    openssl req -in $file.csr -noout -verify > log 2>&1 && openssl=reads ||
        openssl=refuses
    own=$(grep "^$file" own | cut -d' ' -f2)
    echo "expected: $file: OpenSSL reads it, jsrsasign finds extensions"
    echo "observed: $file: OpenSSL $openssl it, jsrsasign finds $own"
    result="$result $openssl:$own"
done
[ "$result" = " reads:extensions refuses:nothing" ]
