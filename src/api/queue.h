/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h -- what is queued and what was answered, as operators ask for
 * it; and taking commands back. */

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

/* What was answered by one enrollment, the newest first; or to one command,
 * when uuid is not NULL. */
nmdm_err_t *nmdm_api_results_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *id, const char *uuid,
                                  const nmdm_api_paging_query_t *page);

/* A command, who has it and what they answered. */
nmdm_err_t *nmdm_api_commands_get(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *uuid,
                                  const nmdm_api_paging_query_t *page);

/* Takes back all that waits for these ids or, when uuid is not NULL, this one
 * command. */
nmdm_err_t *nmdm_api_queue_clear(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const apr_array_header_t *ids,
                                 const char *uuid);

/* Takes a command back from everybody who has not answered it. */
nmdm_err_t *nmdm_api_queue_cancel(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *uuid);

#endif /* NMDM_API_QUEUE_H */
