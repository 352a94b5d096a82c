#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# JSON_TABLE makes rows of a JSON document, each column with a type. What becomes
# of a value that a column cannot take is for ON ERROR to say: NULL, a default
# or an error. In strict mode an INSERT of such a value is an error anyway.
#
# Expected: 5000000000 for an INT column with ERROR ON ERROR is an error, with
#   NULL ON ERROR it is NULL; INSERT ... SELECT from it in strict mode fails.
# Observed: 2147483647 in all three cases, and INSERT stores it; text too long for
#   its column is cut. There is a warning, where somebody asks for warnings
#   (mariadb-server-core 1:10.11.19-0+deb12u1; known upstream as MDEV-40972).
#   ON ERROR is obeyed for arrays and objects alone.
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
sql -e "CREATE DATABASE d; CREATE TABLE d.t (n INT, s VARCHAR(8))" || exit 2

from() {
    echo "FROM JSON_TABLE('[{\"n\":$1,\"s\":\"abcdefghij\"}]', '\$[*]' COLUMNS (
          n INT PATH '\$.n' $2 ON ERROR, s VARCHAR(8) PATH '\$.s' $2 ON ERROR)) j"
}
try() { sql d -e "$1" 2>&1 | grep -o 'ERROR [0-9]*\|^[0-9N].*' | tr '\t' ' '; }
sql -e "SELECT VERSION(), @@sql_mode"
error=$(try "SELECT j.n, j.s $(from 5000000000 ERROR)")
null=$(try "SELECT j.n, j.s $(from 5000000000 NULL)")
object=$(try "SELECT j.n, j.s $(from '{}' ERROR)")
insert=$(try "INSERT INTO t SELECT j.n, j.s $(from 5000000000 ERROR);
              SELECT * FROM t")
plain=$(try "INSERT INTO t VALUES (5000000000, 'x')")
echo "expected: an error; NULL NULL; an error; an error, twice"
echo "observed: ERROR ON ERROR: $error; NULL ON ERROR: $null;" \
    "an object: $object; INSERT from it: $insert; INSERT of the number: $plain"
cut="2147483647 abcdefgh"
[ "$error/$null/$object/$insert/$plain" = \
    "$cut/$cut/ERROR 4178/$cut/ERROR 1264" ]
