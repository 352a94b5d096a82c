/* SPDX-License-Identifier: Apache-2.0 */
/* event.h -- events: what a webhook receiver gets about a message. */

#ifndef NMDM_EVENT_H
#define NMDM_EVENT_H

#include "net/exchange.h"
#include "mdm/message.h"

/* One receiver. */
typedef struct nmdm_webhook_conf_t {
    const char *url;
    const char *key;            /* signs what is sent, or NULL */
    unsigned topics;            /* of nmdm_event_topic: what it gets */
    int redacts;                /* are secrets taken out of raw_payload? */
    const char *target;         /* nmdm_event_target of the URL */
} nmdm_webhook_conf_t;

/* Every topic; and those that are sent by default where each costs a row. */
#define NMDM_WEBHOOK_ALL 0xFFFFu
#define NMDM_WEBHOOK_DURABLE (NMDM_WEBHOOK_ALL & ~NMDM_WEBHOOK_IDLE)
#define NMDM_WEBHOOK_IDLE 1u    /* polls: reports with Status Idle */

/* What a name of NanoMDMWebhookTopics means, 0 when it is none: "all",
 * "mdm.Authenticate" and so on, "mdm.Connect" for reports on commands,
 * "mdm.Connect:Idle" for polls, "mdm.DeclarativeManagement:status" for the
 * status reports that are part of "mdm.DeclarativeManagement". */
unsigned nmdm_event_topic(const char *name);

/* A name for a URL that is the same on every server and shows neither
 * password nor path: https://host:port#12345678. */
const char *nmdm_event_target(apr_pool_t *p, const char *url);

/* What the message itself does not say. */
typedef struct {
    const char *event_id;       /* the request's trace ID */
    apr_time_t created_at;
    apr_time_t deadline;
    long tally;                 /* after this TokenUpdate; -1: not known */
    const apr_table_t *params;  /* of the query, or NULL */
    const char *traceparent;    /* of the request, or NULL */
    int has_no_payload;         /* raw_payload is empty */
    nmdm_shared_pool_t *raw_pool;       /* where msg->raw lives, or NULL */
} nmdm_webhook_facts_t;

/* The parameters of a query string (NULL: none), names as they are: of names
 * that repeat the first one counts, and what cannot be decoded is left out
 * (behaviour specification 1.5). */
apr_table_t *nmdm_event_params(apr_pool_t *p, const char *query);

/* Does this receiver get this message? */
int nmdm_event_wants(const nmdm_webhook_conf_t *conf,
                     const nmdm_msg_t *msg);

/* The topic of a message's event. */
const char *nmdm_event_topic_of(apr_pool_t *p, const nmdm_msg_t *msg);

/* The event itself: sets body, payload, payload_pool and rest of x, nothing
 * else. They live as long as p and msg. */
void nmdm_event_write(nmdm_exchange_t *x, apr_pool_t *p,
                      const nmdm_webhook_conf_t *conf, const nmdm_msg_t *msg,
                      const nmdm_webhook_facts_t *facts);

/* What nmdm_event_write wrote, in one piece. */
nmdm_bytes_t nmdm_event_text(apr_pool_t *p, const nmdm_exchange_t *x);

/* Sets body and rest of x to what is around the payload in such a text, whose
 * own raw_payload is empty. 0 where it has none. */
int nmdm_event_split(nmdm_exchange_t *x, nmdm_bytes_t json);

/* Fills in the rest of x, the request that brings an event to a receiver; what
 * is sent is there already. traceparent may be NULL. It lives as long as p and
 * conf do. */
void nmdm_event_request(nmdm_exchange_t *x, apr_pool_t *p,
                        const nmdm_webhook_conf_t *conf,
                        const char *traceparent, apr_time_t deadline);

/* Both: the event of a check-in or a report, to be posted. */
void nmdm_event_make(nmdm_exchange_t *x, apr_pool_t *p,
                     const nmdm_webhook_conf_t *conf,
                     const nmdm_msg_t *msg,
                     const nmdm_webhook_facts_t *facts);

#endif /* NMDM_EVENT_H */
