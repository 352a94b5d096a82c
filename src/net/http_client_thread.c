/* SPDX-License-Identifier: Apache-2.0 */
/* http_client_thread.c -- the thread of the HTTP client: its jobs from the
 * inbox to their outcome.
 *
 * Time is kept here: the thread waits for nothing but its transfers, so a
 * caller's wait ends at the deadline of what it asked for. */

#include "net/http_client_parts.h"
#include "base/time.h"
#include "net/curl_transfer.h"
#include "net/http_client.h"

#include <apr_hash.h>
#include <apr_ring.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include <string.h>

enum {
    MAX_POSTED = 50,            /* posted exchanges in flight */
    /* A webhook receiver that hangs must not take the connections that
     * declarative management wants, often to the same host. */
    MAX_POSTED_PER_HOST = NMDM_CURL_TRANSFERS_PER_HOST - 2,
    IDLE_MS = 60000
};

/* ---- Outcomes ---- */

static void hand_back(nmdm_http_job_t *job)
{
    apr_thread_mutex_t *lock = job->client->lock;
    nmdm_http_caller_t *caller = job->caller;

    apr_thread_mutex_lock(lock);
    if (!--caller->left) {
        apr_thread_cond_signal(caller->done);
    }
    apr_thread_mutex_unlock(lock);
}

/* The next of this order has its turn. The hash keeps the key with which an
 * entry was made, and that one ends with this job. */
static void let_next_one(nmdm_http_job_t *job)
{
    apr_hash_t *orders = job->client->orders;
    nmdm_http_job_t *next = job->next;

    apr_hash_set(orders, job->order, APR_HASH_KEY_STRING, NULL);
    if (next) {
        next->last = job->last;
        apr_hash_set(orders, next->order, APR_HASH_KEY_STRING, next);
        APR_RING_INSERT_TAIL(&next->host->ready, next, nmdm_http_job_t, link);
    }
}

void nmdm_http_client_fail(nmdm_exchange_t *x, apr_pool_t *p,
                           const char *failure)
{
    x->failure = failure;
    x->status = 0;
    x->reply.data = "";
    x->reply.len = 0;
    x->reply_headers = apr_table_make(p, 1);
}

/* Lets go of a job that has its outcome and is in no ring: it succeeded, or
 * failure says why not. */
static void settle(nmdm_http_job_t *job, const char *failure)
{
    nmdm_http_client_conf_t *conf = &job->client->conf;
    nmdm_exchange_t *x = job->transfer.x;

    x->failure = NULL;
    if (failure) {
        nmdm_http_client_fail(x, job->transfer.pool, failure);
    }
    if (job->caller) {
        hand_back(job);
        return;
    }
    if (conf->ended) {
        conf->ended(conf->baton, x);
    }
    let_next_one(job);
    apr_pool_destroy(job->transfer.pool);
}

static void leave_flight(nmdm_http_job_t *job)
{
    APR_RING_REMOVE(job, link);
    if (!job->caller) {
        job->host->in_flight--;
        job->client->posted_in_flight--;
    }
}

static void take_outcomes(nmdm_http_client_t *client)
{
    nmdm_curl_transfer_t *transfer;
    const char *failure;

    while (
        (transfer = nmdm_curl_transfers_ended(client->transfers, &failure))) {
        leave_flight(transfer->owner);
        settle(transfer->owner, failure);
    }
}

static void end_late_ones(nmdm_http_client_t *client, apr_time_t now)
{
    nmdm_http_job_t *job, *next;

    APR_RING_FOREACH_SAFE(job, next, &client->in_flight, nmdm_http_job_t, link)
    {
        if (job->until <= now) {
            leave_flight(job);
            settle(job, nmdm_curl_transfer_break_off(&job->transfer));
        }
    }
}

/* ---- Taking off ---- */

/* Sends a job that is in no ring. */
static void launch(nmdm_http_job_t *job, apr_time_t now)
{
    nmdm_http_client_t *client = job->client;
    const char *failure;

    if (!job->caller) {
        /* Time spent waiting for others is not the receiver's. */
        job->until = now + job->timeout;
        job->transfer.x->deadline = job->until;
    }
    if (job->until <= now) {
        settle(job, "not sent in time");
        return;
    }
    failure = nmdm_curl_transfer_begin(client->transfers, &job->transfer);
    if (failure) {
        settle(job, failure);
        return;
    }
    APR_RING_INSERT_TAIL(&client->in_flight, job, nmdm_http_job_t, link);
    if (!job->caller) {
        job->host->in_flight++;
        client->posted_in_flight++;
    }
}

/* Takes the first of those ready, which then is in no ring. */
static nmdm_http_job_t *take_ready(nmdm_http_host_t *host)
{
    nmdm_http_job_t *job = APR_RING_FIRST(&host->ready);
    nmdm_http_client_t *client = job->client;

    APR_RING_REMOVE(job, link);
    apr_thread_mutex_lock(client->lock);
    client->waiting--;
    client->waiting_bytes -= nmdm_exchange_length(job->transfer.x);
    apr_thread_mutex_unlock(client->lock);
    return job;
}

static int launch_from(nmdm_http_host_t *host, nmdm_http_client_t *client,
                       apr_time_t now)
{
    int n = 0;

    while (!APR_RING_EMPTY(&host->ready, nmdm_http_job_t, link)
           && host->in_flight < MAX_POSTED_PER_HOST
           && client->posted_in_flight < MAX_POSTED) {
        launch(take_ready(host), now);
        n++;
    }
    return n;
}

/* Again as long as there are any: one that fails at once gives the turn to
 * the next of its order, which may be for a host that was looked at. */
