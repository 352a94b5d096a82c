/* SPDX-License-Identifier: Apache-2.0 */
/* db.c -- run named statements on a borrowed connection.
 *
 * Statements are prepared when they are first used on a connection and kept
 * with it. mod_dbd could prepare them for us, but then one that fails closes
 * the database to everybody, and none survives a PostgreSQL reconnect. */

#include "db/db.h"
#include "base/counters.h"
#include "db/db_error.h"
#include "base/time.h"
#include "db/sqlite_wal.h"

#include <apr_atomic.h>
#include <apr_buckets.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Tries of work that fails for a reason nobody knows. */
#define FEW 3

/* What we keep with a connection, for one table prefix. */
typedef struct nmdm_session_t {
    apr_pool_t *pool;           /* of the statements */
    int number;                 /* tells the labels of two prefixes apart */
    int stale;                  /* the statements may be gone */
    const char *wal_path;       /* sqlite3: the log to flush after a commit, or
                                 * NULL: it is flushed by the commit */
    apr_dbd_prepared_t *prepared[STMT_MAX];
} session_t;

/* ---- The session on a connection ---- */

nmdm_err_t *nmdm_db_run(nmdm_ctx_t *ctx, const char *sql)
{
    nmdm_db_t *db = ctx->db;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int affected, rv, returns_rows;

    returns_rows = !strncmp(sql, "SELECT", 6) || !strncmp(sql, "PRAGMA", 6);
    if (!returns_rows) {
        rv = apr_dbd_query(db->driver, db->handle, &affected, sql);
        return rv ? nmdm_db_error_make(ctx, sql, rv) : NULL;
    }
    rv = apr_dbd_select(db->driver, ctx->pool, db->handle, &results, sql, 0);
    if (rv) {
        return nmdm_db_error_make(ctx, sql, rv);
    }
    while (!apr_dbd_get_row(db->driver, ctx->pool, results, &row, -1)) {
        /* to its end, or the connection cannot be used again */
    }
    return NULL;
}

/* *value is NULL without a row. */
static nmdm_err_t *ask_if_any(nmdm_ctx_t *ctx, const char **value, int column,
                              const char *sql)
{
    nmdm_db_t *db = ctx->db;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    const char *text = NULL;
    int rv;

    rv = apr_dbd_select(db->driver, ctx->pool, db->handle, &results, sql, 1);
    if (rv) {
        return nmdm_db_error_make(ctx, sql, rv);
    }
    *value = NULL;
    if (!apr_dbd_get_row(db->driver, ctx->pool, results, &row, 1)) {
        text = apr_dbd_get_entry(db->driver, row, column);
        *value = apr_pstrdup(ctx->pool, text ? text : "");
    }
    return NULL;
}

static nmdm_err_t *ask_column(nmdm_ctx_t *ctx, const char **value, int column,
                              const char *sql)
{
    NMDM_TRY(ask_if_any(ctx, value, column, sql));
    return *value ? NULL
        : nmdm_err(ctx->pool, NMDM_INTERNAL, APR_EGENERAL,
                   NMDMNO(0106) "-: database: no answer to %s", sql);
}

nmdm_err_t *nmdm_db_ask(nmdm_ctx_t *ctx, const char **value, const char *sql)
{
    return ask_column(ctx, value, 0, sql);
}

/* An answered report is on the disk, whatever happens next: either each commit
 * flushes the log, or nmdm_sqlite_wal_flush() does that for several. */
static nmdm_err_t *settle_durability(nmdm_ctx_t *ctx)
{
    session_t *session = ctx->db->session;
    const char *mode, *file;

    NMDM_TRY(ask_column(ctx, &mode, 0, "PRAGMA journal_mode"));
    /* Number, name and file; "main" is the first. */
    NMDM_TRY(ask_column(ctx, &file, 2, "PRAGMA database_list"));
    if (!ctx->services->db_source->wal || strcmp(mode, "wal")) {
        session->wal_path = NULL;
        return nmdm_db_run(ctx, "PRAGMA synchronous = FULL");
    }
    session->wal_path = apr_pstrcat(session->pool, file, "-wal", NULL);
    return nmdm_db_run(ctx, "PRAGMA synchronous = NORMAL");
}

