#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_dbd_prepare has %d for an int and %ld for a long, which apr_dbd.h lists as
# "in, out: long*": 64 bits on all 64-bit machines but those of Windows. The
# calls that take pointers, apr_dbd_pvbquery and so on, go by it.
#
# Expected: 5000000001 given as %ld to a BIGINT column is stored as such, or is an
#   error.
# Observed: the mysql driver stores 705032705, the low 32 bits, and returns
#   success; 3000000000 becomes negative. With %lld it is right, and the sqlite3
#   driver is right with both (APR-util 1.6.3-1+deb12u1).
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

cat > long.c <<'C'
#include <apr_dbd.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const apr_dbd_driver_t *driver;
static apr_dbd_t *db;

/* What is stored when the number is given by the format. */
static const char *stored(apr_pool_t *p, const char *format, long number)
{
    const char *insert = apr_pstrcat(p, "INSERT INTO t (n) VALUES (", format,
                                     ")", NULL);
    apr_int64_t wide = number;
    void *value = strcmp(format, "%ld") ? (void *)&wide : (void *)&number;
    apr_dbd_prepared_t *statement = NULL;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int rows = 0;

    if (apr_dbd_query(driver, db, &rows, "DELETE FROM t")
        || apr_dbd_prepare(driver, p, db, insert, NULL, &statement)
        || apr_dbd_pvbquery(driver, p, db, &rows, statement, value))
        return "an error";
    if (apr_dbd_select(driver, p, db, &results, "SELECT n FROM t", 1)
        || apr_dbd_get_row(driver, p, results, &row, 1))
        return "nothing";
    return apr_pstrdup(p, apr_dbd_get_entry(driver, row, 0));
}

int main(int argc, char **argv)
{
    static const long numbers[] = { 7, 3000000000L, 5000000001L };
    const char *error = NULL;
    int is_right = 0, rows, expected;
    apr_pool_t *p;

    (void)argc;
    apr_initialize();
    apr_pool_create(&p, NULL);
    apr_dbd_init(p);
    if (apr_dbd_get_driver(p, argv[1], &driver)
        || apr_dbd_open_ex(driver, p, argv[2], &db, &error)
        || apr_dbd_query(driver, db, &rows, "CREATE TABLE t (n BIGINT)")) {
        fprintf(stderr, "no database: %s\n", error ? error : "no driver");
        return 2;
    }
    for (int i = 0; i < 3; i++) {
        const char *by_long = stored(p, "%ld", numbers[i]);
        const char *by_llong = stored(p, "%lld", numbers[i]);

        printf("observed: %s: %ld: by %%ld %s, by %%lld %s\n", argv[1],
               numbers[i], by_long, by_llong);
        if (atoll(by_llong) != numbers[i])
            return 2;
        is_right += atoll(by_long) == numbers[i];
    }
    expected = strcmp(argv[1], "mysql") ? 3 : 1;
    return is_right == expected ? 0 : 1;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o long long.c \
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
echo "expected: the number that was given, by both"
./long sqlite3 "$work/long.db"; sqlite=$?
./long mysql "sock=$work/s,user=root,dbname=d"; mysql=$?
[ $sqlite -le 1 ] && [ $mysql -le 1 ] || exit 2
exit $((sqlite | mysql))
