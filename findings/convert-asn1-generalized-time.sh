#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Perl's Convert::ASN1 decodes ASN.1; Net::LDAP is built upon it, scripts read
# certificates with it. GeneralizedTime has four digits for the year, and
# 99991231235959Z is RFC 5280's date for certificates without an end.
#
# Expected: the seconds since 1970 of the year that is written: 253402300799 for the
#   end of 9999, -631152000 for 1950-01-01; what encode made, decode reads.
# Observed: 193444156799, the end of 8099, and 2524608000, the begin of 2050. Years
#   from 2900 on are decoded as 1900 less; years before 1977 (in 2026; it is reckoned
#   from the present one) as a century more. encode is right (libconvert-asn1-perl
#   0.33-1, Perl 5.36).
set -u
VERSION=0.33-1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v perl > /dev/null || { echo "needs perl" >&2; exit 2; }
apt-get download "libconvert-asn1-perl=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download Convert::ASN1 $VERSION" >&2; exit 2; }
dpkg -x libconvert-asn1-perl_*.deb root || exit 2

cat > time.pl <<'PERL'
use strict;
use Convert::ASN1;

my $asn = Convert::ASN1->new(encoding => 'DER');
$asn->prepare('at GeneralizedTime') or die $asn->error;
for my $time (1795953600, 253402300799, -631152000) {
    my $der = $asn->encode(at => $time);
    print substr($der, 2), " $time ", $asn->decode($der)->{at}, "\n";
}
PERL
perl -I root/usr/share/perl5 time.pl > observed 2> log ||
    { tail -n 1 log >&2; exit 2; }
while read -r text expected observed; do
    echo "expected: $text is $expected, $(date -u -d "@$expected" +%F)"
    echo "observed: $text is $observed, $(date -u -d "@$observed" +%F)"
done < observed
[ "$(cat observed)" = "20261129120000Z 1795953600 1795953600
99991231235959Z 253402300799 193444156799
19500101000000Z -631152000 2524608000" ]
