/* SPDX-License-Identifier: Apache-2.0 */
/* relay.h -- brings the events of the outbox to their receivers: one
 * thread of a child, for all its servers. */

#ifndef NMDM_RELAY_H
#define NMDM_RELAY_H

#include "net/exchange.h"

/* More events than this wait for one receiver: no more are written. Counted
 * once a minute. */
#define NMDM_RELAY_BACKLOG 1000000
#define NMDM_RELAY_BACKLOG_BYTES ((apr_int64_t)1024 * 1024 * 1024)

/* The budget of a device: bytes that its events may take in the outbox, of each
 * receiver. webhook/publish.c looks at it. */
#define NMDM_RELAY_BUDGET ((apr_int64_t)32 * 1024 * 1024)

/* A server whose outbox is emptied. */
typedef struct {
    const apr_array_header_t *webhooks; /* of nmdm_webhook_conf_t *, one for
                                         * each target */
    nmdm_http_client_t *http;       /* whose `ended` calls nmdm_relay_ended */
    apr_interval_time_t timeout;        /* of one try */
    /* A context of the server, with its source of connections and log, in p. */
    nmdm_ctx_t *(*context)(void *baton, apr_pool_t *p);
    void *baton;
} nmdm_route_t;

/* Add its routes before it starts. It lives as long as pchild. */
nmdm_err_t *nmdm_relay_create(nmdm_relay_t **out, apr_pool_t *pchild);
void nmdm_relay_add(nmdm_relay_t *relay, const nmdm_route_t *route);
nmdm_err_t *nmdm_relay_start(nmdm_relay_t *relay, apr_pool_t *pchild);

/* Ends the thread. What is under way is given until `timeout`; what then has
 * no outcome is tried again by others once its lease is over. Stop it before
 * the clients of its routes. */
void nmdm_relay_stop(nmdm_relay_t *relay, apr_interval_time_t timeout);

/* An event was committed: it is looked for at once. */
void nmdm_relay_wake(nmdm_relay_t *relay);

/* Does so much wait for this receiver already that no more may be added? An
 * event of `len` bytes is counted as added if not. */
int nmdm_relay_is_full(nmdm_relay_t *relay, const char *target,
                       apr_size_t len);

/* Does so much wait for this receiver that one device may have used up its
 * budget? By the last count, and what this child has added since. */
int nmdm_relay_is_long(nmdm_relay_t *relay, const char *target);

/* The outcome of an exchange that a relay posted, whose baton then is not
 * NULL. */
void nmdm_relay_ended(const nmdm_exchange_t *x);

/* One round of the thread's work, for tests: takes in outcomes and sends what
 * is due. Returns how many events are under way. */
int nmdm_relay_step(nmdm_relay_t *relay);

#endif /* NMDM_RELAY_H */
