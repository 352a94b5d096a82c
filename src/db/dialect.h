/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.h -- what differs between databases: one nmdm_dialect_t for each,
 * in a file of its own.
 *
 * Statements are written once, with words for what databases call differently.
 * CURRENT_TIMESTAMP stands for the time with fractions of a second,
 * EPOCH_SECONDS for that since 1970. INTEGER_OF(%s) is the number that a text
 * parameter writes, and DIGITS(x) the way back. TIME_OF(%s) is the time of so
 * many seconds since 1970, and SECONDS(x) the way back. TEXT_OF_TIME(x) is a
 * time as the database writes it, to be given to TIME_OF_TEXT(%s) again. %IDS
 * stands for a list of NMDM_SQL_IDS marks for text, %MANY for one of
 * NMDM_SQL_MANY, %SEQS for one of marks for numbers. */

#ifndef NMDM_DIALECT_H
#define NMDM_DIALECT_H

#include "base/context.h"

#include <apr_pools.h>

/* The columns of tables that have a text for each database. */
typedef enum {
    NMDM_SQLITE3,
    NMDM_PGSQL,
    NMDM_MYSQL,                 /* and MariaDB */
    NMDM_DIALECTS
} nmdm_dialect_e;

/* Words with an argument. Calls do not nest. */
typedef enum {
    NMDM_CALL_SECONDS,
    NMDM_CALL_DIGITS,
    NMDM_CALL_INTEGER_OF,
    NMDM_CALL_TIME_OF,
    NMDM_CALL_TEXT_OF_TIME,
    NMDM_CALL_TIME_OF_TEXT,
    NMDM_CALLS
} nmdm_dialect_call_e;

/* SQL text that surrounds an argument. */
typedef struct {
    const char *before, *after;
} nmdm_dialect_around_t;

/* All functions work on the connection that ctx holds; those that may be NULL
 * then have nothing to do. */
typedef struct {
    nmdm_dialect_e id;
    const char *name;           /* of its apr_dbd driver and of the scripts in
                                 * schema/ */

    /* Words of statements. */
    const char *now, *epoch_seconds, *byte_length;
    nmdm_dialect_around_t calls[NMDM_CALLS];

    /* Other SQL text: the beginning of a transaction that writes, what
     * surrounds a table's name in a query that counts it, and, or NULL, what
     * surrounds a statement that may fail inside a transaction. */
    const char *begin;
    nmdm_dialect_around_t count_table, attempt;

    /* The database, as it is used here. */
    int has_one_writer;         /* its transactions write one at a time */
    int is_ours_alone;          /* tables are created unless NanoMDMSchema says
                                 * otherwise */
    int has_arrays;             /* a parameter may be a list of texts */
    int writes_return_rows;     /* a statement stores a report and returns the
                                 * next command, or an event and its number */
    int looks_first;            /* a poll asks whether anything waits before it
                                 * fetches that, which takes longer */
    int repeats_uuid;           /* a report's UUID is a parameter twice */
    int upsert_copies;          /* an upsert that finds its row takes the
                                 * memory of its text once more */

    /* Its apr_dbd driver. */
    int keeps_statements;       /* what is prepared lives as long as the
                                 * connection, whatever fails */
    int cuts_long_text;         /* of columns that are not read as buckets */
    int reserves_long_text;     /* a megabyte of a result's pool for each such
                                 * column, however short the text is */
    int reads_forward;          /* "the next row" exists only in results
                                 * without random access */

    /* Settings of a new session that the administrator need not know of; and
     * frees what the server still has of an old one, or NULL. */
    nmdm_err_t *(*settle)(nmdm_ctx_t *ctx);
    nmdm_err_t *(*deallocate)(nmdm_ctx_t *ctx);

    /* Whether it makes sense to repeat what failed with rv and text, as
     * nmdm_db_error_retry() has them; and what an administrator does about it:
     * to be appended to the text, "" for nothing. NULL: there never is. */
    nmdm_retry_e (*classify)(int rv, const char *text);
    const char *(*remedy)(const char *text);

    /* Before the tables are looked at, and once they are there: what they and
     * the server can do, into ctx's nmdm_schema_state_t. May be NULL. */
    nmdm_err_t *(*prepare)(nmdm_ctx_t *ctx);
    nmdm_err_t *(*learn)(nmdm_ctx_t *ctx);

    /* The server's setting on which it depends whether what was committed is
     * on the disk: its name, the statement that reads it, the value with which
     * it is. sql NULL: the session sees to that. */
    struct {
        const char *name, *sql, *safe;
    } flush;

    /* One process at a time changes tables. unlock_schema commits unless
     * has_failed, where changes are part of a transaction. */
    nmdm_err_t *(*lock_schema)(nmdm_ctx_t *ctx);
    nmdm_err_t *(*unlock_schema)(nmdm_ctx_t *ctx, int has_failed);

    /* NULL where tables are created in one transaction, so that they are all
     * there or none. Otherwise: how many of NanoMDM's are there, whatever
     * columns they have, and whether our script made them. */
    nmdm_err_t *(*count_tables)(nmdm_ctx_t *ctx, int *count);
    nmdm_err_t *(*made_tables)(nmdm_ctx_t *ctx, int *yes);
} nmdm_dialect_t;

extern const nmdm_dialect_t nmdm_dialect_sqlite3;
extern const nmdm_dialect_t nmdm_dialect_pgsql;
extern const nmdm_dialect_t nmdm_dialect_mysql;

/* By nmdm_dialect_e. */
extern const nmdm_dialect_t *const nmdm_dialects[NMDM_DIALECTS];

/* How many ids a statement with a list takes at once; fewer are padded by
 * repeating one. */
#define NMDM_SQL_IDS 100

/* And a statement for many: large ones cost databases less for each id. */
#define NMDM_SQL_MANY 1000

/* The dialect of an apr_dbd driver, or NULL. */
const nmdm_dialect_t *nmdm_dialect_of(const char *driver);

/* SQL text with `prefix` before every name that is ours: the tables and view
 * of the schema, and all that begins with nanomdm_ or idx_. Allocated in p,
 * or sql itself where there is no prefix ("" or NULL). */
const char *nmdm_dialect_prefixed(apr_pool_t *p, const char *sql,
                                  const char *prefix);

/* The same, and what a dialect has for each of the words above. */
const char *nmdm_dialect_text(apr_pool_t *p, const char *sql,
                              const nmdm_dialect_t *dialect,
                              const char *prefix);

/* An array of PostgreSQL's as text, of values that may hold any character. */
const char *nmdm_dialect_array(apr_pool_t *p, const char *const *values,
                               int n);

#endif /* NMDM_DIALECT_H */