nmdm_err_t *nmdm_db_use_wal(nmdm_ctx_t *ctx)
{
    NMDM_TRY(nmdm_db_run(ctx, "PRAGMA journal_mode = WAL"));
    return settle_durability(ctx);
}

/* A command that was queued at one node of Galera is there for a poll at
 * another: else the device would sleep until the next push. */
static nmdm_err_t *settle_galera(nmdm_ctx_t *ctx)
{
    const char *is_on;

    if (!ctx->services->db_source->waits_on_galera) {
        return NULL;
    }
    NMDM_TRY(ask_if_any(ctx, &is_on, 1, "SHOW VARIABLES LIKE 'wsrep_on'"));
    return is_on && !strcmp(is_on, "ON")
        ? nmdm_db_run(ctx, "SET SESSION wsrep_sync_wait"
                           " = @@SESSION.wsrep_sync_wait | 7")
        : NULL;
}

/* Settings of a connection that the administrator need not know of. */
static nmdm_err_t *settle(nmdm_ctx_t *ctx)
{
    switch (ctx->db->dialect) {
    case NMDM_SQLITE3:
        NMDM_TRY(nmdm_db_run(ctx, "PRAGMA foreign_keys = ON"));
        /* In KiB: of the usual 2 MB for each connection little would be used
         * twice, and the system keeps the file in memory as well. */
        NMDM_TRY(nmdm_db_run(ctx, "PRAGMA cache_size = -512"));
        /* Short: the driver sleeps with a lock of the whole process held. */
        NMDM_TRY(nmdm_db_run(ctx, "PRAGMA busy_timeout = 20"));
        return settle_durability(ctx);
    case NMDM_PGSQL:
        /* Every statement has its index. A plan that was made while a table
         * was small, and is kept, would read the whole of it until it is
         * analyzed. A cursor holds a time as text. */
        return nmdm_db_run(ctx, "SET enable_seqscan = off;"
                                " SET DateStyle = 'ISO';"
                                " SET default_transaction_isolation"
                                " = 'read committed'");
    case NMDM_MYSQL:
        /* Without gap locks, devices that answer one command at the same
         * time do not lock each other out. */
        NMDM_TRY(nmdm_db_run(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL"
                                  " READ COMMITTED"));
        /* A server may begin sessions otherwise for the sake of another
         * program. Without autocommit an answered report would not be stored;
         * tables hold UTC, and in other zones an hour comes twice. Since
         * 11.6.2 MariaDB by default gives up a statement that has waited for
         * a row which then changed (1020), also in READ COMMITTED. */
        NMDM_TRY(nmdm_db_run(ctx, "SET NAMES utf8mb4, autocommit = 1,"
                                  " time_zone = '+00:00'"
                                  " /*M!110602 , innodb_snapshot_isolation"
                                  " = 0 */"));
        return settle_galera(ctx);
    default:
        return NULL;
    }
}

static nmdm_err_t *open_session(nmdm_ctx_t *ctx, const char *key)
{
    nmdm_db_t *db = ctx->db;
    session_t *session;

    session = apr_pcalloc(db->pool, sizeof(*session));
    session->number = (int)apr_hash_count(db->notes);
    apr_pool_create(&session->pool, db->pool);
    apr_hash_set(db->notes, apr_pstrdup(db->pool, key), APR_HASH_KEY_STRING,
                 session);
    db->session = session;
    session->stale = 1;         /* until it is settled, now or by renew() */
    NMDM_TRY(settle(ctx));
    session->stale = 0;
    return NULL;
}

