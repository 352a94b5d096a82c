#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# To have an object identifier of your own, make a UUID: 2.25.NUMBER, with all of its
# 128 bits as one number (X.667). Extensions and attributes can be named so
# without asking a registry. asn1-ts reads and writes ASN.1 in JavaScript.
#
# Expected: two such identifiers are two, or a number is refused as too large: text
#   goes in by ObjectIdentifier.fromString, comes out by toString.
# Observed: each is written as 2.25.0, whatever its UUID, without an error, so that
#   all extensions named by a UUID are one; what OpenSSL wrote is read as
#   2.25.-920753162 (asn1-ts 11.1.0).
set -u
VERSION=11.1.0

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "asn1-ts@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install asn1-ts $VERSION" >&2; exit 2; }

first=2.25.329800735698586629295641978511506172918
second=2.25.104880011463268023451117104513201742385
cat > oid.mjs <<'JS'
import fs from 'node:fs';
import {DERElement, ObjectIdentifier} from 'asn1-ts';

process.argv.slice(2).forEach((text, i) => {
    const element = new DERElement(0, 0, 6);
    element.objectIdentifier = ObjectIdentifier.fromString(text);
    fs.writeFileSync(`written${i}`, element.toBytes());
});
const element = new DERElement();
element.fromBytes(fs.readFileSync('given'));
console.log(element.objectIdentifier.toString());
JS
printf 'asn1 = OID:%s\n' "$first" > oid.cnf
openssl asn1parse -genconf oid.cnf -noout -out given ||
    { echo "openssl has not made the identifier" >&2; exit 2; }
read=$(node oid.mjs "$first" "$second" 2> log) || { tail -n 3 log >&2; exit 2; }
written() { openssl asn1parse -inform DER -in "written$1" | sed 's/.*://'; }
one=$(written 0) && two=$(written 1) || exit 2
echo "expected: written: $first, $second"
echo "observed: written: $one, $two"
echo "expected: read: $first"
echo "observed: read: $read"
[ "$one/$two/$read" = 2.25.0/2.25.0/2.25.-920753162 ]
