/* SPDX-License-Identifier: Apache-2.0 */
/* scep.h -- challenges and issued certificates, for operators. */

#ifndef NMDM_API_SCEP_H
#define NMDM_API_SCEP_H

#include "api/paging.h"

/* POST scep-challenge: a JSON object of bindings, or nothing; `life` is for
 * challenges that do not say. */
nmdm_err_t *nmdm_api_scep_challenge(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                    nmdm_bytes_t body,
                                    apr_interval_time_t life);

/* POST enroll-links: the same, for links that give an enrollment profile once;
 * location is the URL that they begin with, or NULL where there is none. */
nmdm_err_t *nmdm_api_scep_link(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                               nmdm_bytes_t body, const char *location);

/* GET certs; each may be NULL. */
typedef struct {
    const char *expires_before, *id, *issuer;
} nmdm_api_certs_filter_t;
nmdm_err_t *nmdm_api_scep_certs(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                const nmdm_api_certs_filter_t *filter,
                                const nmdm_api_paging_query_t *query);

/* DELETE certs/SHA256 */
nmdm_err_t *nmdm_api_scep_revoke(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 const char *sha256);

#endif /* NMDM_API_SCEP_H */
