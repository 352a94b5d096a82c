/* SPDX-License-Identifier: Apache-2.0 */
/* apns_endpoint.h -- endpoints of pushes: a server, and the identity that
 * is shown to it. The upper part of net/apns_client.c, below its inbox: all is
 * for its thread alone. */

#ifndef NMDM_APNS_ENDPOINT_H
#define NMDM_APNS_ENDPOINT_H

#include "net/h2_session.h"

#include <apr_poll.h>
#include <apr_ring.h>

/* So many connections at once, of all endpoints. */
#define NMDM_APNS_ENDPOINT_LINKS 64

typedef struct nmdm_apns_endpoints_t nmdm_apns_endpoints_t;
typedef struct nmdm_apns_endpoint_t nmdm_apns_endpoint_t;

/* A stream that is tried until it has an outcome or its deadline is over. */
typedef struct nmdm_apns_push_t {
    nmdm_stream_t stream;       /* first: the session hands it back; is_whole:
                                 * the outcome is an answer */
    char failure[NMDM_FAILURE_MOST];    /* "" or of the last try */
    void *owner;                /* the caller's */

    /* the endpoint's own */
    APR_RING_ENTRY(nmdm_apns_push_t) link;
    nmdm_apns_endpoint_t *endpoint;
    int tries;                  /* that the server answered or reset */
    apr_time_t rest_until;
} nmdm_apns_push_t;

/* Called once for each push that was enqueued, when it has its outcome; the
 * push is not looked at again. */
typedef void (*nmdm_apns_endpoint_ended_fn)(nmdm_apns_push_t *push);

typedef struct {
    const char *ca_pem;         /* as nmdm_h2_session_conf_t has them */
    const char *proxy;
    apr_pollset_t *pollset;     /* for NMDM_APNS_ENDPOINT_LINKS; its wake-up
                                 * ends nmdm_apns_endpoints_wait */
    nmdm_apns_endpoint_ended_fn ended;
} nmdm_apns_endpoints_conf_t;

/* In p, the thread's own pool, as are the endpoints and their sessions. */
nmdm_err_t *nmdm_apns_endpoints_create(nmdm_apns_endpoints_t **out,
                                       apr_pool_t *p,
                                       const nmdm_apns_endpoints_conf_t *conf);

/* Takes a push with its stream filled in by the owner, and gives it to its
 * endpoint, which is made if need be. */
void nmdm_apns_endpoints_enqueue(nmdm_apns_endpoints_t *endpoints,
                                 nmdm_apns_push_t *push);

/* Does all that can be done now: connects, sends, repeats, gives up. */
void nmdm_apns_endpoints_serve(nmdm_apns_endpoints_t *endpoints);

/* Waits until there is something to do, and reads what was received. */
void nmdm_apns_endpoints_wait(nmdm_apns_endpoints_t *endpoints);

/* Closes all sessions; every push that has no outcome fails. */
void nmdm_apns_endpoints_end(nmdm_apns_endpoints_t *endpoints);

#endif /* NMDM_APNS_ENDPOINT_H */
