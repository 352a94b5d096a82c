/* SPDX-License-Identifier: Apache-2.0 */
/* delivery.h -- one receiver of the outbox's events. The lower part of
 * webhook/relay.c: but for nmdm_delivery_is_full, all is for its thread
 * alone. */

#ifndef NMDM_DELIVERY_H
#define NMDM_DELIVERY_H

#include "webhook/relay.h"
#include "storage/outbox.h"
#include "webhook/event.h"

#include <apr_ring.h>

typedef struct nmdm_delivery_t nmdm_delivery_t;
typedef struct nmdm_delivery_event_t nmdm_delivery_event_t;
typedef struct nmdm_delivery_events_t nmdm_delivery_events_t;
APR_RING_HEAD(nmdm_delivery_events_t, nmdm_delivery_event_t);

/* One event under way: the baton of its exchange. While that lasts it is the
 * client's, whose thread fills in status and failure and puts it into the
 * relay's inbox; then it is the receiver's, which frees it. */
struct nmdm_delivery_event_t {
    APR_RING_ENTRY(nmdm_delivery_event_t) link;
    apr_pool_t *pool;
    nmdm_relay_t *relay;
    nmdm_delivery_t *receiver;
    nmdm_event_t event;         /* without its body */
    int status;                 /* of the answer, 0: none */
    char failure[200];
};

/* Of one webhook of a route, in p, which must be the thread's own. `lease`
 * names the relay in the outbox; it lives as long as p. *long_under_way counts
 * the long events of all receivers, of which one is sent at a time. */
nmdm_delivery_t *nmdm_delivery_create(apr_pool_t *p, nmdm_relay_t *relay,
                                      const char *lease,
                                      const nmdm_route_t *route,
                                      const nmdm_webhook_conf_t *webhook,
                                      int *long_under_way);

/* Hands back an attempt that has an outcome; the next step records that. */
void nmdm_delivery_take(nmdm_delivery_event_t *attempt);

/* Records outcomes, leases what is due and posts it; renews leases and counts
 * the backlog when it is time. A stopping relay records outcomes and posts no
 * more. What goes wrong is logged, and tried again in a later step. Returns how
 * many events are under way, and holds no connection then. */
int nmdm_delivery_step(nmdm_delivery_t *receiver, int is_stopping);

/* Is it that of a target, and does so much wait for it that no more may be
 * added? For any thread. */
int nmdm_delivery_is_full(nmdm_delivery_t *receiver, const char *target,
                          apr_size_t len);

/* Is it that of a target, and may one device have more than its budget there?
 * For any thread. */
int nmdm_delivery_is_long(nmdm_delivery_t *receiver, const char *target);

#endif /* NMDM_DELIVERY_H */
