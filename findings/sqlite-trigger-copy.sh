#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SQLite writes a row that is given as a parameter, in INSERT ... VALUES or in
# INSERT ... SELECT. An AFTER trigger that takes note of the new key costs little.
#
# Expected: the trigger changes nothing about the memory that a row of 16 MiB takes:
#   it reads NEW.id alone, and with VALUES that is so.
# Observed: INSERT ... SELECT puts all rows into a temporary table first, as soon as
#   the table has a trigger, also one that touches another table: a row of 16 MiB
#   takes 70 MB in place of 34 (libsqlite3-0 3.40.1-2+deb12u2).
set -u
VERSION=3.40.1-2+deb12u2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "libsqlite3-0=$VERSION" "libsqlite3-dev=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download SQLite $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libsqlite3.so.0')")

cat > insert.c <<'C'
#include <sqlite3.h>
#include <stdio.h>

#define LENGTH (16 << 20)

static const char tables[] =
    "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB);"
    "CREATE TABLE ids (id); CREATE TABLE log (id); INSERT INTO ids VALUES (1);";
static const char trigger[] =
    "CREATE TRIGGER note AFTER INSERT ON t"
    " BEGIN INSERT INTO log VALUES (NEW.id); END";

/* MB that writing one row takes at most; below 0 if it fails. */
static long cost(const char *insert, int with_trigger)
{
    static char row[LENGTH];
    sqlite3_stmt *statement;
    sqlite3 *db;
    long before, most = -1000000;

    if (sqlite3_open(":memory:", &db)
        || sqlite3_exec(db, tables, NULL, NULL, NULL)
        || (with_trigger && sqlite3_exec(db, trigger, NULL, NULL, NULL))
        || sqlite3_prepare_v2(db, insert, -1, &statement, NULL)
        || sqlite3_bind_blob(statement, 1, row, LENGTH, SQLITE_STATIC))
        return -1;
    before = (long)sqlite3_memory_used();
    sqlite3_memory_highwater(1);
    if (sqlite3_step(statement) == SQLITE_DONE)
        most = (long)sqlite3_memory_highwater(0) - before;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return most / 1000000;
}

int main(void)
{
    static const char values[] = "INSERT INTO t VALUES (1, ?)";
    static const char select[] = "INSERT INTO t SELECT id, ? FROM ids";
    long of_values[] = { cost(values, 0), cost(values, 1) };
    long of_select[] = { cost(select, 0), cost(select, 1) };

    puts(sqlite3_libversion());
    puts("expected: a trigger changes nothing about the memory for the row");
    printf("observed: VALUES %ld MB, with the trigger %ld MB\n", of_values[0],
           of_values[1]);
    printf("observed: SELECT %ld MB, with the trigger %ld MB\n", of_select[0],
           of_select[1]);
    if (of_values[0] <= 0 || of_values[1] <= 0 || of_select[0] <= 0)
        return 2;
    return of_values[1] < of_values[0] * 5 / 4
           && of_select[1] > of_select[0] * 3 / 2 ? 0 : 1;
}
C
gcc -Iroot/usr/include -o insert insert.c "$lib/libsqlite3.so.0" || exit 2
LD_LIBRARY_PATH=$lib ./insert
