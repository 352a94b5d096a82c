#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A component of a name may have several attributes (RFC 4514, 2.2): CN=device+UID=7
# is one, CN=device,UID=7 are two, and names that differ so do not match (RFC 5280,
# 7.1). openssl ca issues what a request asks for, in the order of its policy.
#
# Expected: with a policy that takes CN and UID, the certificate for a request of
#   CN=device+UID=7 has that subject, as openssl x509 -req makes it.
# Observed: openssl ca takes the component apart, without a warning: two components,
#   CN and UID. Who looks for the name that was asked for does not find it. With
#   -preserveDN the name stays as it was (openssl 3.0.22-1~deb12u2).
set -u
VERSION=3.0.22-1~deb12u2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
apt-get download "openssl=$VERSION" "libssl3=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download OpenSSL $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name libcrypto.so.3)")
export LD_LIBRARY_PATH
openssl() { root/usr/bin/openssl "$@" 2> log || { tail -n 1 log >&2; exit 2; }; }

cat > ca.cnf <<'CNF'
[req]
distinguished_name = dn
[dn]
[ca]
default_ca = ca_default
[ca_default]
database = index
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = 30
policy = policy
[policy]
commonName = supplied
userId = optional
CNF
touch index
new_key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config ca.cnf"
openssl req -x509 $new_key -keyout ca.key -out ca.pem -subj /CN=ca -days 30
openssl req -new $new_key -multivalue-rdn -subj /CN=device+UID=7 -keyout key \
    -out csr
issue() { openssl ca -batch -config ca.cnf -in csr -keyfile ca.key -cert ca.pem \
              -notext -out "$@"; }
issue policy.pem
issue preserved.pem -preserveDN
openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -set_serial 7 -days 30 \
    -out req.pem
subject() { openssl "$1" -in "$2" -noout -subject -nameopt RFC2253; }
asked=$(subject req csr) && policy=$(subject x509 policy.pem) &&
    preserved=$(subject x509 preserved.pem) && req=$(subject x509 req.pem) ||
    exit 2
echo "asked for:             $asked"
echo "expected: openssl ca:  $asked"
echo "observed: openssl ca:  $policy"
echo "with -preserveDN:      $preserved"
echo "openssl x509 -req:     $req"
[ "$policy" = subject=UID=7,CN=device ] && [ "$asked" = subject=UID=7+CN=device ] &&
    [ "$preserved/$req" = "$asked/$asked" ]
