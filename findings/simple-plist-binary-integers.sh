#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The npm package simple-plist reads and writes property lists, XML and binary, with
# one set of calls. Free space and sizes in reports of devices are integers above
# 2^32, which JavaScript's numbers hold exactly up to 2^53.
#
# Expected: 2^40 and -2^40 come back from a binary list as from one in XML, or cannot
#   be written.
# Observed: writeBinaryFileSync writes 0 and -2^32 for them, without an error; every
#   reader reads that. Reading cuts as well: from another writer's binary list both
#   are read as 0. In XML all is right (simple-plist 1.4.0; the other reader and
#   writer is Python's plistlib).
set -u
VERSION=1.4.0

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm python3; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "simple-plist@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install simple-plist $VERSION" >&2; exit 2; }

cat > other.py <<'PY'
import plistlib
import sys

if sys.argv[1] == 'write':
    with open('other', 'wb') as out:
        plistlib.dump({'n': [2**40, -2**40]}, out, fmt=plistlib.FMT_BINARY)
else:
    for name in ('xml', 'binary'):
        with open(name, 'rb') as file:
            print(name, *plistlib.load(file)['n'])
PY
cat > write.js <<'JS'
const plist = require('simple-plist');

const list = {n: [2 ** 40, -(2 ** 40)]};
plist.writeFileSync('xml', list);
plist.writeBinaryFileSync('binary', list);
console.log('read', ...plist.readFileSync('other').n);
JS
{ python3 other.py write && node write.js && python3 other.py read; } \
    > observed 2> log || { tail -n 3 log >&2; exit 2; }
for what in read xml binary; do
    echo "expected: $what 1099511627776 -1099511627776"
    echo "observed: $(grep "^$what " observed)"
done
[ "$(cat observed)" = "read 0 0
xml 1099511627776 -1099511627776
binary 0 -4294967296" ]