/* After an error nobody knows what the server still has. sqlite3 statements
 * live as long as their connection and are not to be made again in vain. */
static void distrust(nmdm_ctx_t *ctx, const nmdm_err_t *err)
{
    if (ctx->db && ctx->db->session
        && (ctx->db->dialect != NMDM_SQLITE3
            || strstr(err->msg, "schema has changed"))) {
        ctx->db->session->stale = 1;
    }
}

/* What the server still has of this session. Another prefix, and modules like
 * mod_authn_dbd, have theirs on the same connection and do not look. */
static nmdm_err_t *deallocate(nmdm_ctx_t *ctx, const session_t *session)
{
    nmdm_db_t *db = ctx->db;
    const char *sql = apr_psprintf(
        ctx->pool, "SELECT name FROM pg_prepared_statements"
        " WHERE starts_with(name, 'nmdm%d_')", session->number);
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int n, rv;

    rv = apr_dbd_select(db->driver, ctx->pool, db->handle, &results, sql, 1);
    if (rv) {
        return nmdm_db_error_make(ctx, sql, rv);
    }
    for (n = 1; !apr_dbd_get_row(db->driver, ctx->pool, results, &row, n);
         n++) {
        NMDM_TRY(nmdm_db_run(ctx, apr_pstrcat(
            ctx->pool, "DEALLOCATE ", apr_dbd_get_entry(db->driver, row, 0),
            NULL)));
    }
    return NULL;
}

static nmdm_err_t *renew(nmdm_ctx_t *ctx, session_t *session)
{
    /* Of a transaction that could not be ended; most often there is none. */
    (void)nmdm_db_run(ctx, "ROLLBACK");
    memset(session->prepared, 0, sizeof(session->prepared));
    apr_pool_clear(session->pool);
    if (ctx->db->dialect == NMDM_PGSQL) {
        NMDM_TRY(deallocate(ctx, session));
    }
    NMDM_TRY(settle(ctx));
    session->stale = 0;
    return NULL;
}

nmdm_err_t *nmdm_db_take(nmdm_ctx_t *ctx)
{
    const nmdm_db_source_t *lender = ctx->services->db_source;
    const char *key;
    nmdm_err_t *err;
    nmdm_db_t *db;

    err = lender->acquire(ctx, &ctx->db);
    if (err) {
        nmdm_count(ctx->services->counters, NMDM_COUNT_DATABASE, "connection",
                   "failed", 1);
        return err;
    }
    db = ctx->db;
    db->dialect = (nmdm_dialect_e)nmdm_dialect_of(apr_dbd_name(db->driver));
    key = apr_pstrcat(ctx->pool, "nanomdm:", lender->prefix, NULL);
    db->session = apr_hash_get(db->notes, key, APR_HASH_KEY_STRING);
    if (!db->session) {
        return open_session(ctx, key);
    }
    return db->session->stale ? renew(ctx, db->session) : NULL;
}

static nmdm_err_t *borrow(nmdm_ctx_t *ctx)
{
    const nmdm_db_source_t *lender = ctx->services->db_source;

    if (ctx->db) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_take(ctx));
    if (lender->check_schema
        && !apr_atomic_read32(&lender->schema->checked)) {
        NMDM_TRY(lender->check_schema(ctx));
    }
    return NULL;
}

void nmdm_db_release(nmdm_ctx_t *ctx)
{
    nmdm_db_t *db = ctx->db;

    ctx->db = NULL;
    if (db) {
        db->is_suspect = !db->session || db->session->stale;
        ctx->services->db_source->release(ctx, db);
    }
}

/* ---- Units ---- */

/* Plain SQL instead of apr_dbd_transaction_*: its pgsql driver follows a NULL
 * pointer when the connection is lost at the beginning, and all of them decide
 * on their own whether the end is a commit. */
