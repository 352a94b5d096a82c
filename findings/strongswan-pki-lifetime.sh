#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# strongSwan's pki --issue takes "--lifetime days" or "--not-after datetime": two
# natural ways to issue an identity that outlives its device. Its manual names no
# bound of the days, and says of the lifetime that it is "ignored if both an
# absolute start and end time are given".
#
# Expected: --lifetime 36500 ends a hundred years from now; --not-after alone
#   makes a certificate that is valid from now on.
# Observed: --lifetime 36500 gives an end before the begin, in 1990 when run in
#   2026, as the seconds are reckoned in 32 bits. With --not-after alone the begin
#   is reckoned back from it by the default lifetime of 1095 days: a certificate
#   that ends in 20 years is not valid for 17. No warning and status 0 in both
#   cases (strongswan-pki 5.9.8-5+deb12u6).
set -u
VERSION=5.9.8-5+deb12u6

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v openssl > /dev/null || { echo "needs openssl" >&2; exit 2; }
apt-get download "strongswan-pki=$VERSION" "libstrongswan=$VERSION" libgmp10 \
    > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download pki $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)
plugins=$(dirname "$(find "$work/root" -name libstrongswan-openssl.so -o \
                     -name libstrongswan-x509.so | head -n 1)")
mkdir conf
for plugin in random nonce sha1 sha2 gmp pkcs1 pkcs8 pem x509 pubkey pkcs7 \
    pkcs10 openssl; do
    [ ! -e "$plugins/libstrongswan-$plugin.so" ] || names="${names-} $plugin"
done
printf 'pki {\n  load = %s\n  plugin_dir = %s\n}\n' "${names-}" "$plugins" \
    > conf/strongswan.conf
pki() {
    STRONGSWAN_CONF=$work/conf/strongswan.conf LD_LIBRARY_PATH=$libraries \
        root/usr/bin/pki "$@" 2>> log
}

openssl genrsa -traditional -out ca.pem 2048 2> log || exit 2
openssl rsa -in ca.pem -outform DER -traditional -out ca.key 2> log || exit 2
openssl req -new -key ca.pem -subj /CN=device -outform DER -out device.csr ||
    exit 2
pki --self --ca --in ca.key --type rsa --dn CN=ca > ca.crt ||
    { tail -n 3 log >&2; exit 2; }
issue() {
    pki --issue --type pkcs10 --in device.csr --cacert ca.crt --cakey ca.key \
        "$@" > device.crt || { tail -n 3 log >&2; exit 2; }
    openssl x509 -inform DER -in device.crt -noout "-$field" | cut -d= -f2
}
field=enddate
end=$(issue --lifetime 36500) || exit 2
later=$(date -d "+20 years" +%Y)-06-01
field=startdate
begin=$(issue --not-after "$later" --dateform %Y-%m-%d) || exit 2
echo "expected: --lifetime 36500 ends in $(date -d "+36500 days" +%Y)"
echo "observed: it ends on $end"
echo "expected: --not-after $later begins in $(date +%Y)"
echo "observed: it begins on $begin"
now=$(date +%s)
[ "$(date -d "$end" +%s)" -lt "$now" ] && [ "$(date -d "$begin" +%s)" -gt "$now" ]
