#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libplist's Python binding: plist.Dict({...}) makes a dictionary of Python's.
#
# Expected: plist.Dict({'UDID': plist.String('x')}) has one key, or raises an
#   error as d['UDID'] = plist.String('x') does, which wants a key of bytes.
# Observed: the error is printed as "ignored", the program goes on with an empty
#   dictionary and ends with status 0; written out, it is a valid property list
#   without the key. With the key b'UDID' it has one (python3-plist 2.2.0-6+b2,
#   Python 3.11).
set -u
VERSION=2.2.0-6+b2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
python=/usr/bin/python3
$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    { echo "needs Python 3.11 of Debian 12" >&2; exit 2; }
apt-get download "python3-plist=$VERSION" "libplist3=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download python3-plist $VERSION" >&2
      exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name 'libplist-2.0.so.3')")
PYTHONPATH=$work/root/usr/lib/python3/dist-packages
export LD_LIBRARY_PATH PYTHONPATH

cat > make.py <<'PY'
import plist
try:
    plist.Dict()['UDID'] = plist.String('x')
    print('no error', end=' ')
except TypeError:
    print('TypeError', end=' ')
print(len(plist.Dict({'UDID': plist.String('x')})),
      len(plist.Dict({b'UDID': plist.String('x')})))
PY
result=$($python make.py 2> errors) || { tail -n 3 errors >&2; exit 2; }
set -- $result
echo "expected: Dict({'UDID': ...}) has 1 key or raises, as an assignment: $1"
echo "observed: it has $2 keys, Dict({b'UDID': ...}) has $3; printed meanwhile:"
grep -E 'TypeError|ignored' errors | head -n 2
[ "$result" = "TypeError 0 1" ] && grep -q '^Exception ignored' errors
