#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Property list writers of npm turn a Uint8Array into <data>. A view of a part of
# a buffer, as subarray() makes, is the usual way to take a token or a digest out
# of a longer message.
#
# Expected: the bytes of the view. plist 5.0.0 writes these, and @expo/plist
#   itself does when the view is a Buffer.
# Observed: @expo/plist writes the whole buffer that the view is a part of
#   (@expo/plist 0.10.2).
set -u
VERSION=0.10.2
OTHER=5.0.0

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "@expo/plist@$VERSION" "plist@$OTHER" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install @expo/plist $VERSION" >&2
      exit 2; }

cat > write.mjs <<'JS'
import expo from '@expo/plist';
import * as plist from 'plist';

const message = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
const part = message.subarray(2, 4);
const builder = expo.build ? expo : expo.default;
const data = (list) => Buffer.from(
    list.match(/<data>([^<]*)<\/data>/)[1], 'base64').toString('hex');
console.log(data(plist.build({part})), data(builder.build({part})),
            data(builder.build({part: Buffer.from(part)})));
JS
result=$(node write.mjs) || exit 2
set -- $result
echo "expected: 0304"
echo "observed: plist $OTHER: $1; @expo/plist $VERSION: $2, as a Buffer: $3"
[ "$result" = "0304 0102030405060708 0304" ]
