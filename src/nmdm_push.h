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

typedef struct {
    const char *apns_id;        /* or NULL */
    const char *error;          /* as NanoMDM's clients know it (behaviour
                                 * specification 7.2); NULL: success */
    const char *reason;         /* APNs' own word, such as Unregistered; "" */
    int is_refusal;             /* the same push would be refused again */
} nmdm_push_outcome_t;

void nmdm_push_outcome(nmdm_push_outcome_t *outcome, apr_pool_t *p,
                       const nmdm_exchange_t *x);

#endif /* NMDM_PUSH_H */
