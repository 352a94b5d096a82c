/* SPDX-License-Identifier: Apache-2.0 */
/* rate_limiter.h -- how often a device may ask, checked at each request. */

#ifndef NANOMDM_RATE_LIMITER_H
#define NANOMDM_RATE_LIMITER_H

#include "base/context.h"

#include <httpd.h>

/* Registers the hook that finds the shared memory of the limits. */
void nanomdm_rate_limiter_hooks(void);
/* Counts a request of ctx->cert; an error if it is one too many. */
nmdm_err_t *nanomdm_rate_limiter_check(nmdm_ctx_t *ctx, request_rec *r);
/* The same by the client's address, where there is no certificate yet: of IPv6
 * by its network, nanomdm_rate_limiter_client. */
nmdm_err_t *nanomdm_rate_limiter_check_client(nmdm_ctx_t *ctx,
                                              request_rec *r);

/* The client as it is counted: its address, or the network of 64 bits of an
 * IPv6 address, within which a host may take any other. In r->pool. */
const char *nanomdm_rate_limiter_client(request_rec *r);

#endif /* NANOMDM_RATE_LIMITER_H */
