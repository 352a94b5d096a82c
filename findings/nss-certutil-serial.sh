#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# NSS's certutil issues certificates; -m gives the serial number, by which a CA's
# certificates are distinguished and revoked.
#
# Expected: -m 4294967298 gives the number 4294967298, or is refused.
# Observed: it gives the number 2, without a warning: what is above 32 bits is cut
#   off, and the CA has issued the number 2 twice (libnss3-tools
#   2:3.87.1-1+deb12u4).
set -u
VERSION=2:3.87.1-1+deb12u4

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v openssl > /dev/null || { echo "needs openssl" >&2; exit 2; }
apt-get download "libnss3-tools=$VERSION" "libnss3=$VERSION" libnspr4 \
    libsqlite3-0 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download NSS $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so*' -printf '%h\n' | sort -u |
            paste -sd:)
certutil() {
    LD_LIBRARY_PATH=$libraries root/usr/bin/certutil -d db "$@" > log 2>&1
}

mkdir db
head -c 64 /dev/urandom > noise
openssl req -new -newkey rsa:2048 -nodes -keyout key -out csr -subj /CN=device \
    2> log || exit 2
certutil -N --empty-password &&
    certutil -S -n ca -s CN=ca -x -t CT,CT,CT -z noise -m 1 ||
    { tail -n 3 log >&2; exit 2; }
result=
for serial in 2 2147483647 4294967298; do
    certutil -C -c ca -a -i csr -o cert.pem -m $serial
    status=$?
    observed=$(openssl x509 -in cert.pem -noout -serial | cut -d= -f2) || exit 2
    observed=$((16#$observed))
    echo "-m $serial: expected: $serial observed: $observed, status $status"
    result="$result $observed:$status"
done
[ "$result" = " 2:0 2147483647:0 2:0" ]
