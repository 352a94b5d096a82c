#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tcllib's pki makes requests and certificates in Tcl alone: pki::x509::create_cert
# takes begin and end as seconds since 1970, as Tcl's clock has them.
#
# Expected: an end in 2049 or 2055 is the certificate's end; RFC 5280 (4.1.2.5) has
#   dates from 2050 on as GeneralizedTime.
# Observed: it is written as UTCTime, 550701000000Z, which is 1955: the certificate of
#   a CA or device that is to last 30 years has expired before it is made, without an
#   error. Of a name CN=device+UID=7 its parse_cert tells CN=device (tcllib
#   1.21+dfsg-1, Tcl 8.6.13).
set -u
VERSION=1.21+dfsg-1
TCL=8.6.13+dfsg-2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v openssl > /dev/null || { echo "needs openssl" >&2; exit 2; }
apt-get download "tcllib=$VERSION" "tcl8.6=$TCL" "libtcl8.6=$TCL" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download tcllib $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(dirname "$(find "$work/root" -name libtcl8.6.so)")
TCL_LIBRARY=$work/root/usr/share/tcltk/tcl8.6
TCLLIBPATH=$work/root/usr/share/tcltk
export TCL_LIBRARY TCLLIBPATH

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key \
    -multivalue-rdn -subj /CN=device+UID=7 -days 30 -out parsed.pem 2> log ||
    { tail -n 1 log >&2; exit 2; }
cat > make.tcl <<'TCL'
package require pki

set key [pki::rsa::generate 2048]
set ca $key
dict set ca subject CN=ca
set request [pki::pkcs::parse_csr [pki::pkcs::create_csr $key {CN device} 1]]
set begin [clock scan 2026-01-01 -gmt 1]
foreach year {2049 2055} {
    set out [open $year.pem w]
    puts $out [pki::x509::create_cert $request $ca 7 $begin \
        [clock scan $year-07-01 -gmt 1] 0 {} 1 sha256]
    close $out
}
set in [open parsed.pem]
puts [dict get [pki::x509::parse_cert [read $in]] subject]
TCL
name=$(LD_LIBRARY_PATH=$libraries root/usr/bin/tclsh8.6 make.tcl 2> log) ||
    { tail -n 3 log >&2; exit 2; }
end() { openssl x509 -in "$1.pem" -noout -enddate | cut -d= -f2; }
near=$(end 2049) && far=$(end 2055) || exit 2
echo "expected: Jul  1 00:00:00 2049 GMT, Jul  1 00:00:00 2055 GMT, CN=device+UID=7"
echo "observed: $near, $far, $name"
[ "$near/$far/$name" = \
    "Jul  1 00:00:00 2049 GMT/Jul  1 00:00:00 1955 GMT/CN=device" ]
