/* SPDX-License-Identifier: Apache-2.0 */
/* push_retry.c -- pushes again where the first one did not help.
 *
 * Enqueueing notes the devices it pushes to in nanomdm_pushes, with a time. A
 * device that has answered by then is struck off; the others are pushed to
 * again, at growing intervals: a push is lost when APNs is out of reach, and
 * APNs keeps only the last one for a device that is away. */

#include "jobs/push_retry.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "base/once_daily.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/push_state.h"
#include "push/push.h"

#include <apr_hash.h>
#include <apr_strings.h>

/* Seconds from one push to the next; the last is for all that follow. */
static const int PAUSES[] = { 120, 480, 1800, 86400 };
#define PAUSES_MOST ((int)(sizeof(PAUSES) / sizeof(*PAUSES)) - 1)
/* After a push that did not get as far as an answer. */
#define PAUSE_OF_FAILURE 120

typedef struct {
    apr_array_header_t *due;            /* ids */
    apr_array_header_t *served;         /* ids: nothing waits for them */
    apr_array_header_t *silent;         /* ids to push to */
    apr_array_header_t *failed;         /* ids: no answer from APNs */
    apr_pool_t *pool;
} sweep_t;

/* So many seconds from now, give or take a tenth: what failed together is not
 * to be retried together. */
static apr_time_t in_about(nmdm_ctx_t *ctx, int seconds)
{
    unsigned char dice = 0;

    nmdm_digest_random(&dice, 1);
    return ctx->now + apr_time_from_sec(seconds)
        + apr_time_from_sec(seconds) / 5 * (dice - 128) / 256;
}

static nmdm_err_t *put_off(nmdm_ctx_t *ctx, const nmdm_pending_push_t *push)
{
    int is_silent = !push->is_seen;

    return nmdm_push_state_again(
        ctx, push->id, push->tries + 1,
        in_about(ctx, PAUSES[push->tries < PAUSES_MOST ? push->tries
                                                       : PAUSES_MOST]),
        is_silent);
}

/* One transaction: what it takes has its next time when it ends, so no other
 * else takes it. */
static nmdm_err_t *do_take(nmdm_ctx_t *ctx, void *baton)
{
    sweep_t *sweep = baton;
    apr_array_header_t *pending = apr_array_make(
        ctx->pool, NMDM_SQL_IDS, sizeof(nmdm_pending_push_t));
    apr_hash_t *waiting = apr_hash_make(ctx->pool);
    int i;

    apr_array_clear(sweep->served);
    apr_array_clear(sweep->silent);
    NMDM_TRY(nmdm_push_state_due(ctx, &sweep->due));
    NMDM_TRY(nmdm_push_state_pending(ctx, pending, sweep->due));
    for (i = 0; i < pending->nelts; i++) {
        const nmdm_pending_push_t *push = &APR_ARRAY_IDX(
            pending, i, nmdm_pending_push_t);

        if (push->is_waiting) {
            apr_hash_set(waiting, push->id, APR_HASH_KEY_STRING, push);
            NMDM_TRY(put_off(ctx, push));
            if (!push->is_seen) {
                APR_ARRAY_PUSH(sweep->silent, const char *) = push->id;
            }
        }
    }
    for (i = 0; i < sweep->due->nelts; i++) {
        const char *id = APR_ARRAY_IDX(sweep->due, i, const char *);

        if (!apr_hash_get(waiting, id, APR_HASH_KEY_STRING)) {
            APR_ARRAY_PUSH(sweep->served, const char *) = id;
        }
    }
    return nmdm_push_state_forget(ctx, sweep->served);
}

static void note_result(void *baton, const nmdm_push_result_t *result)
{
    sweep_t *sweep = baton;

    if (result->id && result->error && !result->is_refused) {
        APR_ARRAY_PUSH(sweep->failed, const char *)
            = apr_pstrdup(sweep->pool, result->id);
    }
}

/* They have their turn again, as if this one had not been. */
static nmdm_err_t *do_postpone(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_push_state_postpone(ctx, ((sweep_t *)baton)->failed,
                                    in_about(ctx, PAUSE_OF_FAILURE));
}

/* What is put off for longer than anything ever is. */
static nmdm_err_t *do_recall(nmdm_ctx_t *ctx, void *baton)
{
    (void)baton;
    return nmdm_push_state_recall(
        ctx, ctx->now + 2 * apr_time_from_sec(PAUSES[PAUSES_MOST]));
}

nmdm_err_t *nmdm_push_retry_run(nmdm_ctx_t *ctx, int *more)
{
    sweep_t sweep = {
        .served = apr_array_make(ctx->pool, 8, sizeof(const char *)),
        .silent = apr_array_make(ctx->pool, 8, sizeof(const char *)),
        .failed = apr_array_make(ctx->pool, 8, sizeof(const char *)),
        .pool = ctx->pool,
    };

    *more = 0;
    if (!nmdm_schema_is_complete(ctx)) {
        return NULL;
    }
    /* A clock that was ahead has been set back, here or elsewhere. */
    if (ctx->services->daily
        && nmdm_once_daily_is_due(ctx->services->daily, "NanoMDMPushRepeat",
                                  ctx->now)) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_recall, NULL));
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_take, &sweep));
    *more = sweep.due->nelts == NMDM_SQL_IDS;
    if (!sweep.silent->nelts) {
        return NULL;
    }
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0923)
             "%s: pushing again to %d %s not heard of since a command was"
             " queued", APR_ARRAY_IDX(sweep.silent, 0, const char *),
             sweep.silent->nelts,
             nmdm_text_plural(sweep.silent->nelts, "enrollment",
                              "enrollments"));
    NMDM_TRY(nmdm_push_send(ctx, sweep.silent, NMDM_PUSH_AGAIN, note_result,
                            &sweep));
    return sweep.failed->nelts
        ? nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_postpone, &sweep) : NULL;
}
