/* SPDX-License-Identifier: Apache-2.0 */
/* results.h -- what an enrollment answered. */

#ifndef NMDM_API_RESULTS_H
#define NMDM_API_RESULTS_H

#include "base/context.h"
#include "api/paging.h"

/* Fills in *reply with JSON and *status with the HTTP status, also when it
 * returns an error: that is then for the log. */

/* What was answered by one enrollment, the newest first; or to one command,
 * when uuid is not NULL. */
nmdm_err_t *nmdm_api_results_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *id, const char *uuid,
                                  const nmdm_api_paging_query_t *page);

#endif /* NMDM_API_RESULTS_H */
