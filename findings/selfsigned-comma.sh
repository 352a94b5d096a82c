#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The npm package selfsigned makes certificates for development and tests. Names
# are given as pairs: {name: 'organizationName', value: '...'}.
#
# Expected: the value is the attribute's, whatever is in it: O=Example, Inc.
# Observed: the pairs are joined to one text, which is then parsed as a name, so
#   that a value ends at its first comma: O=Example. What follows the comma is
#   dropped silently, in the certificate and in the client's (selfsigned 5.5.0).
#   Version 2.4.1, with node-forge, writes all of it.
set -u
VERSION=5.5.0
OLDER=2.4.1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "selfsigned@$VERSION" "older@npm:selfsigned@$OLDER" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install selfsigned $VERSION" >&2; exit 2; }

cat > make.js <<'JS'
const fs = require('fs');
const names = [{name: 'commonName', value: 'device 1'},
               {name: 'organizationName', value: 'Example, Inc.'}];

(async () => {
    const made = await require('selfsigned').generate(names,
                                                      {clientCertificate: true});
    fs.writeFileSync('new.pem', made.cert);
    fs.writeFileSync('client.pem', made.clientcert);
    fs.writeFileSync('old.pem', require('older').generate(names).cert);
})();
JS
node make.js > log 2>&1 || { tail -n 5 log >&2; exit 2; }
organization() {
    openssl x509 -in "$1" -noout -subject -nameopt multiline |
        sed -n 's/ *organizationName *= //p'
}
echo "expected: Example, Inc."
new=$(organization new.pem); client=$(organization client.pem)
old=$(organization old.pem)
echo "observed: $VERSION: $new; its client certificate: $client; $OLDER: $old"
[ "$new/$client/$old" = "Example/Example/Example, Inc." ]
