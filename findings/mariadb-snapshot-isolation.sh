#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB's innodb_snapshot_isolation, on by default since 11.6.2, makes a write
# to a row that has changed since the transaction's snapshot an error (1020). In
# READ COMMITTED each statement has a snapshot of its own, so one that waited for
# a row is expected to go on with what the other has committed.
#
# Expected: with autocommit and READ COMMITTED, INSERT ... SELECT ... ON DUPLICATE
#   KEY UPDATE that waited for a row adds to the new value, as it does with the
#   variable off.
# Observed: ERROR 1020, "Record has changed since last read in table 't'; try
#   restarting transaction", with the variable on (mariadb-server-core
#   1:10.11.19-0+deb12u1; 11.8.9 of Debian 13 does so by default).
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
sql -e "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, n INT)
        ENGINE=InnoDB; INSERT INTO d.t VALUES (1, 0);
        CREATE TABLE d.source (id INT PRIMARY KEY) ENGINE=InnoDB;
        INSERT INTO d.source VALUES (1)" || exit 2

# Two sessions: one holds the row for two seconds, the other waits for it.
try() {
    sql d -e "START TRANSACTION; UPDATE t SET n = n + 1 WHERE id = 1;
              DO SLEEP(2); COMMIT" &
    sleep 1
    sql d -e "SET SESSION innodb_snapshot_isolation = $1;
              SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
              INSERT INTO t SELECT id, 1 FROM source
                  ON DUPLICATE KEY UPDATE n = n + VALUES(n)" 2>&1
    wait %%
    sql d -e "SELECT CONCAT('n = ', n) FROM t"
}
sql -e "SELECT VERSION()"
off=$(try OFF); on=$(try ON)
echo "expected, as when it is off: n = 2 more for two that add 1 each"
echo "off: $off"; echo "on:  $on"
case "$off/$on" in
"n = 2"/*1020*"n = 3") exit 0 ;;
*) exit 1 ;;
esac
