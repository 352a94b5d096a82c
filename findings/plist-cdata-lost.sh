#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A property list in XML may have a string as CDATA, as XML has it: no need to escape
# the scripts, templates and licence texts that profiles carry.
#
# Expected: <string><![CDATA[if a && b]]></string> and <string>if a &amp;&amp;
#   b</string> are the same string, as Python's plistlib and libplist read them.
# Observed: with two readers the first is an empty string, without an error: Node's
#   @balena/apple-plist 0.0.3 and GNUstep's, of which plmerge makes a list in which
#   the script is gone (gnustep-base-runtime 1.28.1+really1.28.0-5). apple-plist
#   0.3.0 reads it.
set -u
BALENA=0.0.3
APPLE=0.3.0
GNUSTEP=1.28.1+really1.28.0-5

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm python3; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "@balena/apple-plist@$BALENA" "apple-plist@$APPLE" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install apple-plist" >&2; exit 2; }
apt-get download "gnustep-base-runtime=$GNUSTEP" "libgnustep-base1.28=$GNUSTEP" \
    libobjc4 libavahi-client3 libavahi-common3 libxslt1.1 libxml2 libicu72 \
    libgnutls30 libffi8 libdbus-1-3 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download GNUstep $GNUSTEP" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)

cat > list.plist <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>cdata</key><string><![CDATA[if a && b]]></string>
<key>text</key><string>if a &amp;&amp; b</string>
</dict></plist>
XML
cat > read.js <<'JS'
const fs = require('fs');
const {data} = require(process.argv[2]).parse(fs.readFileSync('list.plist', 'utf8'));
console.log(`[${data.cdata}] [${data.text}]`);
JS
python=$(python3 -c 'import plistlib
list = plistlib.load(open("list.plist", "rb"))
print("[%s] [%s]" % (list["cdata"], list["text"]))') || exit 2
apple=$(node read.js apple-plist) && balena=$(node read.js @balena/apple-plist) ||
    exit 2
LD_LIBRARY_PATH=$libraries root/usr/bin/plmerge merged list.plist > log 2>&1 ||
    { tail -n 1 log >&2; exit 2; }
gnustep=$(sed -n 's/ *[a-z]* = "\(.*\)";/[\1]/p' merged | paste -sd' ')
echo "expected: [if a && b] [if a && b]"
echo "observed: $python (plistlib), $apple (apple-plist)"
echo "observed: $balena (@balena/apple-plist)"
echo "observed: $gnustep (plmerge)"
same='[if a && b] [if a && b]'
[ "$python/$apple" = "$same/$same" ] && [ "$balena" = '[] [if a && b]' ] &&
    [ "$gnustep" = "$balena" ]