static void launch_posted(nmdm_http_client_t *client, apr_time_t now)
{
    apr_hash_index_t *hi;
    int n;

    do {
        n = 0;
        for (hi = apr_hash_first(NULL, client->hosts); hi;
             hi = apr_hash_next(hi)) {
            n += launch_from(apr_hash_this_val(hi), client, now);
        }
    } while (n);
}

static nmdm_http_host_t *host_of(nmdm_http_client_t *client, const char *url)
{
    const char *scheme_end = strstr(url, "://");
    apr_size_t start = scheme_end ? (apr_size_t)(scheme_end - url) + 3 : 0;
    apr_size_t len = start + strcspn(url + start, "/?#");
    nmdm_http_host_t *host
        = apr_hash_get(client->hosts, url, (apr_ssize_t)len);

    if (!host) {
        host = apr_pcalloc(client->pool, sizeof(*host));
        APR_RING_INIT(&host->ready, nmdm_http_job_t, link);
        apr_hash_set(client->hosts, apr_pstrmemdup(client->pool, url, len),
                     (apr_ssize_t)len, host);
    }
    return host;
}

static void line_up(nmdm_http_client_t *client, nmdm_http_job_t *job)
{
    nmdm_http_job_t *first = apr_hash_get(client->orders, job->order,
                                          APR_HASH_KEY_STRING);

    job->host = host_of(client, job->transfer.x->url);
    if (first) {
        first->last->next = job;
        first->last = job;
        return;
    }
    job->last = job;
    apr_hash_set(client->orders, job->order, APR_HASH_KEY_STRING, job);
    APR_RING_INSERT_TAIL(&job->host->ready, job, nmdm_http_job_t, link);
}

static void shorten_callers(nmdm_http_client_t *client, apr_time_t shorten_to)
{
    nmdm_http_job_t *job;

    APR_RING_FOREACH(job, &client->in_flight, nmdm_http_job_t, link) {
        if (job->caller && job->until > shorten_to) {
            job->until = shorten_to;
        }
    }
}

/* Returns when to stop, or 0 while no stop was asked for. */
static apr_time_t drain_inbox(nmdm_http_client_t *client, apr_time_t now)
{
    apr_time_t stop_at, shorten_to;
    nmdm_http_jobs_t arrived;

    APR_RING_INIT(&arrived, nmdm_http_job_t, link);
    apr_thread_mutex_lock(client->lock);
    APR_RING_CONCAT(&arrived, &client->inbox, nmdm_http_job_t, link);
    stop_at = client->is_stopping ? client->stop_at : 0;
    shorten_to = client->shorten_to;
    apr_thread_mutex_unlock(client->lock);

    while (!APR_RING_EMPTY(&arrived, nmdm_http_job_t, link)) {
        nmdm_http_job_t *job = APR_RING_FIRST(&arrived);

        APR_RING_REMOVE(job, link);
        if (job->caller) {
            launch(job, now);
        }
        else {
            line_up(client, job);
        }
    }
    if (shorten_to) {
        shorten_callers(client, shorten_to);
    }
    return stop_at;
}

/* ---- The thread ---- */

static int wait_ms(const nmdm_http_client_t *client, apr_time_t now,
                   apr_time_t stop_at)
{
    apr_time_t until = now + apr_time_from_msec(IDLE_MS);
    const nmdm_http_job_t *job;

    if (stop_at && stop_at < until) {
        until = stop_at;
    }
    APR_RING_FOREACH(job, &client->in_flight, nmdm_http_job_t, link) {
        if (job->until < until) {
            until = job->until;
        }
    }
    return until > now ? (int)apr_time_as_msec(until - now) + 1 : 0;
}

/* Where nothing is in flight nothing waits either: there was room for it. */
static int is_over(const nmdm_http_client_t *client, apr_time_t now,
                   apr_time_t stop_at)
{
    return stop_at
           && (now >= stop_at
               || APR_RING_EMPTY(&client->in_flight, nmdm_http_job_t, link));
}

/* Those that wait have their turn when the one before them has ended. */
static void end_all(nmdm_http_client_t *client)
{
    apr_hash_index_t *hi;
    int n;

    while (!APR_RING_EMPTY(&client->in_flight, nmdm_http_job_t, link)) {
        nmdm_http_job_t *job = APR_RING_FIRST(&client->in_flight);

        leave_flight(job);
        nmdm_curl_transfer_break_off(&job->transfer);
        settle(job, NMDM_HTTP_CLIENT_STOPPING);
    }
    do {
        n = 0;
        for (hi = apr_hash_first(NULL, client->hosts); hi;
             hi = apr_hash_next(hi)) {
            nmdm_http_host_t *host = apr_hash_this_val(hi);

            while (!APR_RING_EMPTY(&host->ready, nmdm_http_job_t, link)) {
                settle(take_ready(host), NMDM_HTTP_CLIENT_STOPPING);
                n++;
            }
        }
    } while (n);
}

void *APR_THREAD_FUNC nmdm_http_client_thread(apr_thread_t *thread,
                                              void *data)
{
    nmdm_http_client_t *client = data;
    apr_time_t now, stop_at;

    for (;;) {
        nmdm_curl_transfers_work(client->transfers);
        take_outcomes(client);
        now = nmdm_time_steady();
        stop_at = drain_inbox(client, now);
        end_late_ones(client, now);
        launch_posted(client, now);
        if (is_over(client, now, stop_at)) {
            break;
        }
        nmdm_curl_transfers_wait(client->transfers,
                                 wait_ms(client, now, stop_at));
    }
    end_all(client);
    (void)thread;
    return NULL;
}
