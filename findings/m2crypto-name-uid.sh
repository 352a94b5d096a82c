#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# M2Crypto makes names of certificates by attributes: name.CN = 'push', name.O = ...,
# with the names that OpenSSL has for them. The topic of a push certificate is UID.
#
# Expected: name.UID = 'com.example.topic' adds it, as pyOpenSSL's X509Name does, or
#   is an error, as reading name.UID of a name without it is.
# Observed: the assignment sets an attribute of the Python object. name.UID then reads
#   as it was set, while the name, also in a request, has CN alone; no error
#   (python3-m2crypto 0.38.0-4+b1, pyOpenSSL 23.0.0). UID is missing from its table of
#   names, X509_Name.nid, as is DC.
set -u
VERSION=0.38.0-4+b1
PYOPENSSL=23.0.0-1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
python=/usr/bin/python3
$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    { echo "needs Python 3.11 of Debian 12" >&2; exit 2; }
apt-get download "python3-m2crypto=$VERSION" "python3-openssl=$PYOPENSSL" \
    python3-cryptography python3-cffi-backend > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download M2Crypto $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
PYTHONPATH=$work/root/usr/lib/python3/dist-packages
export PYTHONPATH

cat > name.py <<'PY'
from M2Crypto import X509
from OpenSSL import crypto

name = X509.X509_Name()
try:
    name.UID
    print('no error', end='; ')
except AttributeError:
    print('AttributeError', end='; ')
name.CN = 'push'
name.UID = 'com.example.topic'
print(name.UID, name.as_text(), sep='; ', end='; ')
other = crypto.X509Req().get_subject()
other.CN = 'push'
other.UID = 'com.example.topic'
print(*other.get_components(), sep=', ')
PY
observed=$($python name.py 2> log) || { tail -n 1 log >&2; exit 2; }
echo "expected: AttributeError; com.example.topic; CN=push, UID=com.example.topic"
echo "observed: ${observed%;*}"
echo "pyOpenSSL: ${observed##*; }"
[ "$observed" = "AttributeError; com.example.topic; CN=push; (b'CN', b'push'), (b'UID', b'com.example.topic')" ]
