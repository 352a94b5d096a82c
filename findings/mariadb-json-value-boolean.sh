#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# JSON_VALUE gives a scalar of a JSON document as text: 'abc' for "abc", '1e3' for
# 1e3. For true the same server's JSON_EXTRACT and JSON_TABLE have the text true.
#
# Expected: JSON_VALUE('{"IsSupervised":true}', '$.IsSupervised') is 'true', so
#   that WHERE ... = 'true' finds the row.
# Observed: it is '1', and '0' for false. The comparison finds nothing, and true
#   cannot be told from 1 or from "1" (mariadb-server-core
#   1:10.11.19-0+deb12u1).
set -u
VERSION=1:10.11.19-0+deb12u1

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
# With what Debian 12 may lack of their libraries, in its own version.
apt-get download "mariadb-server-core=$VERSION" "mariadb-client-core=$VERSION" \
    "mariadb-common=$VERSION" liburing2 libnuma1 libaio1 libpcre2-8-0 \
    libncurses6 libtinfo6 libedit2 libbsd0 libmd0 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download MariaDB $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
                  paste -sd:)
export LD_LIBRARY_PATH TMPDIR=$work
mkdir data
as=
if [ "$(id -u)" -eq 0 ]; then
    chown -R nobody "$work"
    as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
options="--no-defaults --basedir=$work/root/usr --datadir=$work/data
    --lc-messages-dir=$work/root/usr/share/mysql"
$as root/usr/bin/mariadb-install-db $options --skip-test-db \
    --auth-root-authentication-method=normal > log 2>&1 ||
    { tail -n 5 log >&2; exit 2; }
$as root/usr/sbin/mariadbd $options --socket="$work/s" --skip-networking \
    > log 2>&1 &
server=$!
sql() { root/usr/bin/mariadb --no-defaults -N --socket="$work/s" -u root "$@"; }
for _ in $(seq 100); do sql -e "DO 1" 2> /dev/null && break; sleep 0.2; done
sql -e "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, j JSON);
        INSERT INTO d.t VALUES (1, '{\"b\":true}'), (2, '{\"b\":false}'),
            (3, '{\"b\":1}'), (4, '{\"b\":\"1\"}')" || exit 2

of_each() {
    sql d -e "SELECT $1 FROM t$2 ORDER BY id" | paste -sd' '
}
sql -e "SELECT VERSION()"
value=$(of_each "JSON_VALUE(j, '\$.b')" "")
extract=$(of_each "JSON_EXTRACT(j, '\$.b')" "")
table=$(of_each "c.b" ", JSON_TABLE(j, '\$' COLUMNS (b VARCHAR(9) PATH '\$.b')) c")
found=$(sql d -e "SELECT COUNT(*) FROM t WHERE JSON_VALUE(j, '\$.b') = 'true'")
echo "expected: of true, false, 1 and \"1\": true false 1 1; one row is 'true'"
echo "observed: JSON_VALUE: $value; JSON_EXTRACT: $extract; JSON_TABLE: $table;" \
    "$found rows"
[ "$value/$extract/$table/$found" = \
    "1 0 1 1/true false 1 \"1\"/true false 1 1/0" ]
