/* SPDX-License-Identifier: Apache-2.0 */
/* enrollments.h -- who is enrolled, as operators ask for it. */

#ifndef NMDM_API_ENROLLMENTS_H
#define NMDM_API_ENROLLMENTS_H

#include "base/context.h"
#include "api/paging.h"

/* Both fill in *reply with JSON and *status with the HTTP status, also when
 * they return an error: that is then for the log. */

/* A page of the enrollments that a filter in JSON describes; an empty one
 * describes all. */
nmdm_err_t *nmdm_api_enrollments_query(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                       int *status, nmdm_bytes_t json,
                                       const nmdm_api_paging_query_t *page);

/* Everything that is known of one enrollment. */
nmdm_err_t *nmdm_api_enrollments_get(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, const char *id);

#endif /* NMDM_API_ENROLLMENTS_H */