static nmdm_err_t *transact(nmdm_ctx_t *ctx, nmdm_unit_fn work, void *baton)
{
    static const char *const BEGIN[] = {
        [NMDM_SQLITE3] = "BEGIN IMMEDIATE",
        [NMDM_PGSQL] = "BEGIN",
        [NMDM_MYSQL] = "START TRANSACTION",
    };
    nmdm_err_t *err;

    NMDM_TRY(nmdm_db_run(ctx, BEGIN[ctx->db->dialect]));
    err = work(ctx, baton);
    if (!err) {
        err = nmdm_db_run(ctx, "COMMIT");
    }
    if (err && nmdm_db_run(ctx, "ROLLBACK")) {
        /* Either nothing is open any more, or the connection is gone. */
        ctx->db->session->stale = 1;
    }
    return err;
}

/* After a flush has failed: what the log holds is moved into the database
 * itself, which is flushed, before anything else is promised. */
static nmdm_err_t *settle_doubt(nmdm_ctx_t *ctx)
{
    const char *is_busy;
    nmdm_err_t *err;

    if (!nmdm_sqlite_wal_needs_checkpoint(ctx->services->db_source->wal)) {
        return NULL;
    }
    err = nmdm_db_ask(ctx, &is_busy, "PRAGMA wal_checkpoint(TRUNCATE)");
    if (!err && !strcmp(is_busy, "0")) {
        nmdm_sqlite_wal_checkpointed(ctx->services->db_source->wal);
        return NULL;
    }
    err = nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0107)
                   "-: database: after a fault of the disk its log cannot be"
                   " written back: %s; nothing is written until it is",
                   err ? "look at the disk" : "it is being read");
    err->retry = NMDM_RETRY_WAIT;
    return err;
}

static nmdm_err_t *work_alone(nmdm_ctx_t *ctx, nmdm_unit_e kind,
                              nmdm_unit_fn work, void *baton,
                              const char **wal_path)
{
    NMDM_TRY(nmdm_db_take(ctx));
    if (ctx->db->session->wal_path) {
        *wal_path = apr_pstrdup(ctx->pool, ctx->db->session->wal_path);
        NMDM_TRY(settle_doubt(ctx));
    }
    return kind == NMDM_UNIT_TRANSACTION ? transact(ctx, work, baton)
                                         : work(ctx, baton);
}

/* One writer at a time. Each takes the connection that the one before has just
 * given back, whose cache still holds for that: what another connection has
 * written would have to be read again. Then they wait for the disk together. */
static nmdm_err_t *write_to_sqlite(nmdm_ctx_t *ctx, nmdm_unit_e kind,
                                   nmdm_unit_fn work, void *baton)
{
    const char *wal_path = NULL;
    nmdm_err_t *err;

    nmdm_db_release(ctx);
    apr_thread_mutex_lock(ctx->services->db_source->writer);
    err = work_alone(ctx, kind, work, baton, &wal_path);
    if (!err) {
        nmdm_db_release(ctx);
    }
    apr_thread_mutex_unlock(ctx->services->db_source->writer);
    if (!err && wal_path) {
        err = nmdm_sqlite_wal_flush(ctx->services->db_source->wal, ctx->pool,
                                    wal_path);
    }
    return err;
}

static nmdm_err_t *try_once(nmdm_ctx_t *ctx, nmdm_unit_e kind,
                            nmdm_unit_fn work, void *baton)
{
    NMDM_TRY(borrow(ctx));
    if (kind != NMDM_UNIT_READ && ctx->db->dialect == NMDM_SQLITE3
        && ctx->services->db_source->writer) {
        return write_to_sqlite(ctx, kind, work, baton);
    }
    return kind == NMDM_UNIT_TRANSACTION ? transact(ctx, work, baton)
                                         : work(ctx, baton);
}

static void count_failure(nmdm_ctx_t *ctx, const char *outcome)
{
    nmdm_count(ctx->services->counters, NMDM_COUNT_DATABASE, "statement",
               outcome, 1);
}

