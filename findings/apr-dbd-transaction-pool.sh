#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_dbd_transaction_start takes "a pool to use for error messages (if any)", and
# apr_dbd_transaction_end commits "on success". In SQL a transaction that nobody
# ends is rolled back.
#
# Expected: a function that starts a transaction in a pool of its own, does the
#   first of two updates and leaves early, its pool destroyed, changes nothing.
# Observed: destroying the pool commits what was done so far: half of a transfer
#   (libaprutil1-dbd-sqlite3 1.6.3-1+deb12u1). With the mode set to
#   APR_DBD_TRANSACTION_ROLLBACK first, nothing is changed.
set -u
VERSION=1.6.3-1+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "libaprutil1=$VERSION" "libaprutil1-dev=$VERSION" \
    "libaprutil1-dbd-sqlite3=$VERSION" libapr1 libapr1-dev libsqlite3-0 \
    > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR-util $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libaprutil-1.so.0')")

cat > pool.c <<'C'
#include <apr_dbd.h>
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const apr_dbd_driver_t *driver;
static apr_dbd_t *db;

static void query(const char *sql)
{
    int rows;

    if (apr_dbd_query(driver, db, &rows, sql)) {
        fprintf(stderr, "cannot do: %s\n", sql);
        exit(2);
    }
}

/* Takes 30 from one account, and leaves before it gives them to the other. */
static void leave_early(apr_pool_t *parent, int mode)
{
    apr_dbd_transaction_t *transaction = NULL;
    apr_pool_t *p;

    apr_pool_create(&p, parent);
    if (apr_dbd_transaction_start(driver, p, db, &transaction))
        exit(2);
    apr_dbd_transaction_mode_set(driver, transaction, mode);
    query("UPDATE accounts SET balance = balance - 30 WHERE id = 1");
    apr_pool_destroy(p);
}

static const char *total(apr_pool_t *p)
{
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;

    if (apr_dbd_select(driver, p, db, &results,
                       "SELECT SUM(balance) FROM accounts", 0)
        || apr_dbd_get_row(driver, p, results, &row, -1))
        exit(2);
    return apr_dbd_get_entry(driver, row, 0);
}

int main(int argc, char **argv)
{
    const char *rollback, *plain, *error = NULL;
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
    query("CREATE TABLE accounts (id INTEGER, balance INTEGER)");
    query("INSERT INTO accounts VALUES (1, 100), (2, 100)");
    leave_early(p, APR_DBD_TRANSACTION_ROLLBACK);
    rollback = total(p);
    leave_early(p, APR_DBD_TRANSACTION_COMMIT);
    plain = total(p);
    printf("expected: a total of 200 after each transaction that was left\n");
    printf("observed: %s with the mode rollback, %s without\n", rollback, plain);
    return strcmp(rollback, "200") || strcmp(plain, "170") ? 1 : 0;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o pool pool.c \
    "$lib/libaprutil-1.so.0" "$lib/libapr-1.so.0" || exit 2
# The driver is found in a folder that LD_LIBRARY_PATH names.
LD_LIBRARY_PATH=$lib:$lib/apr-util-1 ./pool "$work/accounts.db"
