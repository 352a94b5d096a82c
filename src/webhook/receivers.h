/* SPDX-License-Identifier: Apache-2.0 */
/* receivers.h -- the receivers of events that a request's policy names. */

#ifndef NMDM_RECEIVERS_H
#define NMDM_RECEIVERS_H

#include "base/context.h"
#include "storage/outbox.h"
#include "webhook/event.h"

/* How many there are. */
static inline int nmdm_receivers_count(const nmdm_ctx_t *ctx)
{
    return ctx->policy->webhooks ? ctx->policy->webhooks->nelts : 0;
}

/* One of them, the first of which is 0; lives as long as the policy. */
static inline const nmdm_webhook_conf_t *nmdm_receivers_at(
    const nmdm_ctx_t *ctx, int i)
{
    return APR_ARRAY_IDX(ctx->policy->webhooks, i,
                         const nmdm_webhook_conf_t *);
}

/* Whether events for them are kept in the outbox, as far as is known. */
static inline int nmdm_receivers_are_durable(const nmdm_ctx_t *ctx)
{
    return ctx->policy->durable && ctx->services->relay
        && nmdm_outbox_takes(ctx, 0);
}

#endif /* NMDM_RECEIVERS_H */