nmdm_err_t *nmdm_db_unit(nmdm_ctx_t *ctx, nmdm_unit_e kind, nmdm_unit_fn work,
                         void *baton)
{
    apr_time_t deadline = nmdm_time_steady() + NMDM_DB_TIMEOUT;
    nmdm_err_t *err;
    int tries;

    for (tries = 1;; tries++) {
        err = try_once(ctx, kind, work, baton);
        if (!err || err->retry == NMDM_RETRY_NO) {
            if (err && err->kind == NMDM_INTERNAL) {
                count_failure(ctx, "failed");
            }
            return err;
        }
        distrust(ctx, err);
        nmdm_db_release(ctx);
        if (nmdm_time_steady() >= deadline
            || err->retry == NMDM_RETRY_LATER
            || (err->retry == NMDM_RETRY_FEW && tries == FEW)) {
            break;
        }
        count_failure(ctx, "repeated");
        nmdm_log(ctx, NMDM_LOG_DEBUG, NMDMNO(0102) "%s; trying again",
                 err->msg);
        /* The first repetition costs no time: most often only the connection
         * was old. Then threads spread out. */
        if (tries > 1) {
            apr_sleep(apr_time_from_msec(20 + rand() % 30));
        }
    }
    count_failure(ctx, "failed");
    if (err->retry != NMDM_RETRY_FEW) {
        err->kind = NMDM_UNAVAILABLE;
    }
    /* Perhaps a table is gone: the next borrower looks. */
    apr_atomic_set32(&ctx->services->db_source->schema->checked, 0);
    return err;
}

/* ---- Statements ---- */

static nmdm_err_t *prepare(nmdm_ctx_t *ctx, apr_dbd_prepared_t **out,
                           nmdm_stmt_e stmt)
{
    nmdm_db_t *db = ctx->db;
    session_t *session = db->session;
    const char *sql;
    int rv;

    if (!session->prepared[stmt]) {
        sql = nmdm_statement_text(session->pool, stmt, db->dialect,
                                  ctx->services->db_source->prefix);
        rv = apr_dbd_prepare(db->driver, session->pool, db->handle, sql,
                             nmdm_statement_label(session->pool,
                                                  session->number, stmt, sql),
                             out);
        if (rv) {
            return nmdm_db_error_make(ctx, nmdm_statement_name(stmt), rv);
        }
        session->prepared[stmt] = *out;
    }
    *out = session->prepared[stmt];
    return NULL;
}

static void tell(nmdm_ctx_t *ctx, nmdm_stmt_e stmt, int rows,
                 apr_time_t started)
{
    if (ctx->wants_debug) {
        nmdm_log(ctx, NMDM_LOG_DEBUG,
                 NMDMNO(0103) "%s: %s: %d rows, %" APR_TIME_T_FMT " us",
                 *ctx->access_log.id ? ctx->access_log.id : "-",
                 nmdm_statement_name(stmt), rows,
                 nmdm_time_steady() - started);
    }
}

/* What surrounds the parameters in a packet. */
#define PACKET_OVERHEAD 4096

/* A limit of the database's own is the operator's to raise, so it is told
 * loudly; the sender learns what it would of NanoMDMMaxBody. */
static nmdm_err_t *check_packet(nmdm_ctx_t *ctx, const char **args, int nargs)
{
    apr_uint32_t most
        = apr_atomic_read32(&ctx->services->db_source->schema->max_packet);
    apr_size_t needed = PACKET_OVERHEAD;
    int i;

    for (i = 0; most && i < nargs; i++) {
        needed += strlen(args[i]);
    }
    if (needed <= most || !most) {
        return NULL;
    }
    nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0104) "%s: a message of %"
             APR_SIZE_T_FMT " bytes does not fit the database's"
             " max_allowed_packet of %u and is refused; raise that above"
             " NanoMDMMaxBody",
             *ctx->access_log.id ? ctx->access_log.id : "-", needed, most);
    return nmdm_err(ctx->pool, NMDM_TOO_LARGE, APR_SUCCESS, NMDMNO(0105)
                    "%s: too large for the database's max_allowed_packet",
                    *ctx->access_log.id ? ctx->access_log.id : "-");
}

