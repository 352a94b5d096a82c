#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Key and certificate move in PKCS #12 files. Their MAC is optional (RFC 7292, 4),
# openssl pkcs12 -export -nomac leaves it out, and -in reads such a file with its
# password.
#
# Expected: PKCS12_parse, which programs read such files with, takes what the
#   command takes.
# Observed: with the right password it fails with "mac absent", although the command
#   of the same version reads the file; without encryption and password it succeeds.
#   Node's pfx and Python's cryptography 38 pass that on as a wrong file
#   (libssl3 3.0.22-1~deb12u2; 3.5.9 and 3.6.5 read it).
set -u
VERSION=3.0.22-1~deb12u2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "openssl=$VERSION" "libssl3=$VERSION" "libssl-dev=$VERSION" \
    > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download openssl $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name libcrypto.so.3)")
export LD_LIBRARY_PATH=$lib

cat > parse.c <<'C'
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    PKCS12 *file = d2i_PKCS12_fp(stdin, NULL);
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;

    if (file && PKCS12_parse(file, argc > 1 ? argv[1] : NULL, &key, &cert, NULL)) {
        puts(key && cert ? "read" : "incomplete");
    }
    else {
        puts(ERR_reason_error_string(ERR_peek_error()));
    }
    return 0;
}
C
gcc -Iroot/usr/include "-I$(dirname "$(dirname "$(find "$work/root" -name \
    opensslconf.h | head -n 1)")")" -o parse parse.c "$lib/libcrypto.so.3" \
    || exit 2
openssl() { root/usr/bin/openssl "$@"; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -subj /CN=device \
    -out cert.pem 2> log || { tail -n 1 log >&2; exit 2; }
export_to() { openssl pkcs12 -export -in cert.pem -inkey key "$@"; }
export_to -passout pass:secret -out mac.p12 || exit 2
export_to -passout pass:secret -nomac -out nomac.p12 || exit 2
export_to -passout pass: -nomac -keypbe NONE -certpbe NONE -out plain.p12 || exit 2
command=$(openssl pkcs12 -in nomac.p12 -passin pass:secret -nodes 2> log |
          grep -c BEGIN)
mac=$(./parse secret < mac.p12)
nomac=$(./parse secret < nomac.p12)
plain=$(./parse < plain.p12)
echo "expected: read each time"
echo "observed: PKCS12_parse with a MAC: $mac; without: $nomac; without one and" \
     "unencrypted: $plain; the command finds key and certificate: $command of 2"
[ "$mac/$nomac/$plain/$command" = "read/mac absent/read/2" ]
