#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A certificate without a well-defined end has the end date 99991231235959Z, says
# RFC 5280 (4.1.2.5); identities that devices get in the factory (IEEE 802.1AR) have
# it. Botan's command line tool shows certificates with cert_info.
#
# Expected: it shows this one, as it does one that ends in 2501.
# Observed: Botan cannot decode it, "Time 99991231235959Z does not seem to be valid":
#   it takes years up to 3100. So its library refuses each chain with such a
#   certificate in it (botan and libbotan-2-19 2.19.3+dfsg-1+deb12u1).
set -u
VERSION=2.19.3+dfsg-1+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v openssl > /dev/null || { echo "needs openssl" >&2; exit 2; }
apt-get download "botan=$VERSION" "libbotan-2-19=$VERSION" libtspi1 \
    libsqlite3-0 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download Botan $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)

openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key \
    -out csr -subj /CN=device 2> log || { tail -n 1 log >&2; exit 2; }
cat > ca.cnf <<'CNF'
[ca]
default_ca = ca_default
[ca_default]
database = index
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
[policy]
commonName = supplied
CNF
touch index
ends() {
    openssl ca -batch -selfsign -config ca.cnf -in csr -keyfile key \
        -startdate 20260101000000Z -enddate "$1" -notext -out cert.pem 2> log ||
        { tail -n 1 log >&2; exit 2; }
    LD_LIBRARY_PATH=$libraries root/usr/bin/botan cert_info cert.pem 2>&1 |
        grep -E '^Expires|failed'
}
near=$(ends 25010101000000Z) || exit 2
none=$(ends 99991231235959Z) || exit 2
echo "expected: Expires: 2501/01/01 00:00:00 UTC"
echo "observed: $near"
echo "expected: Expires: 9999/12/31 23:59:59 UTC"
echo "observed: $none"
[ "$near" = "Expires: 2501/01/01 00:00:00 UTC" ] &&
    [[ $none = *"Time 99991231235959Z does not seem to be valid" ]]
