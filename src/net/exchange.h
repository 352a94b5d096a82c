/* SPDX-License-Identifier: Apache-2.0 */
/* exchange.h -- one HTTP request to another machine and its outcome: what
 * net/apns_client.c and net/http_client.c send. */

#ifndef NMDM_EXCHANGE_H
#define NMDM_EXCHANGE_H

#include "base/context.h"
#include "base/shared_pool.h"

typedef struct nmdm_exchange_t {
    /* set by the caller */
    const char *method, *url;           /* url: scheme, host, port, path */
    const apr_table_t *headers;         /* or NULL */
    nmdm_bytes_t body;
    /* What is sent after body, or { NULL, 0 }: this in base64, then the rest.
     * So a large payload is in memory once, whatever number of webhooks. */
    nmdm_bytes_t payload, rest;
    nmdm_shared_pool_t *payload_pool;   /* where payload lives; NULL: a post
                                         * copies it */
    const char *cert_pem, *key_pem;     /* TLS identity, or NULL */
    int reads_reply;                    /* asks for a reply without a
                                         * Content-Encoding, and undoes one
                                         * that is there all the same */
    apr_time_t deadline;                /* on the steady clock; retries
                                         * included */
    const char *about;                  /* whose it is, for logs, or NULL */
    void *baton;                        /* the caller's own */

    /* set by the thread that sent it */
    int status;                         /* 0: no answer, see failure */
    apr_table_t *reply_headers;         /* names in lower case */
    nmdm_bytes_t reply;
    const char *failure;                /* one line, or NULL */
} nmdm_exchange_t;

/* The length of what is sent in bytes: body, payload and rest. */
apr_size_t nmdm_exchange_length(const nmdm_exchange_t *x);

/* Copies up to room bytes of what is sent, beginning with byte `from`. Returns
 * how many, which may be fewer than are left; 0 at the end. */
apr_size_t nmdm_exchange_read(const nmdm_exchange_t *x, char *to,
                              apr_size_t room, apr_size_t from);

#endif /* NMDM_EXCHANGE_H */
