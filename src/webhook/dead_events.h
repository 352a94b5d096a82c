/* SPDX-License-Identifier: Apache-2.0 */
/* dead_events.h -- what is logged of events that no receiver took: a line a
 * minute, of all children together, however many die. */

#ifndef NMDM_DEAD_EVENTS_H
#define NMDM_DEAD_EVENTS_H

#include "storage/outbox.h"

/* Counts an event whose last try failed, for this reason; logs it when a line
 * is due. */
void nmdm_dead_events_log(nmdm_ctx_t *ctx, const nmdm_event_t *event,
                          const char *why);

/* Logs the number of those that died after the last line, when one is due. To
 * be called now and then. */
void nmdm_dead_events_log_rest(nmdm_ctx_t *ctx);

#endif /* NMDM_DEAD_EVENTS_H */
