/* SPDX-License-Identifier: Apache-2.0 */
/* http_client_parts.h -- what http_client.c and http_client_thread.c share. */

#ifndef NMDM_HTTP_CLIENT_PARTS_H
#define NMDM_HTTP_CLIENT_PARTS_H

#include "net/curl_transfer.h"
#include "net/http_client.h"

#include <apr_hash.h>
#include <apr_ring.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

/* The failure of what is not sent any more. */
#define NMDM_HTTP_CLIENT_STOPPING "the server is stopping"

typedef struct nmdm_http_job_t nmdm_http_job_t;
typedef struct nmdm_http_jobs_t nmdm_http_jobs_t;
APR_RING_HEAD(nmdm_http_jobs_t, nmdm_http_job_t);

/* A thread that waits in nmdm_http_client_run. */
typedef struct {
    apr_thread_cond_t *done;
    int left;                   /* jobs without an outcome */
} nmdm_http_caller_t;

/* Where posted exchanges go. Their addresses are configured, so there are few
 * and they are kept. */
typedef struct {
    int in_flight;
    nmdm_http_jobs_t ready;     /* whose turn within their order it is */
} nmdm_http_host_t;

struct nmdm_http_job_t {
    APR_RING_ENTRY(nmdm_http_job_t) link; /* inbox, ready or in flight */
    nmdm_http_client_t *client;
    nmdm_curl_transfer_t transfer;      /* its pool: all of a posted job's */
    apr_interval_time_t timeout;
    apr_time_t until;           /* on the steady clock */
    nmdm_http_caller_t *caller; /* NULL: posted */

    /* Posted ones: those of one order are a chain that begins with its first
     * one. */
    const char *order;
    nmdm_http_host_t *host;
    nmdm_http_job_t *next, *last;
};

struct nmdm_http_client_t {
    nmdm_http_client_conf_t conf;
    nmdm_curl_transfers_t *transfers;
    apr_thread_t *thread;

    apr_thread_mutex_t *lock;   /* guards these, and each caller_t */
    nmdm_http_jobs_t inbox;
    int waiting;                /* posted, not yet in flight */
    apr_size_t waiting_bytes;
    int is_stopping;
    apr_time_t stop_at;         /* on the steady clock */
    apr_time_t shorten_to;      /* likewise, for callers; 0: no limit */

    /* the thread's own */
    apr_pool_t *pool;
    nmdm_http_jobs_t in_flight;
    int posted_in_flight;
    apr_hash_t *orders;         /* order -> the first of its chain */
    apr_hash_t *hosts;          /* scheme and authority -> host_t */
};

/* The thread; data is the client. */
void *APR_THREAD_FUNC nmdm_http_client_thread(apr_thread_t *thread,
                                              void *data);

/* Gives x an outcome without an answer; failure lives as long as x. */
void nmdm_http_client_fail(nmdm_exchange_t *x, apr_pool_t *p,
                           const char *failure);

#endif /* NMDM_HTTP_CLIENT_PARTS_H */
