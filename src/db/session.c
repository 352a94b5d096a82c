/* SPDX-License-Identifier: Apache-2.0 */
/* session.c -- connections on loan, and what is kept with each.
 *
 * Statements are prepared when they are first used on a connection and kept
 * with it. mod_dbd could prepare them for us, but then one that fails closes
 * the database to all, and none survives a PostgreSQL reconnect. */

#include "db/db.h"
#include "base/counters.h"
#include "db/db_error.h"
#include "db/session.h"
#include "db/sqlite_wal.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include <string.h>

/* An answered report is on the disk, whatever happens next: either each commit
 * flushes the log, or nmdm_sqlite_wal_flush() does that for several. */
static nmdm_err_t *settle_durability(nmdm_ctx_t *ctx)
{
    nmdm_session_t *session = ctx->db->session;
    const char *mode, *file;

    NMDM_TRY(nmdm_db_ask_column(ctx, &mode, 0, "PRAGMA journal_mode"));
    /* Number, name and file; "main" is the first. */
    NMDM_TRY(nmdm_db_ask_column(ctx, &file, 2, "PRAGMA database_list"));
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
    NMDM_TRY(nmdm_db_ask_if_any(ctx, &is_on, 1,
                                "SHOW VARIABLES LIKE 'wsrep_on'"));
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
    nmdm_session_t *session;

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

/* After an error it is unknown what the server still has. sqlite3 statements
 * live as long as their connection and are not to be made again in vain. */
void nmdm_session_distrust(nmdm_ctx_t *ctx, const nmdm_err_t *err)
{
    if (ctx->db && ctx->db->session
        && (ctx->db->dialect != NMDM_SQLITE3
            || strstr(err->msg, "schema has changed"))) {
        ctx->db->session->stale = 1;
    }
}

/* What the server still has of this session. Another prefix, and modules like
 * mod_authn_dbd, have theirs on the same connection and do not look. */
static nmdm_err_t *deallocate(nmdm_ctx_t *ctx, const nmdm_session_t *session)
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

static nmdm_err_t *renew(nmdm_ctx_t *ctx, nmdm_session_t *session)
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
    const nmdm_db_source_t *source = ctx->services->db_source;
    const char *key;
    nmdm_err_t *err;
    nmdm_db_t *db;

    err = source->acquire(ctx, &ctx->db);
    if (err) {
        nmdm_count(ctx->services->counters, NMDM_COUNT_DATABASE, "connection",
                   "failed", 1);
        return err;
    }
    db = ctx->db;
    db->dialect = (nmdm_dialect_e)nmdm_dialect_of(apr_dbd_name(db->driver));
    key = apr_pstrcat(ctx->pool, "nanomdm:", source->prefix, NULL);
    db->session = apr_hash_get(db->notes, key, APR_HASH_KEY_STRING);
    if (!db->session) {
        return open_session(ctx, key);
    }
    return db->session->stale ? renew(ctx, db->session) : NULL;
}

nmdm_err_t *nmdm_session_borrow(nmdm_ctx_t *ctx)
{
    const nmdm_db_source_t *source = ctx->services->db_source;

    if (ctx->db) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_take(ctx));
    if (source->check_schema
        && !apr_atomic_read32(&source->schema->checked)) {
        NMDM_TRY(source->check_schema(ctx));
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
