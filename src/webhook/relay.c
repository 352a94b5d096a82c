/* SPDX-License-Identifier: Apache-2.0 */
/* relay.c -- brings the events of the outbox to their receivers: the
 * thread and its inbox.
 *
 * The thread takes outcomes out of the inbox, hands each to its receiver,
 * and gives every receiver its turn. It holds no connection while it waits. */

#include "webhook/relay.h"
#include "base/cond.h"
#include "crypto/digest.h"
#include "webhook/delivery.h"
#include "base/time.h"

#include <apr_ring.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

/* How often what others left is looked for. */
#define POLL apr_time_from_sec(1)

/* Under load, outcomes and new events are collected for this long and share
 * one commit. A single event does not wait. */
#define COLLECTING apr_time_from_msec(25)

struct nmdm_relay_t {
    apr_pool_t *pool;           /* the thread's */
    apr_array_header_t *receivers;      /* of nmdm_delivery_t * */
    const char *lease;          /* names this relay in the outbox */
    apr_thread_t *thread;

    int first;                  /* the receiver that is the first to look: the
                                 * one after that which last sent a long
                                 * event */
    int long_under_way;         /* events with a payload of their own, of all
                                 * receivers */

    nmdm_cond_t *cond;          /* guards the rest; wakes the thread */
    nmdm_delivery_events_t inbox;       /* with outcomes */
    int is_woken, is_stopping;
    apr_time_t stop_at;         /* on the steady clock */
};

/* ---- The thread ---- */

static void drain_inbox(nmdm_relay_t *relay)
{
    nmdm_delivery_events_t inbox;

    APR_RING_INIT(&inbox, nmdm_delivery_event_t, link);
    nmdm_cond_lock(relay->cond);
    APR_RING_CONCAT(&inbox, &relay->inbox, nmdm_delivery_event_t, link);
    nmdm_cond_unlock(relay->cond);
    while (!APR_RING_EMPTY(&inbox, nmdm_delivery_event_t, link)) {
        nmdm_delivery_event_t *attempt = APR_RING_FIRST(&inbox);

        APR_RING_REMOVE(attempt, link);
        nmdm_delivery_take(attempt);
    }
}

/* Of long events one is under way at a time, so each time another receiver is
 * the first to look for one. */
static int one_round(nmdm_relay_t *relay, int is_stopping)
{
    int n = relay->receivers->nelts, first = relay->first, under_way = 0, i;

    drain_inbox(relay);
    for (i = first; i < first + n; i++) {
        int before = relay->long_under_way;

        under_way += nmdm_delivery_step(
            APR_ARRAY_IDX(relay->receivers, i % n, nmdm_delivery_t *),
            is_stopping);
        if (relay->long_under_way > before) {
            relay->first = (i + 1) % n;
        }
    }
    return under_way;
}

int nmdm_relay_step(nmdm_relay_t *relay)
{
    return one_round(relay, 0);
}

/* Returns whether it is to stop. */
static int wait_for_work(nmdm_relay_t *relay, apr_time_t last_round)
{
    apr_time_t since = nmdm_time_steady() - last_round;
    int is_stopping;

    if (since < COLLECTING) {
        apr_sleep(COLLECTING - since);
    }
    nmdm_cond_lock(relay->cond);
    if (!relay->is_woken) {
        nmdm_cond_wait(relay->cond,
                       relay->is_stopping ? POLL / 10 : POLL);
    }
    relay->is_woken = 0;
    is_stopping = relay->is_stopping;
    nmdm_cond_unlock(relay->cond);
    return is_stopping;
}

static void *APR_THREAD_FUNC deliver(apr_thread_t *thread, void *data)
{
    nmdm_relay_t *relay = data;
    int is_stopping, under_way;
    apr_time_t last_round = 0;

    do {
        is_stopping = wait_for_work(relay, last_round);
        last_round = nmdm_time_steady();
        under_way = one_round(relay, is_stopping);
    } while (!is_stopping
             || (under_way && nmdm_time_steady() < relay->stop_at));
    (void)thread;
    return NULL;
}

/* ---- Start and stop ---- */

