#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Miller turns CSV, as inventories come, into JSON: mlr --icsv --ojson cat. It infers
# which fields are numbers, and numbers come out with the digits they came in with.
#
# Expected: JSON, whatever the fields are: what is no number of JSON (RFC 8259, 6) is
#   a string, as 012345, +5 and 1_000 are.
# Observed: 0x10, .5 and 5. are numbers to Miller and are written as they are, without
#   quotes, which no parser of JSON reads; the status is 0. A serial number 123E45
#   comes out as a number. With -S all are strings (miller 6.6.0-2+b3).
set -u
VERSION=6.6.0-2+b3

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v python3 > /dev/null || { echo "needs python3" >&2; exit 2; }
apt-get download "miller=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download Miller $VERSION" >&2; exit 2; }
dpkg -x miller_*.deb root || exit 2
printf 'pin,plus,cut,serial,hex,half\n012345,+5,1_000,123E45,0x10,.5\n' > devices.csv
as_json() { root/usr/bin/mlr --icsv --ojsonl "$@" devices.csv 2> log; }
plain=$(as_json cat) || { tail -n 1 log >&2; exit 2; }
dash_s=$(as_json -S cat) || { tail -n 1 log >&2; exit 2; }
read_json() { python3 -c 'import json, sys; print(len(json.loads(sys.argv[1])))' "$1"; }
plain_read=$(read_json "$plain" 2> log) || plain_read=$(tail -n 1 log)
echo 'expected: {"pin": "012345", "plus": "+5", "cut": "1_000", "serial": "123E45", "hex": "0x10", "half": ".5"}'
echo "observed: $plain"
echo "observed: Python reads: $plain_read"
echo "with -S:  $dash_s"
[ "$plain" = '{"pin": "012345", "plus": "+5", "cut": "1_000", "serial": 123E45, "hex": 0x10, "half": .5}' ] &&
    [[ $plain_read = *JSONDecodeError* ]] && [ "$(read_json "$dash_s")" = 6 ]
