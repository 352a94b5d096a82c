#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# GnuTLS's certtool takes a serial number from its template, in decimal digits or,
# after 0x, in hexadecimal ones. RFC 5280 (4.1.2.2) has positive numbers only.
#
# Expected: serial = 0xff and serial = 255 make the same certificate number.
# Observed: 255 is written as 255; 0xff becomes the bytes as they are, which in
#   DER is -1. So is every hexadecimal number of which the first digit is 8 to f:
#   readers that keep to RFC 5280, Go 1.23's by default among them, refuse the
#   certificate (gnutls-bin 3.7.9-2+deb12u7).
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
result=
for serial in 255 0xff 0x7f 4096 0x1000; do
    printf 'cn = device\nexpiration_days = 30\nserial = %s\n' $serial > template
    certtool --generate-self-signed --load-privkey key --template template \
        --outfile cert.pem || { tail -n 3 log >&2; exit 2; }
    observed=$(openssl x509 -in cert.pem -noout -serial | cut -d= -f2) || exit 2
    printf 'serial = %-6s expected: %02X observed: %s\n' $serial \
        $((serial)) "$observed"
    result="$result $observed"
done
[ "$result" = " FF -01 7F 1000 1000" ]
