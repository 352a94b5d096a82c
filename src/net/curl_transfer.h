/* SPDX-License-Identifier: Apache-2.0 */
/* curl_transfer.h -- HTTP transfers by libcurl, for the thread of
 * net/http_client.c: how one request is sent and its reply is read. */

#ifndef NMDM_CURL_TRANSFER_H
#define NMDM_CURL_TRANSFER_H

#include "net/exchange.h"

/* The transfers of one thread: its connections and what they share. Only
 * nmdm_curl_transfers_wake may be called by another thread. */
typedef struct nmdm_curl_transfers_t nmdm_curl_transfers_t;

/* Connections to one host at the same time. */
#define NMDM_CURL_TRANSFERS_PER_HOST 8

/* One exchange on its way. The owner sets the first group to what it wants
 * and all else to zero, and keeps it in place until the transfer has ended. */
typedef struct {
    nmdm_exchange_t *x;
    apr_pool_t *pool;           /* of the reply, used by the thread */
    void *owner;                /* handed through */
    int drops_reply;            /* its body is read, and not kept */

    nmdm_curl_transfers_t *all;
    void *easy;
    char *data;
    apr_size_t len, room, header_bytes;
    apr_size_t sent;            /* bytes of a body that is read in parts */
    const char *refusal;        /* why we would not read on */
    char error[256];
} nmdm_curl_transfer_t;

/* In p, whose end does not end it. ca_pem (NULL: the system's) and max_reply
 * are those of nmdm_http_client_conf_t. NULL when libcurl does not start; to
 * be called after the fork. */
nmdm_curl_transfers_t *nmdm_curl_transfers_open(apr_pool_t *p,
                                                const char *ca_pem,
                                                apr_size_t max_reply);
void nmdm_curl_transfers_close(nmdm_curl_transfers_t *all);

/* Begins t, which gives up when there is no connection after ten seconds;
 * nothing else in it watches the time. A connection that was used before may
 * turn out to be closed; libcurl then sends the request again on another.
 * Returns why t could not begin, or NULL. */
const char *nmdm_curl_transfer_begin(nmdm_curl_transfers_t *all,
                                     nmdm_curl_transfer_t *t);

/* Breaks off a transfer that has begun. Returns its progress, one line for the
 * log, if time was the reason. */
const char *nmdm_curl_transfer_break_off(nmdm_curl_transfer_t *t);

/* Moves all transfers on as far as they can go now. */
void nmdm_curl_transfers_work(nmdm_curl_transfers_t *all);

/* A transfer that has ended, or NULL when there is no further one. Its
 * exchange has status, headers and reply, or else *failure says why not; that
 * text is of the transfer's pool. */
nmdm_curl_transfer_t *nmdm_curl_transfers_ended(nmdm_curl_transfers_t *all,
                                                const char **failure);

/* Waits until there is work, a wake-up, or the time is over. */
void nmdm_curl_transfers_wait(nmdm_curl_transfers_t *all, int ms);
void nmdm_curl_transfers_wake(nmdm_curl_transfers_t *all);

#endif /* NMDM_CURL_TRANSFER_H */
