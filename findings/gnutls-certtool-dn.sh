#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# GnuTLS's certtool takes a whole subject from its template: dn = "...", in the
# form of RFC 4514, where a comma in a value is written "\,". Its manual has the
# example "cn = Nikos,st = New\, Something,C=GR,surName=Mavrogiannopoulos".
#
# Expected: ST=New\, Something; O=Example\, Inc. is "Example, Inc.".
# Observed: the escaped character is dropped with its backslash, without a
#   warning: "New Something", "Example Inc.", A\+B is "AB". The template's own
#   words, organization = "Example, Inc.", are right (gnutls-bin
#   3.7.9-2+deb12u7).
set -u
VERSION=3.7.9-2+deb12u7

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v openssl > /dev/null || { echo "needs openssl" >&2; exit 2; }
apt-get download "gnutls-bin=$VERSION" "libgnutls30=$VERSION" \
    "libgnutls-dane0=$VERSION" libunbound8 libopts25 libevent-2.1-7 \
    libunistring2 libidn2-0 libtasn1-6 libp11-kit0 libhogweed6 libnettle8 \
    > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download GnuTLS $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)
certtool() { LD_LIBRARY_PATH=$libraries root/usr/bin/certtool "$@" > log 2>&1; }

certtool --generate-privkey --key-type ecdsa --outfile key ||
    { tail -n 3 log >&2; exit 2; }
# What the template's line makes of the attribute of the name.
subject() {
    printf '%s\ncn = device\nexpiration_days = 30\n' "$1" > template
    certtool --generate-self-signed --load-privkey key --template template \
        --outfile cert.pem || { tail -n 3 log >&2; exit 2; }
    openssl x509 -in cert.pem -noout -subject -nameopt multiline,-align |
        sed -n "s/ *$2 = //p"
}
manual=$(subject \
    'dn = "cn = Nikos,st = New\, Something,C=GR,surName=Mavrogiannopoulos"' \
    stateOrProvinceName)
comma=$(subject 'dn = "CN=device,O=Example\, Inc."' organizationName)
plus=$(subject 'dn = "CN=device,O=A\+B"' organizationName)
word=$(subject 'organization = "Example, Inc."' organizationName)
echo "expected: New, Something; Example, Inc.; A+B; Example, Inc."
echo "observed: $manual; $comma; $plus; $word"
[ "$manual/$comma/$plus/$word" = \
    "New Something/Example Inc./AB/Example, Inc." ]
