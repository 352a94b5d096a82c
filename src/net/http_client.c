/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.c -- outbound HTTP for webhooks, declarative management and
 * escrow unlock: what callers do, and the start and end of the thread.
 *
 * A caller puts jobs into the inbox and wakes the thread. From then on they
 * are the thread's, until it gives each its outcome: a job that is waited for
 * is then its caller's again, a posted one is freed. */

#include "net/http_client.h"
#include "base/time.h"
#include "net/curl_transfer.h"
#include "net/http_client_parts.h"

#include <apr_hash.h>
#include <apr_ring.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

/* Bodies that wait: a receiver that hangs must not cost all memory. */
#define MAX_WAITING_BYTES ((apr_size_t)64 * 1024 * 1024)

/* ---- Start and stop ---- */

/* The thread's pool is destroyed by nmdm_http_client_stop and not with pchild,
 * whose subpools end before it is joined. */
static apr_status_t make_tools(nmdm_http_client_t *client, apr_pool_t *pchild)
{
    apr_status_t rv;

    APR_RING_INIT(&client->inbox, nmdm_http_job_t, link);
    APR_RING_INIT(&client->in_flight, nmdm_http_job_t, link);
    rv = apr_thread_mutex_create(&client->lock, APR_THREAD_MUTEX_DEFAULT,
                                 pchild);
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create_unmanaged_ex(&client->pool, NULL, NULL);
    }
    if (rv == APR_SUCCESS) {
        client->orders = apr_hash_make(client->pool);
        client->hosts = apr_hash_make(client->pool);
    }
    return rv;
}

nmdm_err_t *nmdm_http_client_start(nmdm_http_client_t **out,
                                   apr_pool_t *pchild,
                                   const nmdm_http_client_conf_t *conf)
{
    nmdm_http_client_t *client = apr_pcalloc(pchild, sizeof(*client));
    apr_status_t rv;

    client->conf = *conf;
    rv = make_tools(client, pchild);
    if (rv != APR_SUCCESS) {
        return nmdm_err(pchild, NMDM_INTERNAL, rv,
                        NMDMNO(1701) "no memory for outbound HTTP");
    }
    client->transfers = nmdm_curl_transfers_open(pchild, conf->ca_pem,
                                                 conf->max_reply);
    if (!client->transfers) {
        apr_pool_destroy(client->pool);
        return nmdm_err(pchild, NMDM_INTERNAL, APR_EGENERAL,
                        NMDMNO(1702) "libcurl does not start");
    }
    rv = apr_thread_create(&client->thread, NULL, nmdm_http_client_thread,
                           client, pchild);
    if (rv != APR_SUCCESS) {
        nmdm_curl_transfers_close(client->transfers);
        apr_pool_destroy(client->pool);
        return nmdm_err(pchild, NMDM_INTERNAL, rv,
                        NMDMNO(1703) "cannot start the thread for outbound"
                        " HTTP");
    }
    *out = client;
    return NULL;
}

void nmdm_http_client_shorten_deadlines(nmdm_http_client_t *client,
                                        apr_interval_time_t timeout)
{
    apr_thread_mutex_lock(client->lock);
    if (!client->is_stopping) {
        client->shorten_to = nmdm_time_steady() + timeout;
        nmdm_curl_transfers_wake(client->transfers);
    }
    apr_thread_mutex_unlock(client->lock);
}

void nmdm_http_client_stop(nmdm_http_client_t *client,
                           apr_interval_time_t timeout)
{
    int was_stopping;
    apr_status_t ended;

    apr_thread_mutex_lock(client->lock);
    was_stopping = client->is_stopping;
    if (!was_stopping) {
        client->is_stopping = 1;
        client->stop_at = nmdm_time_steady() + timeout;
        nmdm_curl_transfers_wake(client->transfers);
    }
    apr_thread_mutex_unlock(client->lock);
    if (!was_stopping) {
        apr_thread_join(&ended, client->thread);
        nmdm_curl_transfers_close(client->transfers);
        apr_pool_destroy(client->pool);
    }
}

/* ---- Asking ---- */

static nmdm_http_job_t *make_job(nmdm_http_client_t *client,
                                 nmdm_exchange_t *x, apr_pool_t *p)
{
    nmdm_http_job_t *job = apr_pcalloc(p, sizeof(*job));

    APR_RING_ELEM_INIT(job, link);
    job->client = client;
    job->timeout = x->deadline - nmdm_time_steady();
    job->until = x->deadline;
    job->transfer.x = x;
    job->transfer.pool = p;
    job->transfer.owner = job;
    return job;
}

/* With the lock held: until a stop begins, the thread is
 * there. It is awake already when there was work for it. */
