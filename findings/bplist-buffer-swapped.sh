#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The npm package bplist reads binary property lists: parseBuffer takes a buffer and
# hands the value to a function. Text beyond ASCII is in them as UTF-16, big end
# first.
#
# Expected: parsing reads the buffer. To parse it again gives the same value, and a
#   program that keeps, forwards or hashes it has what came in.
# Observed: parseBuffer swaps the bytes of these strings in the buffer that it was
#   given, which is another list then; no error. The second time the name is read as
#   other characters, and the bytes are swapped back. The integer 3000000000 is read
#   as -1294967296, 2^40 as 0 (bplist 0.0.4; the list is made by Python's plistlib).
set -u
VERSION=0.0.4

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm python3; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "bplist@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install bplist $VERSION" >&2; exit 2; }

cat > make.py <<'PY'
import plistlib

report = {'name': 'Bücher', 'a': 3000000000, 'b': 2**40}
with open('report', 'wb') as out:
    plistlib.dump(report, out, fmt=plistlib.FMT_BINARY)
PY
cat > read.js <<'JS'
const fs = require('fs');
const bplist = require('bplist');

const came = fs.readFileSync('report');
const buffer = Buffer.from(came);
for (let i = 0; i < 2; i++) {
    bplist.parseBuffer(buffer, (error, values) => {
        if (error) { throw error; }
        const {name, a, b} = values[0];
        console.log(`observed: ${name === 'Bücher'} ${a} ${b}, the buffer ` +
                    (buffer.equals(came) ? 'is as it was' : 'has changed'));
    });
}
JS
python3 make.py || exit 2
node read.js > observed 2> log || { tail -n 3 log >&2; exit 2; }
echo "expected: true 3000000000 1099511627776, the buffer is as it was, twice"
cat observed
[ "$(cat observed)" = "observed: true -1294967296 0, the buffer has changed
observed: false -1294967296 0, the buffer is as it was" ]
