#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The subject of a push certificate has its topic as UID, which RFC 4514 (3) lists
# among the nine names that each reader must know. phpseclib's X509 takes a subject
# as an array or as text, with setDN, which answers whether it could.
#
# Expected: setDN('UID=com.example.topic, CN=push') makes both, or answers false, as
#   it does for the same two as an array.
# Observed: it answers true, and the request that is made then has CN=push alone.
#   getDN shows a certificate's subject CN=device+UID=7 as CN=device: of each
#   component the first attribute (php-phpseclib3 3.0.19-1+deb12u6).
set -u
VERSION=3.0.19-1+deb12u6
PHP=8.2.36-1~deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v openssl > /dev/null || { echo "needs openssl" >&2; exit 2; }
apt-get download "php-phpseclib3=$VERSION" "php8.2-cli=$PHP" php-constant-time \
    php-random-compat libargon2-1 libsodium23 libedit2 libpcre2-8-0 libxml2 \
    libicu72 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download phpseclib $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key \
    -multivalue-rdn -subj /CN=device+UID=7 -days 30 -out cert.pem 2> log ||
    { tail -n 1 log >&2; exit 2; }
cat > names.php <<'PHP'
<?php
require 'phpseclib3/autoload.php';
use phpseclib3\Crypt\EC;
use phpseclib3\File\X509;

$request = new X509();
$request->setPrivateKey(EC::createKey('nistp256'));
echo json_encode($request->setDN('UID=com.example.topic, CN=push'));
file_put_contents('csr', $request->saveCSR($request->signCSR()));
$names = ['UID' => 'com.example.topic', 'CN' => 'push'];
echo ' ', json_encode((new X509())->setDN($names));
$cert = new X509();
$cert->loadX509(file_get_contents('cert.pem'));
echo ' ', $cert->getDN(X509::DN_STRING), "\n";
PHP
result=$(LD_LIBRARY_PATH=$libraries root/usr/bin/php8.2 -n \
    -d include_path="$work/root/usr/share/php" names.php 2> log) ||
    { echo "$result" | tail -n 3 >&2; exit 2; }
subject=$(openssl req -in csr -noout -subject -nameopt RFC2253) || exit 2
set -- $result
echo "expected: subject=CN=push,UID=com.example.topic"
echo "observed: $subject, setDN answered $1, for an array $2"
echo "expected: CN=device+UID=7"
echo "observed: $3"
[ "$subject/$result" = "subject=CN=push/true false CN=device" ]
