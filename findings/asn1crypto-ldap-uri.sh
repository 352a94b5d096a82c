#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Certificates of Active Directory's CAs name their revocation list and issuer by
# URIs such as ldap:///CN=ca,CN=CDP,...: no host, which means the client's own
# directory (RFC 4516). Python's asn1crypto reads and writes such names.
#
# Expected: the URI of the certificate, as openssl prints it.
# Observed: ldap:/CN=ca,...: two slashes are gone, and with them the form of RFC 4516,
#   which clients do not take. What asn1crypto writes lacks them as well
#   (python3-asn1crypto 1.5.1-2, Python 3.11).
set -u
VERSION=1.5.1-2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
python=/usr/bin/python3
$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    { echo "needs Python 3.11 of Debian 12" >&2; exit 2; }
command -v openssl > /dev/null || { echo "needs openssl" >&2; exit 2; }
apt-get download "python3-asn1crypto=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download asn1crypto $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
PYTHONPATH=$work/root/usr/lib/python3/dist-packages
export PYTHONPATH

cat > cert.cnf <<'CNF'
[req]
distinguished_name = dn
x509_extensions = ext
prompt = no
[dn]
CN = device
[ext]
crlDistributionPoints = cdp
[cdp]
fullname = @names
[names]
URI.1 = ldap:///CN=ca,CN=CDP?certificateRevocationList
CNF
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key \
    -outform DER -out cert -days 30 -config cert.cnf 2> log ||
    { tail -n 1 log >&2; exit 2; }
cat > read.py <<'PY'
from asn1crypto import x509

uri = 'ldap:///CN=ca,CN=CDP?certificateRevocationList'
with open('cert', 'rb') as cert:
    points = x509.Certificate.load(cert.read()).crl_distribution_points
print(points[0]['distribution_point'].chosen[0].native)
print(x509.URI(uri).dump()[2:].decode())
PY
$python read.py > observed 2> log || { tail -n 1 log >&2; exit 2; }
expected=$(openssl x509 -inform DER -in cert -noout -text |
           sed -n 's/ *URI:\(ldap\)/\1/p')
{ read -r read; read -r written; } < observed
echo "expected: read: $expected"
echo "observed: read: $read"
echo "expected: written: $expected"
echo "observed: written: $written"
[ "$expected" = 'ldap:///CN=ca,CN=CDP?certificateRevocationList' ] &&
    [ "$read" = 'ldap:/CN=ca,CN=CDP?certificateRevocationList' ] &&
    [ "$written" = "$read" ]
