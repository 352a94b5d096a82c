/* SPDX-License-Identifier: Apache-2.0 */
/* stored_event.h -- what is sent of an event that the outbox had. */

#ifndef NMDM_STORED_EVENT_H
#define NMDM_STORED_EVENT_H

#include "net/exchange.h"
#include "storage/outbox.h"

/* Sets what is sent: body, payload, payload_pool and rest of x. It lives as
 * long as event and ctx->pool. Reads a payload of its own in units of the
 * database; NMDM_NOT_FOUND if that is damaged. */
nmdm_err_t *nmdm_stored_event_read(nmdm_exchange_t *x, nmdm_ctx_t *ctx,
                                   const nmdm_event_t *event);

#endif /* NMDM_STORED_EVENT_H */
