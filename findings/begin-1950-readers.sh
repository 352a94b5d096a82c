#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# UTCTime has two digits for the year. In certificates 50 to 99 are 1950 to 1999 (RFC
# 5280, 4.1.2.5.1), and 1950 is the earliest begin that a certificate can have so.
#
# Expected: a certificate from 1950 to 2040 is valid today; openssl, and Ruby's
#   OpenSSL::X509, which is built upon the same library, tell its begin.
# Observed: Ruby says 2050, so that a check of not_before refuses it; so does
#   x509-util, on Haskell's asn1-encoding. GnuTLS's certtool says 1970
#   (ruby3.1 3.1.7+really3.1.2-0+deb12u1, x509-util 1.6.6-1, gnutls-bin
#   3.7.9-2+deb12u7). Ruby changes the century at 69, x509-util at 51.
set -u
RUBY=3.1.7+really3.1.2-0+deb12u1
UTIL=1.6.6-1
GNUTLS=3.7.9-2+deb12u7

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v openssl > /dev/null || { echo "needs openssl" >&2; exit 2; }
apt-get download "ruby3.1=$RUBY" "libruby3.1=$RUBY" "x509-util=$UTIL" \
    "gnutls-bin=$GNUTLS" "libgnutls30=$GNUTLS" "libgnutls-dane0=$GNUTLS" \
    libunbound8 libopts25 libevent-2.1-7 libunistring2 libidn2-0 libtasn1-6 \
    libp11-kit0 libhogweed6 libnettle8 libyaml-0-2 libgmp10 libffi8 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download the packages" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)
run() { LD_LIBRARY_PATH=$libraries "$@" 2> log || { tail -n 1 log >&2; exit 2; }; }

cat > ca.cnf <<'CNF'
[ca]
default_ca = ca_default
[ca_default]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = policy
[policy]
commonName = supplied
CNF
touch index
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key \
    -out csr -subj /CN=device 2> log &&
    openssl ca -batch -selfsign -config ca.cnf -in csr -keyfile key -notext \
        -startdate 19500101000000Z -enddate 20400101000000Z -out cert.pem 2> log ||
    { tail -n 1 log >&2; exit 2; }
machine=$(find root/usr/lib -path '*/ruby/3.1.0/openssl.so' -printf '%h\n')
year() { grep -oE '\b(19|20)[0-9]{2}\b' | head -n 1; }
openssl=$(openssl x509 -in cert.pem -noout -startdate | year)
ruby=$(run root/usr/bin/ruby3.1 --disable-gems -I root/usr/lib/ruby/3.1.0 \
    -I "$machine" -r openssl \
    -e 'puts OpenSSL::X509::Certificate.new(File.read("cert.pem")).not_before' |
    year)
util=$(run root/usr/bin/x509-util cert cert.pem | sed -n 's/^valid: *//p' | year)
certtool=$(run root/usr/bin/certtool -i --infile cert.pem |
           sed -n 's/.*Not Before: *//p' | year)
echo "expected: 1950 four times"
echo "observed: openssl $openssl, Ruby $ruby, x509-util $util, certtool $certtool"
[ "$openssl/$ruby/$util/$certtool" = 1950/2050/2050/1970 ]
