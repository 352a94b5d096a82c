#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A property list says of each number what it is: <integer>1</integer> or
# <real>1</real>. The latter is how Apple's own writer puts 1.0. dd-plist reads and
# writes property lists in Java.
#
# Expected: the element decides: what is read from <real>1</real> is a real and is
#   written as one; blanks around an integer change nothing.
# Observed: the text decides. <real>1</real> becomes an integer, <integer> 7
#   </integer> a real, and both are written out so, also into a binary list:
#   a key that must be real no longer is (libdd-plist-java 1.20-1.1).
set -u
VERSION=1.20-1.1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
java --list-modules 2> log | grep -q '^jdk.compiler' ||
    { echo "needs a JDK" >&2; exit 2; }
apt-get download "libdd-plist-java=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download dd-plist $VERSION" >&2; exit 2; }
dpkg -x libdd-plist-java_*.deb root || exit 2

cat > Numbers.java <<'JAVA'
import com.dd.plist.NSArray;
import com.dd.plist.PropertyListParser;

public class Numbers {
    public static void main(String[] args) throws Exception {
        String xml = "<?xml version=\"1.0\"?><plist version=\"1.0\"><array>"
            + "<real>1.5</real><real>1</real><integer>7</integer>"
            + "<integer> 7 </integer></array></plist>";
        NSArray list = (NSArray) PropertyListParser.parse(xml.getBytes("UTF-8"));
        for (String line : list.toXMLPropertyList().split("\n")) {
            if (line.contains("<real>") || line.contains("<integer>")) {
                System.out.print(line.trim());
            }
        }
    }
}
JAVA
observed=$(java -cp "$(find root -name 'dd-plist-1.20.jar' | head -n 1)" \
    Numbers.java 2> log) || { tail -n 3 log >&2; exit 2; }
echo "expected: <real>1.5</real><real>1</real><integer>7</integer><integer>7</integer>"
echo "observed: $observed"
[ "$observed" = "<real>1.5</real><integer>1</integer><integer>7</integer><real>7.0</real>" ]