nmdm_err_t *nmdm_db_exec(nmdm_ctx_t *ctx, int *affected, nmdm_stmt_e stmt,
                         const char **args, int nargs)
{
    nmdm_db_t *db = ctx->db;
    apr_time_t started = ctx->wants_debug ? nmdm_time_steady() : 0;
    apr_dbd_prepared_t *prepared = NULL;
    int rows = 0, rv;

    NMDM_TRY(check_packet(ctx, args, nargs));
    NMDM_TRY(prepare(ctx, &prepared, stmt));
    rv = apr_dbd_pquery(db->driver, ctx->pool, db->handle, &rows, prepared,
                        nargs, args);
    if (rv) {
        return nmdm_db_error_make(ctx, nmdm_statement_name(stmt), rv);
    }
    if (affected) {
        *affected = rows;
    }
    tell(ctx, stmt, rows, started);
    return NULL;
}

/* The mysql driver cuts long text, unless it is asked for buckets. They cost
 * ten times as much as a string, so short columns do without. */
static nmdm_err_t *read_by_buckets(nmdm_ctx_t *ctx, apr_pool_t *p,
                                   const char **out, apr_dbd_row_t *row,
                                   int column)
{
    apr_bucket_alloc_t *allocator = apr_bucket_alloc_create(p);
    apr_bucket_brigade *brigade = apr_brigade_create(p, allocator);
    apr_status_t rv;
    apr_size_t len;
    char *text;

    rv = apr_dbd_datum_get(ctx->db->driver, row, column, APR_DBD_TYPE_CLOB,
                           brigade);
    if (rv == APR_ENOENT) {
        *out = NULL;
        return NULL;
    }
    if (rv == APR_SUCCESS) {
        rv = apr_brigade_pflatten(brigade, &text, &len, p);
    }
    if (rv != APR_SUCCESS) {
        return nmdm_db_error_make(ctx, "reading a column", rv);
    }
    *out = apr_pstrmemdup(p, text, len);
    apr_brigade_destroy(brigade);
    return NULL;
}

static nmdm_err_t *read_column(nmdm_ctx_t *ctx, apr_pool_t *p,
                               const char **out, nmdm_stmt_e stmt,
                               apr_dbd_row_t *row,
                               int column)
{
    apr_status_t rv;

    if (ctx->db->dialect == NMDM_MYSQL && nmdm_statement_is_long(stmt, column)
        && apr_dbd_get_entry(ctx->db->driver, row, column)) {
        return read_by_buckets(ctx, p, out, row, column);
    }
    rv = apr_dbd_datum_get(ctx->db->driver, row, column, APR_DBD_TYPE_STRING,
                           out);
    if (rv == APR_ENOENT) {
        *out = NULL;
        return NULL;
    }
    return rv ? nmdm_db_error_make(ctx, "reading a column", rv) : NULL;
}

static nmdm_err_t *select_rows(nmdm_ctx_t *ctx, apr_dbd_results_t **results,
                               nmdm_stmt_e stmt, const char **args, int nargs)
{
    nmdm_db_t *db = ctx->db;
    apr_dbd_prepared_t *prepared = NULL;
    int rv;

    NMDM_TRY(prepare(ctx, &prepared, stmt));
    /* Random access, because without it the pgsql driver takes an error for
     * an empty result, and sleeps. */
    rv = apr_dbd_pselect(db->driver, ctx->pool, db->handle, results, prepared,
                         1, nargs, args);
    return rv ? nmdm_db_error_make(ctx, nmdm_statement_name(stmt), rv) : NULL;
}

