/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_push.h -- APNs requests and outcomes, without the network (Apple's
 * "Sending notification requests to APNs"). */

#ifndef NMDM_PUSH_H
#define NMDM_PUSH_H

#include "nmdm_exchange.h"
#include "nmdm_store.h"

/* What the push directives say. */
typedef struct nmdm_push_conf_t {
    const char *url;            /* scheme, host and port of APNs */
    apr_time_t expiration;      /* seconds after which APNs drops it, 0: ever */
    apr_interval_time_t timeout;        /* of one call, retries included */
} nmdm_push_conf_t;

/* Fills in the request that wakes up a device. Everything it points to lives
 * as long as its arguments and p. */
void nmdm_push_request(nmdm_exchange_t *x, apr_pool_t *p,
                       const nmdm_push_conf_t *conf, apr_time_t now,
                       const nmdm_push_info_t *info, const char *cert_pem,
                       const char *key_pem);

/* What became of it: *apns_id may be NULL, the error is NULL for success and
 * else the text that NanoMDM's clients know (behaviour specification 7.2). */
void nmdm_push_outcome(const char **apns_id, const char **error,
                       apr_pool_t *p, const nmdm_exchange_t *x);

#endif /* NMDM_PUSH_H */
