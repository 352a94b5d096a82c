/* SPDX-License-Identifier: Apache-2.0 */
/* db.h -- run named statements on a borrowed connection. */

#ifndef NMDM_DB_H
#define NMDM_DB_H

#include "base/context.h"
#include "db/statements.h"

#include <apr_dbd.h>
#include <apr_hash.h>
#include <apr_thread_mutex.h>

/* How long a request goes on trying while the database is away; a device is
 * answered 503 before two seconds are over. */
#define NMDM_DB_TIMEOUT apr_time_from_msec(1700)

/* A borrowed connection. The source fills in the first five; pool and notes
 * live as long as the connection. */
struct nmdm_db_t {
    const apr_dbd_driver_t *driver;
    apr_dbd_t *handle;
    apr_pool_t *pool;
    apr_hash_t *notes;          /* our entries begin with "nanomdm:" */
    void *owner;                /* the source's own handle */

    const nmdm_dialect_t *dialect;
    struct nmdm_session_t *session;
    int is_suspect;             /* for the source: it may be dead */
};

/* What the database offers, found out by db/schema.c. */
typedef struct {
    apr_uint32_t checked;       /* atomic: are the tables known to be there? */
    apr_uint32_t version;       /* atomic: 0 without our additive part */
    apr_uint32_t is_logged;     /* atomic: was its absence logged? */
    apr_uint32_t refused;       /* atomic: did the database refuse to have it
                                 * made? Then it is not tried again. */
    apr_uint32_t max_packet;    /* atomic: bytes of a statement, 0: any */
    apr_uint32_t only_ascii;    /* atomic: of other characters, only some fit
                                 * into property lists' columns */
} nmdm_schema_state_t;

/* Who owns the connections: mod_dbd in the server, the test in a test. */
struct nmdm_db_source_t {
    /* Waits up to NMDM_DB_TIMEOUT; NMDM_UNAVAILABLE when there is none. */
    nmdm_err_t *(*acquire)(nmdm_ctx_t *ctx, nmdm_db_t **db);
    void (*release)(nmdm_ctx_t *ctx, nmdm_db_t *db);
    /* Called after a borrow while schema->checked is 0; may be NULL. */
    nmdm_err_t *(*check_schema)(nmdm_ctx_t *ctx);
    void *baton;
    const char *prefix;         /* of table names, "" for none */
    int waits_on_galera;        /* for what other nodes have committed */
    int names_options;          /* mysql: DBDParams names a group of an option
                                 * file */
    nmdm_schema_state_t *schema;
    /* sqlite3: one writer at a time in this child, so that no writer sleeps
     * inside the driver while another waits to commit. Who has it takes a
     * connection, so no thread may hold one while waiting for it. */
    apr_thread_mutex_t *writer;
    nmdm_sqlite_wal_t *wal;     /* sqlite3: whose commits share a flush; NULL:
                                 * each commit flushes */
};

typedef enum {
    NMDM_UNIT_READ,             /* one statement that reads */
    NMDM_UNIT_WRITE,            /* one statement that writes */
    NMDM_UNIT_TRANSACTION       /* several that belong together */
} nmdm_unit_e;

/* The work of one unit. It may be done again from its start after a lost
 * connection or a deadlock, so it must not change anything outside the
 * database but *baton. */
typedef nmdm_err_t *(*nmdm_unit_fn)(nmdm_ctx_t *ctx, void *baton);

/* Does work, repeating it while that makes sense and time is left. */
nmdm_err_t *nmdm_db_unit(nmdm_ctx_t *ctx, nmdm_unit_e kind, nmdm_unit_fn work,
                         void *baton);

/* Does work once; after an error nothing has changed in the database. */
nmdm_err_t *nmdm_db_unit_once(nmdm_ctx_t *ctx, nmdm_unit_e kind,
                              nmdm_unit_fn work, void *baton);

/* Statements, to be called from within a unit. Arguments are text that ends
 * with NUL and holds valid UTF-8; a %pDb mark takes four: the bytes, their
 * number as text, and two names that are not read. */
#define NMDM_ARGS(...)                                      \
    ((const char *[]){ __VA_ARGS__ }),                      \
    (int)(sizeof((const char *[]){ __VA_ARGS__ })           \
          / sizeof(const char *))

/* *affected may be NULL. What an upsert counts differs between databases. */
nmdm_err_t *nmdm_db_exec(nmdm_ctx_t *ctx, int *affected, nmdm_stmt_e stmt,
                         const char **args, int nargs);

/* Reads at most one row of ncols columns into cols, copied to ctx->pool; NULL
 * columns are NULL. */
nmdm_err_t *nmdm_db_row(nmdm_ctx_t *ctx, int *found, const char **cols,
                        int ncols, nmdm_stmt_e stmt, const char **args,
                        int nargs);

/* Reads the first ncols columns of all rows, one after the other, into an
 * array of const char *; for statements that return NMDM_SQL_IDS rows at
 * most. */
nmdm_err_t *nmdm_db_rows(nmdm_ctx_t *ctx, apr_array_header_t *values,
                         int ncols, nmdm_stmt_e stmt, const char **args,
                         int nargs);

/* The NMDM_SQL_IDS arguments of a list: ids from the one at `done` on; places
 * that are left over repeat the first of them. Returns how many there are. */
int nmdm_db_fill_ids(const char **places, const apr_array_header_t *ids,
                     int done);

/* Runs a statement with a list of ids, as often as the list needs; `before` is
 * a parameter in front of the ids, or NULL. */
nmdm_err_t *nmdm_db_exec_ids(nmdm_ctx_t *ctx, nmdm_stmt_e stmt,
                             const char *before,
                             const apr_array_header_t *ids);

/* Work on some of many ids, the first of which is the one at `done`. */
typedef nmdm_err_t *(*nmdm_part_fn)(nmdm_ctx_t *ctx,
                                    const apr_array_header_t *ids, int done,
                                    void *baton);

/* Does work on `most` ids at a time, until an error. Each part has a context
 * of its own, whose pool is cleared after it and whose connection is given
 * back: so memory does not grow with the list, and others do not wait long. */
nmdm_err_t *nmdm_db_in_parts(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                             int most, nmdm_part_fn work, void *baton);

/* Runs one statement of SQL text that is not in the table: schema scripts,
 * pragmas. Rows, if it returns any, are dropped. */
nmdm_err_t *nmdm_db_run(nmdm_ctx_t *ctx, const char *sql);

/* Asks with SQL text that is not in the table: the first column of the first
 * row, "" for NULL. Without a row it fails. */
nmdm_err_t *nmdm_db_ask(nmdm_ctx_t *ctx, const char **value, const char *sql);

/* The same of another column, the first of which is 0. */
nmdm_err_t *nmdm_db_ask_column(nmdm_ctx_t *ctx, const char **value, int column,
                               const char *sql);

/* The same; without a row *value is NULL. */
nmdm_err_t *nmdm_db_ask_if_any(nmdm_ctx_t *ctx, const char **value, int column,
                               const char *sql);

/* A connection with a session, but perhaps without tables: a unit takes its
 * own. */
nmdm_err_t *nmdm_db_take(nmdm_ctx_t *ctx);

/* Gives the connection back, if one is held: before waiting for another
 * machine, and at the end of the request. */
void nmdm_db_release(nmdm_ctx_t *ctx);

#endif /* NMDM_DB_H */
