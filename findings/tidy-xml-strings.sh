#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# HTML Tidy reads and prints XML, too: -xml is to "specify the input is well formed
# XML", -indent is an option of its own. Configuration profiles are XML of which the
# strings may be scripts and texts of several lines.
#
# Expected: without -indent the text of an element comes out as it went in, as
#   xmllint and xmlstarlet have it even when they indent: an XML processor passes
#   all characters on (XML 1.0, 2.10).
# Observed: runs of blanks and line ends in strings become one blank, those at the
#   ends are removed, and CDATA gets line ends around it: a shell script in a
#   profile becomes one line, without a warning (tidy 2:5.6.0-11, status 0).
set -u
VERSION=2:5.6.0-11
STARLET=1.6.1-3

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v python3 > /dev/null || { echo "needs python3" >&2; exit 2; }
apt-get download "tidy=$VERSION" "libtidy5deb1=$VERSION" \
    "xmlstarlet=$STARLET" libxml2 libxslt1.1 libicu72 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download tidy $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
                  paste -sd:)

cat > profile <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
	<key>Script</key><string>if true; then
    echo "a  b"
fi
</string>
	<key>Text</key><string><![CDATA[x < y]]></string>
</dict>
</plist>
XML
cat > values.py <<'PY'
import plistlib, sys
read = plistlib.loads(sys.stdin.buffer.read())
print(read['Script'].encode(), read['Text'].encode())
PY
values() { env -u LD_LIBRARY_PATH python3 values.py; }
export LD_LIBRARY_PATH
before=$(values < profile)
root/usr/bin/tidy -xml -quiet profile > tidied 2> warnings ||
    { cat warnings >&2; exit 2; }
after=$(values < tidied)
starlet=$(root/usr/bin/xmlstarlet fo profile 2> log | values)
echo "expected: $before"
echo "observed: $after, and $(wc -l < warnings) warnings"
echo "observed: xmlstarlet fo: $starlet"
[ "$starlet" = "$before" ] && [ ! -s warnings ] &&
    [ "$after" = "b'if true; then echo \"a b\" fi' b'\\nx < y\\n'" ]
