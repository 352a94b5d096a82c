#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Perl's Crypt::X509 reads certificates; pubkey_size "returns the certificate's
# public key size". A script that looks for keys below 2048 bits goes by it.
#
# Expected: 2048 for RSA 2048, 1024 for RSA 1024, 256 for P-256.
# Observed: 2160, 1120 and 520: the length of the encoded key, with exponent, tags
#   and lengths (libcrypt-x509-perl 0.55-1). RSA keys of 1936 bits and more pass
#   for 2048.
set -u
VERSION=0.55-1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in openssl perl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
apt-get download "libcrypt-x509-perl=$VERSION" libconvert-asn1-perl \
    > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download Crypt::X509 $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done

size() {
    openssl req -x509 -newkey "$@" -nodes -keyout key -subj /CN=device \
        -outform DER -out der 2> log || { tail -n 1 log >&2; exit 2; }
    perl -I root/usr/share/perl5 -MCrypt::X509 -e '
        local $/;
        open my $file, "<:raw", "der" or die;
        my $certificate = Crypt::X509->new(cert => <$file>);
        die $certificate->error if $certificate->error;
        print $certificate->pubkey_size, "\n"'
}
echo "expected: 1024 2048 256; observed:"
observed=$(size rsa:1024; size rsa:2048
           size ec -pkeyopt ec_paramgen_curve:P-256) || exit 2
echo $observed
[ "$(echo $observed)" = "1120 2160 520" ]
