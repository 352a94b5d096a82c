#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An attestation, as devices send it to an ACME server, is CBOR with byte strings in
# it: certificates, authenticator data. Digests and signatures of Web Crypto are
# Uint8Arrays in Node, what comes from files is Buffers, which are Uint8Arrays, too.
#
# Expected: both are written as a byte string (43 01 02 03), as cborg 6.1.5 does.
# Observed: cbor and cbor-x write a Buffer so, and a Uint8Array of the same bytes as
#   a typed array (tag 64, RFC 8746): d8 40 43 01 02 03. A reader that looks for bytes
#   finds something else; Python's cbor2 gives a CBORTag (cbor 10.0.12, cbor-x 1.6.9).
set -u
CBOR=10.0.12
CBOR_X=1.6.9
CBORG=6.1.5
CBOR2=5.4.6-1+b1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
python=/usr/bin/python3
for tool in node npm $python; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "cbor@$CBOR" "cbor-x@$CBOR_X" "cborg@$CBORG" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install cbor $CBOR" >&2; exit 2; }
apt-get download "python3-cbor2=$CBOR2" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download cbor2 $CBOR2" >&2; exit 2; }
dpkg -x python3-cbor2_*.deb root || exit 2

cat > write.mjs <<'JS'
const bytes = [1, 2, 3];
for (const name of ['cborg', 'cbor', 'cbor-x']) {
    const library = await import(name);
    const encode = library.encode ?? library.default.encode;
    console.log(name, ...[Buffer.from(bytes), new Uint8Array(bytes)]
        .map(one => Buffer.from(encode(one)).toString('hex')));
}
JS
cat > read.py <<'PY'
import cbor2
import sys

for line in sys.stdin:
    name, *values = line.split()
    print(name, *values, type(cbor2.loads(bytes.fromhex(values[-1]))).__name__)
PY
node write.mjs > written 2> log || { tail -n 3 log >&2; exit 2; }
PYTHONPATH=root/usr/lib/python3/dist-packages $python read.py < written > observed \
    2> log || { tail -n 1 log >&2; exit 2; }
echo "Buffer, Uint8Array, and what Python reads of the latter"
while read -r name buffer array type; do
    echo "expected: $name: 43010203 43010203 bytes"
    echo "observed: $name: $buffer $array $type"
done < observed
[ "$(cat observed)" = "cborg 43010203 43010203 bytes
cbor 43010203 d84043010203 CBORTag
cbor-x 43010203 d84043010203 CBORTag" ]
