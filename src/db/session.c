/* SPDX-License-Identifier: Apache-2.0 */
/* session.c -- borrowed connections, and what is kept with each.
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

static nmdm_err_t *open_session(nmdm_ctx_t *ctx, const char *key)
{
    nmdm_db_t *db = ctx->db;
    nmdm_session_t *session;

    session = apr_pcalloc(db->pool, sizeof(*session));
    session->number = (int)apr_hash_count(db->notes);
    apr_pool_create(&session->pool, db->pool);
    if (db->dialect->reserves_long_text) {
        apr_pool_create(&session->results, db->pool);
    }
    apr_hash_set(db->notes, apr_pstrdup(db->pool, key), APR_HASH_KEY_STRING,
                 session);
    db->session = session;
    session->stale = 1;         /* until it is settled, now or by renew() */
    NMDM_TRY(db->dialect->settle(ctx));
    session->stale = 0;
    return NULL;
}

/* After an error it is unknown what the server still has. */
void nmdm_session_distrust(nmdm_ctx_t *ctx, const nmdm_err_t *err)
{
    if (ctx->db && ctx->db->session
        && (!ctx->db->dialect->keeps_statements
            || strstr(err->msg, "schema has changed"))) {
        ctx->db->session->stale = 1;
    }
}

static nmdm_err_t *renew(nmdm_ctx_t *ctx, nmdm_session_t *session)
{
    /* Of a transaction that could not be ended; most often there is none. */
    (void)nmdm_db_run(ctx, "ROLLBACK");
    memset(session->prepared, 0, sizeof(session->prepared));
    apr_pool_clear(session->pool);
    if (ctx->db->dialect->deallocate) {
        NMDM_TRY(ctx->db->dialect->deallocate(ctx));
    }
    NMDM_TRY(ctx->db->dialect->settle(ctx));
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
    db->dialect = nmdm_dialect_of(apr_dbd_name(db->driver));
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
