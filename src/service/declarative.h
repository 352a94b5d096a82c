/* SPDX-License-Identifier: Apache-2.0 */
/* declarative.h -- declarative management: what to ask of the server that does
 * it, and what to make of its answer. */

#ifndef NMDM_DECLARATIVE_H
#define NMDM_DECLARATIVE_H

#include "base/context.h"

struct nmdm_exchange_t;
struct nmdm_msg_t;

typedef struct nmdm_declarative_conf_t {
    const char *url;            /* the base of all endpoints */
    const char *send_key;       /* signs what is sent, or NULL */
    const char *receive_key;    /* must have signed the request, or NULL */
} nmdm_declarative_conf_t;

/* Fills in x, which lives as long as p, conf and msg do, and which the caller
 * gives a deadline. NMDM_INVALID, and nothing is to be sent, when the message
 * asks for what is not below the base, or when its id is not fit for a
 * header. */
nmdm_err_t *nmdm_declarative_request(struct nmdm_exchange_t *x, apr_pool_t *p,
                                     const nmdm_declarative_conf_t *conf,
                                     const struct nmdm_msg_t *msg,
                                     const char *trace_id);

/* Makes the device's answer from x's outcome; the reply has x's memory.
 * NMDM_NOT_FOUND and NMDM_INVALID are for the device, any other error is the
 * DM server's and NMDM_UPSTREAM. */
nmdm_err_t *nmdm_declarative_answer(nmdm_reply_t *reply, apr_pool_t *p,
                                    const nmdm_declarative_conf_t *conf,
                                    const struct nmdm_msg_t *msg,
                                    const struct nmdm_exchange_t *x);

/* The URL of a device's endpoint (NULL: none) below base. The device may name
 * a relative path with or without a query, and nothing else that a URL
 * reference could be (behaviour specification 2.9): the request's contents are
 * meant for that server alone. Returns why it is refused, or NULL. */
const char *nmdm_declarative_url(const char **url, apr_pool_t *p,
                                 const char *base, const char *endpoint);

/* Whether a segment of a path that is decoded is "." or "..". */
int nmdm_declarative_has_dot_segment(const char *path);

#endif /* NMDM_DECLARATIVE_H */
