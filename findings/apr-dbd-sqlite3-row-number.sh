#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_dbd_get_row gives a row of a result by its number, or the next one for -1.
# The number is "ignored if random access is not supported", which is what
# apr_dbd_select was asked for or not; mod_dbd's users often count rows.
#
# Expected: to walk a result by numbers costs about what it costs by -1: rows are
#   in memory, and without random access the number is not looked at.
# Observed: with the sqlite3 driver each number is searched from the first row on,
#   also without random access: 10,000 rows take a thousand times as long, 20,000
#   four times that (libaprutil1-dbd-sqlite3 1.6.3-1+deb12u1).
set -u
VERSION=1.6.3-1+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "libaprutil1=$VERSION" "libaprutil1-dev=$VERSION" \
    "libaprutil1-dbd-sqlite3=$VERSION" libapr1 libapr1-dev libsqlite3-0 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR-util $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libaprutil-1.so.0')")

cat > rows.c <<'C'
#include <apr_dbd.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FEW 10000
#define MANY 20000

static const apr_dbd_driver_t *driver;
static apr_dbd_t *db;

/* Seconds of the processor for a walk over all rows; below 0 if it fails. */
static double walk(apr_pool_t *p, int rows, int random, int by_number)
{
    const char *query = apr_psprintf(
        p, "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s"
        " WHERE n < %d) SELECT n FROM s", rows);
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    clock_t began;
    int n;

    if (apr_dbd_select(driver, p, db, &results, query, random))
        return -1;
    began = clock();
    for (n = 0; !apr_dbd_get_row(driver, p, results, &row,
                                 by_number ? n + 1 : -1); n++) {
        if (atoi(apr_dbd_get_entry(driver, row, 0)) != n + 1)
            return -1;
    }
    return n == rows ? (double)(clock() - began) / CLOCKS_PER_SEC : -1;
}

int main(int argc, char **argv)
{
    const char *error = NULL;
    double next, few, many;
    int random, slow = 0;
    apr_pool_t *p;

    (void)argc;
    apr_initialize();
    apr_pool_create(&p, NULL);
    apr_dbd_init(p);
    if (apr_dbd_get_driver(p, "sqlite3", &driver)
        || apr_dbd_open_ex(driver, p, argv[1], &db, &error)) {
        fprintf(stderr, "no database: %s\n", error ? error : "no driver");
        return 2;
    }
    puts("expected: by number in about the time that the next row takes");
    for (random = 0; random < 2; random++) {
        next = walk(p, MANY, random, 0);
        few = walk(p, FEW, random, 1);
        many = walk(p, MANY, random, 1);
        if (next < 0 || few < 0 || many < 0)
            return 2;
        printf("observed: random access %s: %d rows by -1 %.4f s, by number"
               " %.3f s; %d rows by number %.3f s\n", random ? "yes" : "no",
               MANY, next, many, FEW, few);
        slow += many > 20 * next && many > 2.2 * few;
    }
    return slow == 2 ? 0 : 1;
}
C
gcc -O2 -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o rows rows.c \
    "$lib/libaprutil-1.so.0" "$lib/libapr-1.so.0" || exit 2
# The driver is found in the folder that LD_LIBRARY_PATH names, as APR-util says.
LD_LIBRARY_PATH=$lib:$lib/apr-util-1 ./rows "$work/rows.db"
