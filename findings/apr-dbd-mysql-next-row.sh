#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_dbd_get_row gives a row of a result by its number, "or -1 for next row". A
# result may be asked for with random access (apr_dbd_select's "random"), which
# apr_dbd_num_tuples wants.
#
# Expected: with every driver a loop over apr_dbd_get_row(..., -1) meets all rows,
#   with and without random access.
# Observed: the mysql driver answers -1 at once in a result with random access, as
#   for one without rows, though apr_dbd_num_tuples says three; the sqlite3 driver
#   gives all (APR-util 1.6.3-1+deb12u1).
set -u
VERSION=1.6.3-1+deb12u1
MARIADB=1:10.11.19-0+deb12u1

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
# With what Debian 12 may lack of their libraries, in its own version.
apt-get download "libaprutil1=$VERSION" "libaprutil1-dev=$VERSION" \
    "libaprutil1-dbd-sqlite3=$VERSION" "libaprutil1-dbd-mysql=$VERSION" \
    "mariadb-server-core=$MARIADB" "mariadb-client-core=$MARIADB" \
    "mariadb-common=$MARIADB" "libmariadb3=$MARIADB" libapr1 libapr1-dev \
    libsqlite3-0 liburing2 libnuma1 libaio1 libpcre2-8-0 libncurses6 libtinfo6 \
    libedit2 libbsd0 libmd0 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR-util $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
libraries=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
            paste -sd:)
lib=$(dirname "$(find "$work/root" -name 'libaprutil-1.so.0')")

cat > rows.c <<'C'
#include <apr_dbd.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

static const char query[] = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3";

/* How many rows a loop over the next row meets; below 0 if there is no result. */
static int count(apr_pool_t *p, const apr_dbd_driver_t *driver, apr_dbd_t *db,
                 int random, int *tuples)
{
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    apr_dbd_prepared_t *statement = NULL;
    int n = 0;

    if (apr_dbd_prepare(driver, p, db, query, NULL, &statement)
        || apr_dbd_pvselect(driver, p, db, &results, statement, random, NULL))
        return -1;
    *tuples = apr_dbd_num_tuples(driver, results);
    while (!apr_dbd_get_row(driver, p, results, &row, -1))
        n++;
    return n;
}

int main(int argc, char **argv)
{
    int plain, random, tuples = 0, none;
    const apr_dbd_driver_t *driver;
    const char *error = NULL;
    apr_dbd_t *db;
    apr_pool_t *p;

    (void)argc;
    apr_initialize();
    apr_pool_create(&p, NULL);
    apr_dbd_init(p);
    if (apr_dbd_get_driver(p, argv[1], &driver)
        || apr_dbd_open_ex(driver, p, argv[2], &db, &error)) {
        fprintf(stderr, "no database: %s\n", error ? error : "no driver");
        return 2;
    }
    plain = count(p, driver, db, 0, &none);
    random = count(p, driver, db, 1, &tuples);
    printf("observed: %s: %d rows; with random access %d rows of %d\n", argv[1],
           plain, random, tuples);
    if (plain != 3 || tuples != 3)
        return 2;
    return random == (strcmp(argv[1], "mysql") ? 3 : 0) ? 0 : 1;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o rows rows.c \
    "$lib/libaprutil-1.so.0" "$lib/libapr-1.so.0" || exit 2

export LD_LIBRARY_PATH=$libraries TMPDIR=$work
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
sql -e "CREATE DATABASE d" || exit 2

# The drivers are found in a folder that LD_LIBRARY_PATH names.
export LD_LIBRARY_PATH=$libraries:$lib/apr-util-1
echo "expected: every driver: 3 rows; with random access 3 rows of 3"
./rows sqlite3 "$work/rows.db"; sqlite=$?
./rows mysql "sock=$work/s,user=root,dbname=d"; mysql=$?
[ $sqlite -le 1 ] && [ $mysql -le 1 ] || exit 2
exit $((sqlite | mysql))
