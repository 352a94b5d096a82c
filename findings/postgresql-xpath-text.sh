#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL reads XML by XPath: xpath() gives nodes, which are cast to text; the
# XPath function string() gives the text of an element. Reports of devices are
# property lists, kept as they came.
#
# Expected: of <string>R &amp; D</string> the text R & D, and of
#   <string><![CDATA[a && b]]></string> a && b, by '.../text()' as by 'string(...)'.
# Observed: xpath() gives R &amp; D both ways, and <![CDATA[a && b]]> with its marks by
#   text(), a &amp;&amp; b by string(): a comparison with 'R & D' finds nothing, as does
#   a join with names from elsewhere. XMLTABLE with PATH 'string[1]' gives R & D
#   (postgresql-15 15.20-0+deb12u1).
set -u
VERSION=15.20-0+deb12u1

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
# With what Debian 12 may lack of their libraries, in its own version.
apt-get download "postgresql-15=$VERSION" "postgresql-client-15=$VERSION" \
    "libpq5=$VERSION" libllvm14 libxml2 libicu72 libxslt1.1 libz3-4 libedit2 \
    libbsd0 libmd0 libtinfo6 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download PostgreSQL $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
                  paste -sd:)
export LD_LIBRARY_PATH
as=
if [ "$(id -u)" -eq 0 ]; then
    chown -R nobody "$work"
    as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
bin=$work/root/usr/lib/postgresql/15/bin
$as "$bin/initdb" --pgdata="$work/data" --username=tester --auth=trust \
    --no-sync --locale=C > log 2>&1 || { tail -n 5 log >&2; exit 2; }
$as "$bin/postgres" -D "$work/data" -k "$work" -c listen_addresses= \
    > log 2>&1 &
server=$!
sql() { "$bin/psql" -X -q -t -A -h "$work" -U tester -d postgres "$@"; }
for _ in $(seq 100); do sql -c "SELECT" > /dev/null 2>&1 && break; sleep 0.2; done

list="<dict><string>R &amp; D</string><string><![CDATA[a && b]]></string></dict>"
table="SELECT x.* FROM XMLTABLE('/dict' PASSING (XML '$list')
    COLUMNS a text PATH 'string[1]', b text PATH 'string[2]') x"
first() { echo "(xpath('$1', XML '$list'))[1]::text"; }
sql -c "SELECT version()"
by_text=$(sql -c "SELECT $(first '//string[1]/text()'), $(first '//string[2]/text()')")
by_string=$(sql -c "SELECT $(first 'string(//string[1])'), $(first 'string(//string[2])')")
by_table=$(sql -c "$table")
found=$(sql -c "SELECT $(first '//string[1]/text()') = 'R & D'")
echo "expected: R & D|a && b, three times, and t"
echo "observed: text():   $by_text"
echo "observed: string(): $by_string"
echo "observed: XMLTABLE: $by_table"
echo "observed: = 'R & D': $found"
[ "$by_text" = 'R &amp; D|<![CDATA[a && b]]>' ] &&
    [ "$by_string" = 'R &amp; D|a &amp;&amp; b' ] &&
    [ "$by_table/$found" = 'R & D|a && b/f' ]
