#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB stores JSON as the text that it was given, integers of any length
# included, and JSON_EQUALS tells 9007199254740993 from 9007199254740992. Status
# reports and commands have such numbers: identifiers of 64 bits, times.
#
# Expected: JSON_CONTAINS and JSON_OVERLAPS tell them apart as well.
# Observed: both compare numbers as doubles: an array of the one "contains" the
#   other, and an UPDATE or DELETE ... WHERE JSON_CONTAINS(ids, '...') hits rows
#   that do not have the number (mariadb-server-core 1:10.11.19-0+deb12u1).
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
sql -e "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, ids JSON);
        INSERT INTO d.t VALUES (1, '[9007199254740993]'), (2, '[9007199254740992]'),
            (3, '[9007199254740991]')" || exit 2

sql -e "SELECT VERSION()"
equals=$(sql d -e "SELECT id FROM t
                   WHERE JSON_EQUALS(ids, '[9007199254740992]')" | paste -sd' ')
contains=$(sql d -e "SELECT id FROM t
                     WHERE JSON_CONTAINS(ids, '9007199254740992')" |
           paste -sd' ')
overlaps=$(sql d -e "SELECT id FROM t
                     WHERE JSON_OVERLAPS(ids, '[9007199254740992]')" |
           paste -sd' ')
kept=$(sql d -e "SELECT ids FROM t WHERE id = 1")
echo "expected: the row 2 alone, three times"
echo "observed: JSON_EQUALS: $equals; JSON_CONTAINS: $contains; JSON_OVERLAPS:" \
    "$overlaps; the row 1 is stored as $kept"
[ "$equals/$contains/$overlaps/$kept" = "2/1 2/1 2/[9007199254740993]" ]