static void put_in_inbox(nmdm_http_client_t *client, nmdm_http_job_t *job)
{
    int was_empty = APR_RING_EMPTY(&client->inbox, nmdm_http_job_t, link);

    APR_RING_INSERT_TAIL(&client->inbox, job, nmdm_http_job_t, link);
    if (was_empty) {
        nmdm_curl_transfers_wake(client->transfers);
    }
}

/* A pool that ends with p and that the thread may use in the meantime. */
static apr_pool_t *make_subpool(apr_pool_t *p)
{
    apr_allocator_t *allocator;
    apr_pool_t *sub;

    apr_allocator_create(&allocator);
    apr_pool_create_ex(&sub, p, NULL, allocator);
    apr_allocator_owner_set(allocator, sub);
    return sub;
}

void nmdm_http_client_run(nmdm_http_client_t *client,
                          nmdm_exchange_t **exchanges, int n, apr_pool_t *p)
{
    apr_pool_t *sub = make_subpool(p);
    nmdm_http_caller_t caller = { NULL, 0 };
    int i;

    apr_thread_cond_create(&caller.done, sub);
    apr_thread_mutex_lock(client->lock);
    for (i = 0; i < n; i++) {
        nmdm_http_job_t *job;

        if (client->is_stopping) {
            nmdm_http_client_fail(exchanges[i], p, NMDM_HTTP_CLIENT_STOPPING);
            continue;
        }
        job = make_job(client, exchanges[i], sub);
        job->caller = &caller;
        caller.left++;
        put_in_inbox(client, job);
    }
    while (caller.left) {
        apr_thread_cond_wait(caller.done, client->lock);
    }
    apr_thread_mutex_unlock(client->lock);
}

static nmdm_bytes_t copy_of_bytes(nmdm_bytes_t bytes, apr_pool_t *p)
{
    return (nmdm_bytes_t){
        bytes.len ? apr_pstrmemdup(p, bytes.data, bytes.len) : "", bytes.len
    };
}

static nmdm_exchange_t *copy_of(const nmdm_exchange_t *x, apr_pool_t *p)
{
    nmdm_exchange_t *copy = apr_pcalloc(p, sizeof(*copy));

    copy->method = apr_pstrdup(p, x->method);
    copy->url = apr_pstrdup(p, x->url);
    copy->headers = x->headers ? apr_table_clone(p, x->headers) : NULL;
    copy->body = copy_of_bytes(x->body, p);
    copy->payload = x->payload_pool ? x->payload
                                    : copy_of_bytes(x->payload, p);
    copy->rest = copy_of_bytes(x->rest, p);
    if (x->payload_pool) {
        nmdm_shared_pool_hold(x->payload_pool, p);
    }
    copy->cert_pem = apr_pstrdup(p, x->cert_pem);
    copy->key_pem = apr_pstrdup(p, x->key_pem);
    copy->deadline = x->deadline;
    copy->about = apr_pstrdup(p, x->about);
    copy->baton = x->baton;
    return copy;
}

/* With the lock held. */
static nmdm_err_t *enter_queue(nmdm_http_client_t *client,
                               const nmdm_http_job_t *job, apr_pool_t *p)
{
    apr_size_t bytes = client->waiting_bytes
        + nmdm_exchange_length(job->transfer.x);

    if (client->is_stopping) {
        return nmdm_err(p, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(1704) "%s: not sent: %s", job->order,
                        NMDM_HTTP_CLIENT_STOPPING);
    }
    if (client->waiting >= client->conf.max_queue
        || (client->waiting && bytes > MAX_WAITING_BYTES)) {
        return nmdm_err(p, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(1705) "%s: not sent: %d others with %"
                        APR_SIZE_T_FMT " bytes wait already", job->order,
                        client->waiting, client->waiting_bytes);
    }
    client->waiting++;
    client->waiting_bytes = bytes;
    return NULL;
}

nmdm_err_t *nmdm_http_client_post(nmdm_http_client_t *client,
                                  const char *order, const nmdm_exchange_t *x,
                                  apr_pool_t *p)
{
    apr_pool_t *own;
    nmdm_err_t *err;
    nmdm_http_job_t *job;
    apr_status_t rv;

    rv = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (rv != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, rv,
                        NMDMNO(1706) "%s: not sent: no memory", order);
    }
    job = make_job(client, copy_of(x, own), own);
    job->order = apr_pstrdup(own, order);
    job->transfer.drops_reply = 1;      /* many may come at once */
    apr_thread_mutex_lock(client->lock);
    err = enter_queue(client, job, p);
    if (!err) {
        put_in_inbox(client, job);
    }
    apr_thread_mutex_unlock(client->lock);
    if (err) {
        apr_pool_destroy(own);
    }
    return err;
}
