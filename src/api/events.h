/* SPDX-License-Identifier: Apache-2.0 */
/* events.h -- the outbox of webhooks, for operators: list, replay, drop.
 * Results are as in api/enqueue.h. */

#ifndef NMDM_API_EVENTS_H
#define NMDM_API_EVENTS_H

#include "base/context.h"
#include "storage/outbox.h"

/* Events in the order of their ids. `state` is "dead" or "pending", NULL for
 * dead; `limit` a number up to 100, NULL for that; `cursor` an id, after which
 * the list begins, or NULL. */
nmdm_err_t *nmdm_api_events_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const char *state,
                                 const char *limit, const char *cursor);

/* Dead events are tried anew: {"ids":["7"]}, or {"target":"..."} for all of a
 * receiver. */
nmdm_err_t *nmdm_api_events_replay(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                   int *status, nmdm_bytes_t json);

/* One event is forgotten, whatever its state. */
nmdm_err_t *nmdm_api_events_drop(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const char *id);

/* ---- For people ---- */

typedef struct {
    int has_outbox;             /* else there is nothing more to see */
    apr_array_header_t *events; /* of nmdm_listed_event_t, at most
                                 * NMDM_SQL_IDS */
    apr_array_header_t *states; /* of nmdm_outbox_state_t: of each receiver
                                 * that is configured here, each once */
} nmdm_api_events_page_t;

/* Events that are dead, or that wait, with numbers above `after`, which is
 * decimal digits; anything else begins. */
nmdm_err_t *nmdm_api_events_page(nmdm_api_events_page_t *out, nmdm_ctx_t *ctx,
                                 int dead, const char *after);

#endif /* NMDM_API_EVENTS_H */
