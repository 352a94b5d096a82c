#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The npm package json-bigint parses JSON with integers beyond 2^53, which status
# reports and webhooks have. Its options, useNativeBigInt and storeAsString, say
# what becomes of such integers.
#
# Expected: they concern integers; 0.30000000000000004 or 1795773600.123456 are
#   numbers as JSON.parse has them, which holds for 0.93.
# Observed: a number of more than 15 characters counts as a big integer, also
#   with a point in it: with useNativeBigInt the document cannot be parsed
#   ("Cannot convert 1795773600.123456 to a BigInt"), with storeAsString the
#   number becomes a string and goes out as one (json-bigint 1.0.0). Writers of
#   doubles with 17 digits produce such numbers all the time.
set -u
VERSION=1.0.0

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "json-bigint@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install json-bigint $VERSION" >&2; exit 2; }

cat > parse.js <<'JS'
const library = require('json-bigint');
const options = [{useNativeBigInt: true}, {storeAsString: true}];
const seen = [];

for (const text of ['0.93', '18446744073709551615', '1795773600.123456',
                    '0.30000000000000004']) {
    for (const option of options) {
        const json = library(option);
        let answer;
        try {
            const value = json.parse(`{"n":${text}}`);
            answer = `${typeof value.n}, ${json.stringify(value)}`;
        } catch (error) {
            answer = 'refused';
        }
        console.log(`observed: ${text}, ${Object.keys(option)[0]}: ${answer}`);
        seen.push(answer.split(',')[0]);
    }
}
process.exit(seen.join(' ') === 'number number bigint string refused string ' +
             'refused string' ? 0 : 1);
JS
echo "expected: a number for each of the three decimals"
node parse.js
