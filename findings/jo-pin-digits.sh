#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# jo makes JSON on the command line, jo request_type=DeviceLock pin=012345, and
# "attempts to guess the type of value": what is a number becomes one. A PIN that
# locks a Mac has six digits, serial numbers have digits and letters.
#
# Expected: 012345 is no number of JSON (RFC 8259, 6: no leading zeros), so it stays
#   text, as 12_3 and nan do; the same for 0x10. A serial number is text.
# Observed: numbers are what strtod() takes: the PIN becomes 12345, 0x10 becomes 16,
#   of the serial numbers C02E4 and 123E45 the second becomes 1.23e+47. With -s
#   before the word, jo -- -s pin=012345, it is text (jo 1.9-1).
set -u
VERSION=1.9-1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
apt-get download "jo=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download jo $VERSION" >&2; exit 2; }
dpkg -x jo_*.deb root || exit 2

guessed=$(root/usr/bin/jo pin=012345 udid=12_3 n=nan hex=0x10 a=C02E4 b=123E45) &&
    text=$(root/usr/bin/jo -- -s pin=012345) || exit 2
echo 'expected: {"pin":"012345","udid":"12_3","n":"nan","hex":"0x10","a":"C02E4","b":"123E45"}'
echo "observed: $guessed"
echo "with -s:  $text"
[ "$guessed" = '{"pin":12345,"udid":"12_3","n":"nan","hex":16,"a":"C02E4","b":1.23e+47}' ] &&
    [ "$text" = '{"pin":"012345"}' ]
