#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A table has an index on (id, active, done, at) and its primary key on (id, uuid).
# A subquery asks for one row of each id of a list that is active and not done.
#
# Expected: after ANALYZE TABLE, with or without PERSISTENT FOR ALL, MariaDB reads
#   the index whose first three columns the subquery gives: one row for each id.
# Observed: it takes the primary key, of which one column is given, and reads all
#   rows of each id that are done (mariadb-server-core 1:10.11.19-0+deb12u1). With
#   FORCE INDEX it reads one row.
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
sql -e "CREATE DATABASE d CHARACTER SET utf8mb4" || exit 2
sql d -e "
    CREATE TABLE a (id VARCHAR(255) PRIMARY KEY) ENGINE=InnoDB;
    CREATE TABLE q (id VARCHAR(255) NOT NULL, uuid VARCHAR(127) NOT NULL,
                    active BOOLEAN NOT NULL, done BOOLEAN NOT NULL,
                    at TIMESTAMP NOT NULL, PRIMARY KEY (id, uuid),
                    INDEX pending (id, active, done, at)) ENGINE=InnoDB;
    INSERT INTO a SELECT CONCAT('device-', seq) FROM seq_1_to_200;
    INSERT INTO q SELECT CONCAT('device-', d.seq), CONCAT('command-', LPAD(c.seq, 3, 0)),
                         TRUE, c.seq <= 95, CURRENT_TIMESTAMP
                    FROM seq_1_to_200 d, seq_1_to_100 c;
    ANALYZE TABLE q" > log || { cat log >&2; exit 2; }

# Rows that are read along an index for ten ids.
rows() {
    sql d -e "FLUSH STATUS;
        SELECT a.id, (SELECT q.uuid FROM q $1
                       WHERE q.id = a.id AND q.active = TRUE AND q.done = FALSE
                       LIMIT 1)
          FROM a WHERE a.id IN ('device-1', 'device-2', 'device-3', 'device-4',
                                'device-5', 'device-6', 'device-7', 'device-8',
                                'device-9', 'device-10');
        SHOW SESSION STATUS LIKE 'Handler_read_next'" |
        sed -n 's/^Handler_read_next[^0-9]*//p'
}
sql -e "SELECT VERSION()"
plain=$(rows "")
sql d -e "ANALYZE TABLE q PERSISTENT FOR ALL" > log || { cat log >&2; exit 2; }
full=$(rows ""); named=$(rows "FORCE INDEX (pending)")
echo "expected, as with the index named: $named rows along an index"
echo "observed after ANALYZE TABLE: $plain, PERSISTENT FOR ALL: $full"
[ "$named" -le 20 ] && [ "$plain" -ge 200 ] && [ "$full" -ge 200 ]
