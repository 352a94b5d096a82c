/* SPDX-License-Identifier: Apache-2.0 */
/* stored_event.c -- what is sent of an event that the outbox had.
 *
 * A payload of its own is decoded, and encoded again while it is sent: it is
 * in memory once, and never in base64. */

#include "webhook/stored_event.h"
#include "storage/outbox_payload.h"
#include "webhook/event.h"

#include <string.h>

nmdm_err_t *nmdm_stored_event_read(nmdm_exchange_t *x, nmdm_ctx_t *ctx,
                                   const nmdm_event_t *event)
{
    nmdm_bytes_t json = { event->body, strlen(event->body) };

    x->body = json;
    if (!event->payload_size) {
        return NULL;
    }
    x->payload_pool = nmdm_shared_pool_make(ctx->pool);
    if (!x->payload_pool) {
        return nmdm_err(ctx->pool, NMDM_INTERNAL, APR_ENOMEM, NMDMNO(1824)
                        "no memory for its payload");
    }
    if (!nmdm_event_split(x, json)) {
        return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1823)
                        "it has no place for its payload");
    }
    return nmdm_outbox_payload_read(ctx, &x->payload,
                                    nmdm_shared_pool_of(x->payload_pool),
                                    event->seq, event->payload_size);
}
