#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Integers of a binary property list have 1, 2, 4 or 8 bytes. Those of 1, 2 and 4
# have no sign; negative ones always take 8. Every report of a device has some.
#
# Expected: @plist/parse reads the numbers 200, 40000 and 3000000000 from a binary
#   list as it does from one in XML.
# Observed: they are -56, -25536 and -1294967296, without an error: the short forms
#   are read as signed. 100 and -200 are right, and so is all XML. What it read from
#   8 bytes is a BigInt, and @plist/serialize writes -200n back as 200
#   (@plist/parse, binary.parse, serialize and binary.serialize 1.1.0; the other
#   reader and writer is Python's plistlib).
set -u
VERSION=1.1.0

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm python3; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "@plist/parse@$VERSION" "@plist/binary.parse@$VERSION" \
    "@plist/serialize@$VERSION" "@plist/binary.serialize@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install @plist/parse $VERSION" >&2; exit 2; }
python3 -c '
import plistlib
numbers = [100, 200, 40000, 3000000000, -200]
for name, form in ("binary", plistlib.FMT_BINARY), ("xml", plistlib.FMT_XML):
    with open(name, "wb") as file:
        plistlib.dump(numbers, file, fmt=form)' || exit 2

cat > read.js <<'JS'
const fs = require('fs');
const {parse} = require('@plist/parse');
const {serialize} = require('@plist/serialize');
const file = fs.readFileSync('binary');
const read = parse(file.buffer.slice(file.byteOffset,
                                     file.byteOffset + file.length));

fs.writeFileSync('again', Buffer.from(serialize({last: read[4]}, 0)));
console.log('binary:', read.join(' ')
    + '; XML:', parse(fs.readFileSync('xml', 'utf8')).join(' '));
JS
observed=$(node read.js 2> log) || { tail -n 3 log >&2; exit 2; }
right="100 200 40000 3000000000 -200"
again=$(python3 -c 'import plistlib
print(plistlib.load(open("again", "rb"))["last"])') || exit 2
echo "expected: binary: $right; XML: $right; the last written back: -200"
echo "observed: $observed; the last written back: $again"
[ "$observed; $again" = \
  "binary: 100 -56 -25536 -1294967296 -200; XML: $right; 200" ]
