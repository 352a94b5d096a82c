#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cryptography reads names of certificates from text: Name.from_rfc4514_string. RFC
# 4514 has examples, among them CN=Lu\C4\8Di\C4\87 with its meaning, "Lu", c with
# caron, "i", c with acute: pairs of hex digits are bytes of UTF-8.
#
# Expected: the example of the RFC is read as the RFC says.
# Observed: each pair becomes a character of its own, U+00C4, U+008D..., and a
#   certificate made with that name has six characters in place of four, without an
#   error (python3-cryptography 38.0.4; 43.0.0 does the same, 49.0.0 reads it).
set -u
VERSION=38.0.4-3+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
[ "$(/usr/bin/python3 -c 'import sys; print(sys.version_info[:2])')" = "(3, 11)" ] ||
    { echo "needs the Python 3.11 of Debian 12" >&2; exit 2; }
apt-get download "python3-cryptography=$VERSION" python3-cffi-backend > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download cryptography $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done

cat > read.py <<'PY'
from cryptography import x509

name = x509.Name.from_rfc4514_string(r"CN=Lu\C4\8Di\C4\87")
print(ascii(next(iter(name)).value))
PY
observed=$(PYTHONPATH=root/usr/lib/python3/dist-packages \
    /usr/bin/python3 read.py 2> log) || { tail -n 1 log >&2; exit 2; }
echo "expected: 'Lu\\u010di\\u0107'"
echo "observed: $observed"
[ "$observed" = "'Lu\\xc4\\x8di\\xc4\\x87'" ]
