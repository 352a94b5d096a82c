/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h -- what is queued for an enrollment; and cancelling commands. */

#ifndef NMDM_API_QUEUE_H
#define NMDM_API_QUEUE_H

#include "base/context.h"
#include "api/paging.h"

/* Each fills in *reply with JSON, or leaves it without a body, and *status
 * with the HTTP status, also when it returns an error: that is then for the
 * log. */

/* What waits for one enrollment, in the order of delivery. */
nmdm_err_t *nmdm_api_queue_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                int *status, const char *id,
                                const nmdm_api_paging_query_t *page);

/* Cancels all that waits for these ids or, when uuid is not NULL, this one
 * command. */
nmdm_err_t *nmdm_api_queue_clear(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const apr_array_header_t *ids,
                                 const char *uuid);

/* Cancels a command for every enrollment that has not answered it. */
nmdm_err_t *nmdm_api_queue_cancel(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *uuid);

#endif /* NMDM_API_QUEUE_H */
