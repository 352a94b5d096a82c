#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The subject of a push certificate has its topic as UID, the userid of RFC 4519.
# Names of attributes have no case (RFC 4512, 1.4), and RFC 4514, 3, maps UID to
# 0.9.2342.19200300.100.1.1. openssl req -subj takes such names.
#
# Expected: -subj /uid=TOPIC and -subj /UID=TOPIC make the same subject, or uid, as
#   cn, is refused as unknown.
# Observed: uid is another attribute, uniqueIdentifier (.100.1.44), and no error.
#   Printed by openssl it looks right ("uid = TOPIC"); who looks for UID finds none
#   (openssl 3.0.22-1~deb12u2; 3.5.9 and 3.6.5 do the same).
set -u
VERSION=3.0.22-1~deb12u2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
apt-get download "openssl=$VERSION" "libssl3=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download openssl $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name libcrypto.so.3)")
export LD_LIBRARY_PATH

subject() {
    root/usr/bin/openssl req -x509 -newkey rsa:2048 -nodes -keyout key \
        -subj "/$1=com.apple.mgmt.External.1" -out cert.pem 2> log || {
            grep -o 'unknown' log | head -n 1; return; }
    root/usr/bin/openssl x509 -in cert.pem -noout -subject -nameopt oid |
        sed 's/^subject=//; s/ *=.*//'
}
upper=$(subject UID); lower=$(subject uid)
echo "expected: 0.9.2342.19200300.100.1.1 for both, or uid is unknown"
echo "observed: UID: $upper; uid: $lower"
[ "$upper/$lower" = "0.9.2342.19200300.100.1.1/0.9.2342.19200300.100.1.44" ]
