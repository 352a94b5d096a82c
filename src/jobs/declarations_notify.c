/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_notify.c -- makes devices ask for changed declarations.
 *
 * All commands are queued before the first push, in pages that are each a
 * transaction: a slow APNs delays no command. Who was to be pushed to
 * and was not, because the process ended, is found by the push retry. */

#include "jobs/declarations_notify.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "db/schema.h"
#include "push/push.h"
#include "storage/declarations_changes.h"

#include <apr_strings.h>

/* So many enrollments are queued before those are pushed to, so that memory
 * does not grow with the fleet. */
#define MOST_IDS 20000

typedef struct {
    const char *owner;
    int yes;
} lease_t;

static nmdm_err_t *do_due(nmdm_ctx_t *ctx, void *baton)
{
    lease_t *lease = baton;

    lease->yes = 0;
    return !nmdm_schema_has_declarations(ctx) ? NULL
        : nmdm_declarations_changes_due(ctx, &lease->yes,
                                        ctx->policy->declarations->window);
}

static nmdm_err_t *do_take(nmdm_ctx_t *ctx, void *baton)
{
    lease_t *lease = baton;

    return nmdm_declarations_changes_take(ctx, &lease->yes, lease->owner);
}

static nmdm_err_t *do_give_back(nmdm_ctx_t *ctx, void *baton)
{
    (void)baton;
    return nmdm_declarations_changes_give_back(ctx);
}

static nmdm_err_t *do_run(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_declarations_changes_run(ctx, baton);
}

/* A page, in memory of its own; its ids are copied to `ids`. */
static nmdm_err_t *run_page(nmdm_ctx_t *ctx, nmdm_declarations_run_t *run,
                            apr_array_header_t *ids)
{
    nmdm_ctx_t part = *ctx;
    nmdm_err_t *err;
    int i;

    part.db = NULL;
    apr_pool_create(&part.pool, ctx->pool);
    run->ids = apr_array_make(part.pool, 1000, sizeof(const char *));
    err = nmdm_db_unit(&part, NMDM_UNIT_TRANSACTION, do_run, run);
    nmdm_db_release(&part);
    for (i = 0; !err && i < run->ids->nelts; i++) {
        APR_ARRAY_PUSH(ids, const char *) = apr_pstrdup(
            ctx->pool, APR_ARRAY_IDX(run->ids, i, const char *));
    }
    err = err ? nmdm_err_copy(ctx->pool, err) : NULL;
    apr_pool_destroy(part.pool);
    return err;
}

/* What becomes of it is in nanomdm_pushes. */
static void ignore_result(void *baton, const nmdm_push_result_t *result)
{
    (void)baton;
    (void)result;
}

static nmdm_err_t *run_all(nmdm_ctx_t *ctx, nmdm_declarations_run_t *run,
                           int (*is_stopping)(void *), void *baton)
{
    apr_array_header_t *ids = apr_array_make(ctx->pool, 64,
                                             sizeof(const char *));
    nmdm_err_t *err;

    do {
        err = run_page(ctx, run, ids);
    } while (!err && run->is_owner && !run->is_done
             && ids->nelts < MOST_IDS && !is_stopping(baton));
    if (run->is_owner) {
        nmdm_err_t *end = nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_give_back,
                                       NULL);

        err = err ? err : end;
    }
    nmdm_db_release(ctx);
    if (err || !ids->nelts) {
        return err;
    }
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(2581)
             "%s: DeclarativeManagement is queued for %d %s",
             APR_ARRAY_IDX(ids, 0, const char *), ids->nelts,
             nmdm_text_plural(ids->nelts, "enrollment", "enrollments"));
    return nmdm_push_send(ctx, ids, NMDM_PUSH_AGAIN, ignore_result, NULL);
}

nmdm_err_t *nmdm_declarations_notify_run(nmdm_ctx_t *ctx,
                                         int (*is_stopping)(void *baton),
                                         void *baton)
{
    nmdm_declarations_run_t run = {
        .window = ctx->policy->declarations->window, .is_owner = 1
    };
    unsigned char bytes[8];
    lease_t lease;

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_due, &lease));
    if (!lease.yes || !nmdm_digest_random(bytes, sizeof(bytes))) {
        return NULL;
    }
    lease.owner = run.owner = nmdm_hex(ctx->pool, (nmdm_bytes_t){
        (char *)bytes, sizeof(bytes) });
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_take, &lease));
    return lease.yes ? run_all(ctx, &run, is_stopping, baton) : NULL;
}
