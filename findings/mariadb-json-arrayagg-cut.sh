#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# JSON_ARRAYAGG makes one JSON array of the rows of a query; programs fetch a list of
# devices or of reports by it in one value.
#
# Expected: all rows, as with JSON_OBJECTAGG and with PostgreSQL's json_agg, up to
#   max_allowed_packet (16 MiB), or an error: what fits no longer is no valid JSON.
# Observed: from 1 MiB on rows are left out, and the array is closed: valid JSON of
#   1046 of 2000 rows of 1000 characters, with a warning (1260). The bound is
#   group_concat_max_len, that of GROUP_CONCAT (mariadb-server-core
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
sql -e "SET max_recursive_iterations = 2000; CREATE DATABASE d;
        CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(1000));
        INSERT INTO d.t WITH RECURSIVE c (n) AS (
            SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000)
            SELECT n, REPEAT('x', 1000) FROM c" ||
    exit 2

count() { sql d -e "$1 SELECT JSON_VALID($2), JSON_LENGTH($2) FROM t" | xargs; }
sql -e "SELECT VERSION()"
array=$(count "" "JSON_ARRAYAGG(v)")
object=$(count "" "JSON_OBJECTAGG(id, v)")
raised=$(count "SET group_concat_max_len = 16777216;" "JSON_ARRAYAGG(v)")
echo "expected: valid (1), 2000 rows"
echo "observed: JSON_ARRAYAGG: $array; JSON_OBJECTAGG: $object;" \
    "JSON_ARRAYAGG with group_concat_max_len = 16777216: $raised"
[ "$array/$object/$raised" = "1 1046/1 2000/1 2000" ]
