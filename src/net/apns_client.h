/* SPDX-License-Identifier: Apache-2.0 */
/* apns_client.h -- outbound HTTP/2 to APNs: a thread, one connection for each
 * push certificate, hundreds of requests at once on it. */

#ifndef NMDM_APNS_CLIENT_H
#define NMDM_APNS_CLIENT_H

#include "net/exchange.h"

typedef struct {
    const char *ca_pem;         /* PEM to verify the server, NULL: system's */
    const char *proxy;          /* http://host:port for CONNECT, or NULL */
} nmdm_apns_client_conf_t;

/* Starts the thread; it is joined when `nmdm_apns_client_stop` is called,
 * which the caller registers as a pre-cleanup of its pool. */
nmdm_err_t *nmdm_apns_client_start(nmdm_apns_client_t **out, apr_pool_t *pchild,
                                   const nmdm_apns_client_conf_t *conf);

/* Ends the thread; what is pending fails, as does what is run after it. At
 * most a second, unless a name server keeps the thread waiting. */
void nmdm_apns_client_stop(nmdm_apns_client_t *apns);

/* Sends all n exchanges and returns when each has an outcome, at the latest at
 * their deadlines. Memory of the replies comes from p. Of each reply there are
 * the first 4 KB and the headers apns-id, apns-unique-id and retry-after. Any
 * number of threads may call it. */
void nmdm_apns_client_run(nmdm_apns_client_t *apns,
                          nmdm_exchange_t **exchanges, int n, apr_pool_t *p);

#endif /* NMDM_APNS_CLIENT_H */