nmdm_err_t *nmdm_relay_create(nmdm_relay_t **out, apr_pool_t *pchild)
{
    nmdm_relay_t *relay = apr_pcalloc(pchild, sizeof(*relay));
    apr_allocator_t *allocator = NULL;
    char random[8];
    nmdm_bytes_t name = { random, sizeof(random) };
    apr_status_t rv;

    APR_RING_INIT(&relay->inbox, nmdm_delivery_event_t, link);
    rv = nmdm_cond_create(&relay->cond, pchild);
    if (rv == APR_SUCCESS) {
        rv = apr_allocator_create(&allocator);
    }
    if (rv == APR_SUCCESS) {
        /* Of its own, because the thread allocates from it. */
        rv = apr_pool_create_ex(&relay->pool, pchild, NULL, allocator);
        apr_allocator_owner_set(allocator, relay->pool);
    }
    if (rv != APR_SUCCESS || !nmdm_digest_random(random, sizeof(random))) {
        return nmdm_err(pchild, NMDM_INTERNAL, rv,
                        NMDMNO(1818) "cannot prepare the thread for webhook"
                        " events");
    }
    relay->receivers = apr_array_make(relay->pool, 4,
                                      sizeof(nmdm_delivery_t *));
    relay->lease = nmdm_hex(relay->pool, name);
    *out = relay;
    return NULL;
}

void nmdm_relay_add(nmdm_relay_t *relay, const nmdm_route_t *route)
{
    const nmdm_webhook_conf_t *webhook;
    int i;

    for (i = 0; i < route->webhooks->nelts; i++) {
        webhook = APR_ARRAY_IDX(route->webhooks, i,
                                const nmdm_webhook_conf_t *);
        APR_ARRAY_PUSH(relay->receivers, nmdm_delivery_t *)
            = nmdm_delivery_create(relay->pool, relay, relay->lease, route,
                                   webhook, &relay->long_under_way);
    }
}

nmdm_err_t *nmdm_relay_start(nmdm_relay_t *relay, apr_pool_t *pchild)
{
    apr_status_t rv = apr_thread_create(&relay->thread, NULL, deliver,
                                        relay, pchild);

    if (rv != APR_SUCCESS) {
        relay->thread = NULL; /* APR leaves what cannot be joined */
        return nmdm_err(pchild, NMDM_INTERNAL, rv, NMDMNO(1819)
                        "cannot start the thread for webhook events");
    }
    return NULL;
}

void nmdm_relay_stop(nmdm_relay_t *relay, apr_interval_time_t timeout)
{
    apr_status_t ended;

    nmdm_cond_lock(relay->cond);
    relay->is_stopping = 1;
    relay->stop_at = nmdm_time_steady() + timeout;
    nmdm_cond_signal(relay->cond);
    nmdm_cond_unlock(relay->cond);
    if (relay->thread) {
        apr_thread_join(&ended, relay->thread);
    }
}

/* ---- From other threads ---- */

void nmdm_relay_wake(nmdm_relay_t *relay)
{
    nmdm_cond_lock(relay->cond);
    relay->is_woken = 1;
    nmdm_cond_signal(relay->cond);
    nmdm_cond_unlock(relay->cond);
}

int nmdm_relay_is_full(nmdm_relay_t *relay, const char *target,
                       apr_size_t len)
{
    nmdm_delivery_t *receiver;
    int i;

    for (i = 0; i < relay->receivers->nelts; i++) {
        receiver = APR_ARRAY_IDX(relay->receivers, i, nmdm_delivery_t *);
        if (nmdm_delivery_is_full(receiver, target, len)) {
            return 1;
        }
    }
    return 0;
}

int nmdm_relay_is_long(nmdm_relay_t *relay, const char *target)
{
    int i;

    for (i = 0; i < relay->receivers->nelts; i++) {
        if (nmdm_delivery_is_long(APR_ARRAY_IDX(relay->receivers, i,
                                                nmdm_delivery_t *),
                                  target)) {
            return 1;
        }
    }
    return 0;
}

/* The URL may hold a password, so failures do not repeat it. */
void nmdm_relay_ended(const nmdm_exchange_t *x)
{
    nmdm_delivery_event_t *attempt = x->baton;
    nmdm_relay_t *relay = attempt->relay;

    attempt->status = x->status;
    apr_cpystrn(attempt->failure, x->failure ? x->failure : "no answer",
                sizeof(attempt->failure));
    nmdm_cond_lock(relay->cond);
    APR_RING_INSERT_TAIL(&relay->inbox, attempt, nmdm_delivery_event_t, link);
    relay->is_woken = 1;
    nmdm_cond_signal(relay->cond);
    nmdm_cond_unlock(relay->cond);
}
