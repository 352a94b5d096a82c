/* SPDX-License-Identifier: Apache-2.0 */
/* unit.c -- units of work: transactions, repetition, one writer of SQLite at a
 * time. */

#include "db/db.h"
#include "base/counters.h"
#include "base/time.h"
#include "db/session.h"
#include "db/sqlite_wal.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Tries of work that fails for an unknown reason. */
#define FEW 3

/* Plain SQL instead of apr_dbd_transaction_*: its pgsql driver follows a NULL
 * pointer when the connection is lost at the beginning, and all of them decide
 * on their own whether the end is a commit. */
static nmdm_err_t *transact(nmdm_ctx_t *ctx, nmdm_unit_fn work, void *baton)
{
    nmdm_err_t *err;

    NMDM_TRY(nmdm_db_run(ctx, ctx->db->dialect->begin));
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

/* One writer at a time. Each takes the connection that the one before has
 * just given back, whose cache still holds for that: what another connection
 * has written would have to be read again. Then they wait for the disk
 * together. */
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
    NMDM_TRY(nmdm_session_borrow(ctx));
    if (kind != NMDM_UNIT_READ && ctx->db->dialect->has_one_writer
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
        nmdm_session_distrust(ctx, err);
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

nmdm_err_t *nmdm_db_unit_once(nmdm_ctx_t *ctx, nmdm_unit_e kind,
                              nmdm_unit_fn work, void *baton)
{
    nmdm_err_t *err = try_once(ctx, kind, work, baton);

    if (err && err->retry != NMDM_RETRY_NO) {
        nmdm_session_distrust(ctx, err);
        nmdm_db_release(ctx);
    }
    return err;
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
