#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Groups of a directory have names such as cn=R\+D,ou=groups,dc=example,dc=com: RFC
# 4514, 2.4, escapes a plus sign, and blanks at the ends of a value, by a backslash.
# @ldapjs/dn reads and writes them for Node.
#
# Expected: CN=R\+D is the group "R+D", CN=R\+Dev is "R+Dev", CN=\ a is " a".
# Observed: where a hex digit follows, "+D" and " a" are read as two hex digits, as
#   parseInt() takes signs and blanks: R\+Dev is R, a carriage return, ev; R\+D and
#   \ a are trimmed to R and nothing, without an error. R\+X and R\2bD are read as
#   they are (@ldapjs/dn 1.1.0).
set -u
VERSION=1.1.0

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "@ldapjs/dn@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install @ldapjs/dn $VERSION" >&2; exit 2; }

cat > read.js <<'JS'
const {DN} = require('@ldapjs/dn');
const read = text => DN.fromString(text).toString();

console.log([String.raw`CN=R\+D,O=b`, String.raw`CN=R\+Dev,O=b`,
             String.raw`CN=\ a,O=b`, String.raw`CN=R\+X,O=b`,
             String.raw`CN=R\2bD,O=b`].map(read).join(' '));
JS
observed=$(node read.js 2> log) || { tail -n 3 log >&2; exit 2; }
echo 'expected: CN=R\2bD,O=b CN=R\2bDev,O=b CN=\20a,O=b CN=R\2bX,O=b' \
     'CN=R\2bD,O=b'
echo "observed: $observed"
[ "$observed" = \
  'CN=R,O=b CN=R\0dev,O=b CN=,O=b CN=R\2bX,O=b CN=R\2bD,O=b' ]
