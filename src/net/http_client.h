/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h -- outbound HTTP for webhooks, declarative management and
 * escrow unlock: a thread apart from that for APNs. */

#ifndef NMDM_HTTP_CLIENT_H
#define NMDM_HTTP_CLIENT_H

#include "net/exchange.h"

/* Called for each exchange that was posted, by the thread, which must not be
 * kept waiting. It has status and headers; the reply's body is not kept. */
typedef void (*nmdm_http_client_ended_fn)(void *baton,
                                          const nmdm_exchange_t *x);

typedef struct {
    const char *ca_pem;         /* PEM to verify servers, NULL: system's */
    apr_size_t max_reply;       /* bytes; longer replies are a failure */
    int max_queue;              /* posted exchanges that may wait */
    nmdm_http_client_ended_fn ended; /* may be NULL */
    void *baton;
} nmdm_http_client_conf_t;

/* Starts the thread, which ends before pchild does. *out may be used by any
 * number of threads. NMDM_INTERNAL when there is no thread. */
nmdm_err_t *nmdm_http_client_start(nmdm_http_client_t **out, apr_pool_t *pchild,
                                   const nmdm_http_client_conf_t *conf);

/* A caller of nmdm_http_client_run, now or later, waits no longer than
 * until `timeout` has passed from now. */
void nmdm_http_client_shorten_deadlines(nmdm_http_client_t *client,
                                        apr_interval_time_t timeout);

/* Ends the thread: what is posted is given until `timeout` to be sent, then
 * it and what is waited for fails. */
void nmdm_http_client_stop(nmdm_http_client_t *client,
                           apr_interval_time_t timeout);

/* Sends all n exchanges and waits for each, at the latest until its deadline.
 * Memory of the replies comes from p. */
void nmdm_http_client_run(nmdm_http_client_t *client,
                          nmdm_exchange_t **exchanges, int n, apr_pool_t *p);

/* Copies x and returns at once. Exchanges of one `order` (an enrollment id)
 * are sent one after the other, in the order posted; each has the time to its
 * deadline again from when it is sent. An error when too many wait already. */
nmdm_err_t *nmdm_http_client_post(nmdm_http_client_t *client, const char *order,
                                  const nmdm_exchange_t *x, apr_pool_t *p);

#endif /* NMDM_HTTP_CLIENT_H */