nmdm_err_t *nmdm_db_row(nmdm_ctx_t *ctx, int *found, const char **cols,
                        int ncols, nmdm_stmt_e stmt, const char **args,
                        int nargs)
{
    apr_time_t started = ctx->wants_debug ? nmdm_time_steady() : 0;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int i;

    NMDM_TRY(select_rows(ctx, &results, stmt, args, nargs));
    *found = !apr_dbd_get_row(ctx->db->driver, ctx->pool, results, &row, 1);
    for (i = 0; *found && i < ncols; i++) {
        NMDM_TRY(read_column(ctx, ctx->pool, &cols[i], stmt, row, i));
    }
    tell(ctx, stmt, *found, started);
    return NULL;
}

nmdm_err_t *nmdm_db_rows(nmdm_ctx_t *ctx, apr_array_header_t *values,
                         int ncols, nmdm_stmt_e stmt, const char **args,
                         int nargs)
{
    apr_time_t started = ctx->wants_debug ? nmdm_time_steady() : 0;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    const char *value;
    apr_pool_t *scratch;        /* buckets cost 8 KiB for each value */
    int n = 1, i;

    NMDM_TRY(select_rows(ctx, &results, stmt, args, nargs));
    apr_pool_create(&scratch, ctx->pool);
    /* By its number, the sqlite3 driver would look for each row from the first
     * on. */
    while (!apr_dbd_get_row(ctx->db->driver, ctx->pool, results, &row,
                            ctx->db->dialect == NMDM_SQLITE3 ? -1 : n)) {
        for (i = 0; i < ncols; i++) {
            NMDM_TRY(read_column(ctx, scratch, &value, stmt, row, i));
            /* The result goes with its last row. */
            APR_ARRAY_PUSH(values, const char *) = apr_pstrdup(ctx->pool,
                                                               value);
            apr_pool_clear(scratch);
        }
        n++;
    }
    apr_pool_destroy(scratch);
    tell(ctx, stmt, n - 1, started);
    return NULL;
}

int nmdm_db_fill_ids(const char **places, const apr_array_header_t *ids,
                     int done)
{
    int n = ids->nelts - done, i;

    if (n > NMDM_SQL_IDS) {
        n = NMDM_SQL_IDS;
    }
    for (i = 0; i < NMDM_SQL_IDS; i++) {
        places[i] = APR_ARRAY_IDX(ids, done + (i < n ? i : 0), const char *);
    }
    return n;
}

nmdm_err_t *nmdm_db_exec_ids(nmdm_ctx_t *ctx, nmdm_stmt_e stmt,
                             const char *before,
                             const apr_array_header_t *ids)
{
    const char *args[1 + NMDM_SQL_IDS];
    int done;

    args[0] = before;
    for (done = 0; done < ids->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args + 1, ids, done);
        NMDM_TRY(nmdm_db_exec(ctx, NULL, stmt, before ? args : args + 1,
                              (before != NULL) + NMDM_SQL_IDS));
    }
    return NULL;
}

nmdm_err_t *nmdm_db_in_parts(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                             int most, nmdm_part_fn work, void *baton)
{
    nmdm_ctx_t part = *ctx;
    nmdm_err_t *err = NULL;
    int done;

    nmdm_db_release(ctx);
    part.db = NULL;
    apr_pool_create(&part.pool, ctx->pool);
    for (done = 0; done < ids->nelts && !err; done += most) {
        apr_array_header_t some = *ids;

        some.elts += (apr_size_t)done * (apr_size_t)ids->elt_size;
        some.nelts = some.nalloc = ids->nelts - done < most
            ? ids->nelts - done : most;
        err = work(&part, &some, done, baton);
        nmdm_db_release(&part);
        if (err) {
            err = nmdm_err_copy(ctx->pool, err);
        }
        apr_pool_clear(part.pool);
    }
    apr_pool_destroy(part.pool);
    return err;
}
