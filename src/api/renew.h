/* SPDX-License-Identifier: Apache-2.0 */
/* renew.h -- identities that an operator wants renewed at once. */

#ifndef NMDM_API_RENEW_H
#define NMDM_API_RENEW_H

#include "base/context.h"

#include <apr_tables.h>

/* POST renew/IDS: queues the command for each, and pushes. Fills in *reply and
 * *status, also when it returns an error. */
nmdm_err_t *nmdm_api_renew(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                           const apr_array_header_t *ids);
/* POST renew?issuer=SHA256: all that use a certificate of this issuer, as fast
 * as NanoMDMRenewIdentity allows. */
nmdm_err_t *nmdm_api_renew_issuer(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *issuer);

#endif /* NMDM_API_RENEW_H */
