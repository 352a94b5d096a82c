/* SPDX-License-Identifier: Apache-2.0 */
/* upstream.h -- asks another server while a request waits for its answer. */

#ifndef NMDM_UPSTREAM_H
#define NMDM_UPSTREAM_H

#include "base/context.h"
#include "net/exchange.h"

/* Fills in what *x becomes, within NanoMDMUpstreamTimeout; hold no connection
 * meanwhile. NMDM_UNAVAILABLE where so many requests of this child wait for
 * servers that one which does not answer would leave no thread for polls: it
 * is not asked then. */
nmdm_err_t *nmdm_upstream_ask(nmdm_ctx_t *ctx, nmdm_exchange_t *x);

#endif /* NMDM_UPSTREAM_H */
