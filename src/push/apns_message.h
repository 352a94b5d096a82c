/* SPDX-License-Identifier: Apache-2.0 */
/* apns_message.h -- APNs requests and outcomes, without the network (Apple's
 * "Sending notification requests to APNs"). */

#ifndef NMDM_APNS_MESSAGE_H
#define NMDM_APNS_MESSAGE_H

#include "base/context.h"

struct nmdm_exchange_t;
struct nmdm_push_info_t;

/* What the push directives say. */
typedef struct nmdm_push_conf_t {
    const char *url;            /* scheme, host and port of APNs */
    apr_time_t expiration;      /* seconds after which APNs drops it, 0: ever */
    apr_interval_time_t timeout;        /* of one call, retries included */
    apr_interval_time_t wait;   /* of a caller who needs the thread */
    int repeats;                /* when a device stays silent? */
} nmdm_push_conf_t;

/* What the requests of one topic and one time have in common. */
typedef struct {
    const apr_table_t *headers;
    const char *cert_pem, *key_pem;
} nmdm_push_topic_t;

/* Everything that is filled in lives as long as the arguments and p. */
void nmdm_apns_message_topic(nmdm_push_topic_t *out, apr_pool_t *p,
                             const nmdm_push_conf_t *conf, apr_time_t now,
                             const char *topic, const char *cert_pem,
                             const char *key_pem);

/* Fills in the request that wakes up a device, but for its deadline. */
void nmdm_apns_message_request(struct nmdm_exchange_t *x, apr_pool_t *p,
                               const nmdm_push_conf_t *conf,
                               const nmdm_push_topic_t *topic,
                               const struct nmdm_push_info_t *info);

typedef struct {
    const char *apns_id;        /* or NULL */
    const char *error;          /* as NanoMDM's clients know it (behaviour
                                 * specification 7.2); NULL: success */
    const char *reason;         /* APNs' own word, such as Unregistered; "" */
    int is_refusal;             /* the same push would be refused again */
} nmdm_push_outcome_t;

/* What APNs answered to an exchange that has ended, by its status and reason
 * (Apple, "Handling notification responses from APNs"); text is in p. */
void nmdm_apns_message_outcome(nmdm_push_outcome_t *outcome, apr_pool_t *p,
                               const struct nmdm_exchange_t *x);

#endif /* NMDM_APNS_MESSAGE_H */
