#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Receivers of webhooks ask for a name and a password. RFC 7617, 2: a user-id has no
# colon; "the first colon ... separates user-id and password", which may have more.
#
# Expected: Passport's BasicStrategy hands "alice" and "two:words" to its verify
#   function.
# Observed: it hands over "alice" and "two": the credentials are split at every
#   colon, and the third part is dropped, so that the right password is refused
#   (passport-http 0.3.0). basic-auth 3.0.0 reads the same header as the RFC says.
set -u
VERSION=0.3.0
OTHER=3.0.0

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "passport-http@$VERSION" "basic-auth@$OTHER" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install passport-http $VERSION" >&2; exit 2; }

cat > ask.js <<'JS'
const {BasicStrategy} = require('passport-http');
const basicAuth = require('basic-auth');
const header = 'Basic ' + Buffer.from('alice:two:words').toString('base64');
const strategy = new BasicStrategy((name, password, done) => {
    const other = basicAuth.parse(header);

    console.log(`${name} ${password} / ${other.name} ${other.pass}`);
    done(null, false);
});

strategy.fail = () => {};
strategy.authenticate({headers: {authorization: header}});
JS
observed=$(node ask.js 2> log) || { tail -n 3 log >&2; exit 2; }
echo "expected: alice two:words / alice two:words"
echo "observed: $observed"
[ "$observed" = "alice two / alice two:words" ]
