/* SPDX-License-Identifier: Apache-2.0 */
/* upstream.c -- asks another server while a request waits for its answer. */

#include "net/upstream.h"
#include "base/time.h"
#include "net/http_client.h"
#include "net/waiters.h"

/* Room is waited for as long as a good server may need for an answer; once it
 * has needed longer, requests that are not made keep no threads from polls. */
#define ROOM_WITHIN apr_time_from_msec(250)

nmdm_err_t *nmdm_upstream_ask(nmdm_ctx_t *ctx, nmdm_exchange_t *x)
{
    nmdm_waiters_t *waiters = ctx->services->upstream;

    if (waiters && !nmdm_waiters_enter_early(waiters, ROOM_WITHIN)) {
        return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(1707) "%s: not asked: too many requests wait"
                        " for other servers, which are slow or do not answer",
                        *ctx->access_log.id ? ctx->access_log.id : "-");
    }
    x->deadline = nmdm_time_steady() + ctx->policy->upstream_timeout;
    nmdm_http_client_run(ctx->services->http, &x, 1, ctx->pool);
    if (waiters) {
        nmdm_waiters_leave(waiters);
    }
    return NULL;
}
