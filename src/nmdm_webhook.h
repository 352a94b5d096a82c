/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_webhook.h -- events: what a webhook receiver is told of a message. */

#ifndef NMDM_WEBHOOK_H
#define NMDM_WEBHOOK_H

#include "nmdm_exchange.h"
#include "nmdm_message.h"

typedef struct nmdm_webhook_conf_t {
    const char *url;
    const char *key;            /* signs what is sent, or NULL */
} nmdm_webhook_conf_t;

/* What the message itself does not say. */
typedef struct {
    const char *event_id;       /* the request's trace ID */
    apr_time_t created_at;
    apr_time_t deadline;
    long tally;                 /* after this TokenUpdate; -1: not known */
    const apr_table_t *params;  /* of the query, or NULL */
} nmdm_webhook_facts_t;

/* The parameters of a query string (NULL: none), names as they are: of names
 * that repeat the first one counts, and what cannot be decoded is left out
 * (behaviour specification 1.5). */
apr_table_t *nmdm_webhook_params(apr_pool_t *p, const char *query);

/* Fills in x: the event of a check-in or a report, to be posted. It lives as
 * long as p, conf and msg do. */
void nmdm_webhook_event(nmdm_exchange_t *x, apr_pool_t *p,
                        const nmdm_webhook_conf_t *conf,
                        const nmdm_msg_t *msg,
                        const nmdm_webhook_facts_t *facts);

#endif /* NMDM_WEBHOOK_H */
