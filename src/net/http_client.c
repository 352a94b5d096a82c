/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.c -- outbound HTTP for webhooks, declarative management and
 * escrow unlock: a thread, its mailbox and its queue.
 *
 * A caller puts jobs into the inbox and wakes the thread. From then on they
 * are the thread's, until it gives each its outcome: a job that is waited for
 * is then its caller's again, a posted one is freed. Time is kept here: the
 * thread waits for nothing but its transfers, so a caller's wait ends at the
 * deadline of what it asked for. */

#include "net/http_client.h"
#include "base/time.h"
#include "net/curl_transfer.h"

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

/* Bodies that wait: a receiver that hangs must not cost all memory. */
#define MAX_WAITING_BYTES ((apr_size_t)64 * 1024 * 1024)

static const char STOPPING[] = "the server is stopping";

typedef struct job_t job_t;
typedef struct jobs_t jobs_t;
APR_RING_HEAD(jobs_t, job_t);

/* Whoever waits in nmdm_http_client_run. */
typedef struct {
    apr_thread_cond_t *done;
    int left;                   /* jobs without an outcome */
} caller_t;

/* Where posted exchanges go. Their addresses are configured, so there are few
 * and they are kept. */
typedef struct {
    int in_flight;
    jobs_t ready;               /* whose turn within their order it is */
} host_t;

struct job_t {
    APR_RING_ENTRY(job_t) link; /* inbox, ready or in flight */
    nmdm_http_client_t *client;
    nmdm_curl_transfer_t transfer;   /* its pool: all of a posted job's */
    apr_interval_time_t patience;
    apr_time_t until;           /* on the steady clock */
    caller_t *caller;           /* NULL: posted */

    /* Posted ones: those of one order are a chain behind its first one. */
    const char *order;
    host_t *host;
    job_t *behind, *last;
};

struct nmdm_http_client_t {
    nmdm_http_client_conf_t conf;
    nmdm_curl_transfers_t *transfers;
    apr_thread_t *thread;

    apr_thread_mutex_t *lock;   /* guards these, and each caller_t */
    jobs_t inbox;
    int waiting;                /* posted, not yet in flight */
    apr_size_t waiting_bytes;
    int is_stopping;
    apr_time_t stop_at;         /* on the steady clock */
    apr_time_t hurry_at;        /* likewise, for callers; 0: no hurry */

    /* the thread's own */
    apr_pool_t *pool;
    jobs_t in_flight;
    int posted_in_flight;
    apr_hash_t *orders;         /* order -> the first of its chain */
    apr_hash_t *hosts;          /* scheme and authority -> host_t */
};

/* ---- Outcomes ---- */

static void hand_back(job_t *job)
{
    apr_thread_mutex_t *lock = job->client->lock;
    caller_t *caller = job->caller;

    apr_thread_mutex_lock(lock);
    if (!--caller->left) {
        apr_thread_cond_signal(caller->done);
    }
    apr_thread_mutex_unlock(lock);
}

/* The next of this order has its turn. The hash keeps the key with which an
 * entry was made, and that one ends with this job. */
static void let_next_one(job_t *job)
{
    apr_hash_t *orders = job->client->orders;
    job_t *next = job->behind;

    apr_hash_set(orders, job->order, APR_HASH_KEY_STRING, NULL);
    if (next) {
        next->last = job->last;
        apr_hash_set(orders, next->order, APR_HASH_KEY_STRING, next);
        APR_RING_INSERT_TAIL(&next->host->ready, next, job_t, link);
    }
}

static void fail(nmdm_exchange_t *x, apr_pool_t *p, const char *failure)
{
    x->failure = failure;
    x->status = 0;
    x->reply.data = "";
    x->reply.len = 0;
    x->reply_headers = apr_table_make(p, 1);
}

/* Lets go of a job that has its outcome and is in no ring: it succeeded, or
 * failure says why not. */
static void settle(job_t *job, const char *failure)
{
    nmdm_http_client_conf_t *conf = &job->client->conf;
    nmdm_exchange_t *x = job->transfer.x;

    x->failure = NULL;
    if (failure) {
        fail(x, job->transfer.pool, failure);
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

static void leave_flight(job_t *job)
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
    job_t *job, *next;

    APR_RING_FOREACH_SAFE(job, next, &client->in_flight, job_t, link) {
        if (job->until <= now) {
            leave_flight(job);
            settle(job, nmdm_curl_transfer_break_off(&job->transfer));
        }
    }
}

/* ---- Taking off ---- */

/* Sends a job that is in no ring. */
static void launch(job_t *job, apr_time_t now)
{
    nmdm_http_client_t *client = job->client;
    const char *failure;

    if (!job->caller) {
        /* Time spent in line behind others is not the receiver's. */
        job->until = now + job->patience;
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
    APR_RING_INSERT_TAIL(&client->in_flight, job, job_t, link);
    if (!job->caller) {
        job->host->in_flight++;
        client->posted_in_flight++;
    }
}

/* Takes the first of those ready, which then is in no ring. */
static job_t *take_ready(host_t *host)
{
    job_t *job = APR_RING_FIRST(&host->ready);
    nmdm_http_client_t *client = job->client;

    APR_RING_REMOVE(job, link);
    apr_thread_mutex_lock(client->lock);
    client->waiting--;
    client->waiting_bytes -= job->transfer.x->body.len;
    apr_thread_mutex_unlock(client->lock);
    return job;
}

static int launch_from(host_t *host, nmdm_http_client_t *client, apr_time_t now)
{
    int n = 0;

    while (!APR_RING_EMPTY(&host->ready, job_t, link)
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

static host_t *host_of(nmdm_http_client_t *client, const char *url)
{
    const char *scheme_end = strstr(url, "://");
    apr_size_t start = scheme_end ? (apr_size_t)(scheme_end - url) + 3 : 0;
    apr_size_t len = start + strcspn(url + start, "/?#");
    host_t *host = apr_hash_get(client->hosts, url, (apr_ssize_t)len);

    if (!host) {
        host = apr_pcalloc(client->pool, sizeof(*host));
        APR_RING_INIT(&host->ready, job_t, link);
        apr_hash_set(client->hosts, apr_pstrmemdup(client->pool, url, len),
                     (apr_ssize_t)len, host);
    }
    return host;
}

static void stand_in_line(nmdm_http_client_t *client, job_t *job)
{
    job_t *first = apr_hash_get(client->orders, job->order,
                                APR_HASH_KEY_STRING);

    job->host = host_of(client, job->transfer.x->url);
    if (first) {
        first->last->behind = job;
        first->last = job;
        return;
    }
    job->last = job;
    apr_hash_set(client->orders, job->order, APR_HASH_KEY_STRING, job);
    APR_RING_INSERT_TAIL(&job->host->ready, job, job_t, link);
}

static void cut_short(nmdm_http_client_t *client, apr_time_t hurry_at)
{
    job_t *job;

    APR_RING_FOREACH(job, &client->in_flight, job_t, link) {
        if (job->caller && job->until > hurry_at) {
            job->until = hurry_at;
        }
    }
}

/* Returns when to stop, or 0 while nobody asked for it. */
static apr_time_t take_mail(nmdm_http_client_t *client, apr_time_t now)
{
    apr_time_t stop_at, hurry_at;
    jobs_t mail;

    APR_RING_INIT(&mail, job_t, link);
    apr_thread_mutex_lock(client->lock);
    APR_RING_CONCAT(&mail, &client->inbox, job_t, link);
    stop_at = client->is_stopping ? client->stop_at : 0;
    hurry_at = client->hurry_at;
    apr_thread_mutex_unlock(client->lock);

    while (!APR_RING_EMPTY(&mail, job_t, link)) {
        job_t *job = APR_RING_FIRST(&mail);

        APR_RING_REMOVE(job, link);
        if (job->caller) {
            launch(job, now);
        }
        else {
            stand_in_line(client, job);
        }
    }
    if (hurry_at) {
        cut_short(client, hurry_at);
    }
    return stop_at;
}

/* ---- The thread ---- */

static int wait_ms(const nmdm_http_client_t *client, apr_time_t now,
                   apr_time_t stop_at)
{
    apr_time_t until = now + apr_time_from_msec(IDLE_MS);
    const job_t *job;

    if (stop_at && stop_at < until) {
        until = stop_at;
    }
    APR_RING_FOREACH(job, &client->in_flight, job_t, link) {
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
    return stop_at && (now >= stop_at
                       || APR_RING_EMPTY(&client->in_flight, job_t, link));
}

/* Those that wait have their turn when the one before them has ended. */
static void end_all(nmdm_http_client_t *client)
{
    apr_hash_index_t *hi;
    int n;

    while (!APR_RING_EMPTY(&client->in_flight, job_t, link)) {
        job_t *job = APR_RING_FIRST(&client->in_flight);

        leave_flight(job);
        nmdm_curl_transfer_break_off(&job->transfer);
        settle(job, STOPPING);
    }
    do {
        n = 0;
        for (hi = apr_hash_first(NULL, client->hosts); hi;
             hi = apr_hash_next(hi)) {
            host_t *host = apr_hash_this_val(hi);

            while (!APR_RING_EMPTY(&host->ready, job_t, link)) {
                settle(take_ready(host), STOPPING);
                n++;
            }
        }
    } while (n);
}

static void *APR_THREAD_FUNC carry(apr_thread_t *thread, void *data)
{
    nmdm_http_client_t *client = data;
    apr_time_t now, stop_at;

    for (;;) {
        nmdm_curl_transfers_work(client->transfers);
        take_outcomes(client);
        now = nmdm_time_steady();
        stop_at = take_mail(client, now);
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

/* ---- Start and stop ---- */

/* The thread's pool is destroyed by nmdm_http_client_stop and not with pchild,
 * whose subpools end before it is joined. */
static apr_status_t make_tools(nmdm_http_client_t *client, apr_pool_t *pchild)
{
    apr_status_t rv;

    APR_RING_INIT(&client->inbox, job_t, link);
    APR_RING_INIT(&client->in_flight, job_t, link);
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

nmdm_err_t *nmdm_http_client_start(nmdm_http_client_t **out, apr_pool_t *pchild,
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
    rv = apr_thread_create(&client->thread, NULL, carry, client, pchild);
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
                                        apr_interval_time_t patience)
{
    apr_thread_mutex_lock(client->lock);
    if (!client->is_stopping) {
        client->hurry_at = nmdm_time_steady() + patience;
        nmdm_curl_transfers_wake(client->transfers);
    }
    apr_thread_mutex_unlock(client->lock);
}

void nmdm_http_client_stop(nmdm_http_client_t *client,
                           apr_interval_time_t patience)
{
    int was_stopping;
    apr_status_t ended;

    apr_thread_mutex_lock(client->lock);
    was_stopping = client->is_stopping;
    if (!was_stopping) {
        client->is_stopping = 1;
        client->stop_at = nmdm_time_steady() + patience;
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

static job_t *make_job(nmdm_http_client_t *client, nmdm_exchange_t *x,
                       apr_pool_t *p)
{
    job_t *job = apr_pcalloc(p, sizeof(*job));

    APR_RING_ELEM_INIT(job, link);
    job->client = client;
    job->patience = x->deadline - nmdm_time_steady();
    job->until = x->deadline;
    job->transfer.x = x;
    job->transfer.pool = p;
    job->transfer.owner = job;
    return job;
}

/* With the lock held: as long as nobody has begun to stop, the thread is
 * there. It is awake already when there was mail for it. */
static void send_mail(nmdm_http_client_t *client, job_t *job)
{
    int was_empty = APR_RING_EMPTY(&client->inbox, job_t, link);

    APR_RING_INSERT_TAIL(&client->inbox, job, job_t, link);
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
    caller_t caller = { NULL, 0 };
    int i;

    apr_thread_cond_create(&caller.done, sub);
    apr_thread_mutex_lock(client->lock);
    for (i = 0; i < n; i++) {
        job_t *job;

        if (client->is_stopping) {
            fail(exchanges[i], p, STOPPING);
            continue;
        }
        job = make_job(client, exchanges[i], sub);
        job->caller = &caller;
        caller.left++;
        send_mail(client, job);
    }
    while (caller.left) {
        apr_thread_cond_wait(caller.done, client->lock);
    }
    apr_thread_mutex_unlock(client->lock);
}

static nmdm_exchange_t *copy_of(const nmdm_exchange_t *x, apr_pool_t *p)
{
    nmdm_exchange_t *copy = apr_pcalloc(p, sizeof(*copy));

    copy->method = apr_pstrdup(p, x->method);
    copy->url = apr_pstrdup(p, x->url);
    copy->headers = x->headers ? apr_table_clone(p, x->headers) : NULL;
    copy->body.data = apr_pstrmemdup(p, x->body.data, x->body.len);
    copy->body.len = x->body.len;
    copy->cert_pem = apr_pstrdup(p, x->cert_pem);
    copy->key_pem = apr_pstrdup(p, x->key_pem);
    copy->deadline = x->deadline;
    copy->about = apr_pstrdup(p, x->about);
    copy->baton = x->baton;
    return copy;
}

/* With the lock held. */
static nmdm_err_t *enter_queue(nmdm_http_client_t *client, const job_t *job,
                               apr_pool_t *p)
{
    apr_size_t bytes = client->waiting_bytes + job->transfer.x->body.len;

    if (client->is_stopping) {
        return nmdm_err(p, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(1704) "%s: not sent: %s", job->order,
                        STOPPING);
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

nmdm_err_t *nmdm_http_client_post(nmdm_http_client_t *client, const char *order,
                                  const nmdm_exchange_t *x, apr_pool_t *p)
{
    apr_pool_t *own;
    nmdm_err_t *err;
    job_t *job;
    apr_status_t rv;

    rv = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (rv != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, rv,
                        NMDMNO(1706) "%s: not sent: no memory", order);
    }
    job = make_job(client, copy_of(x, own), own);
    job->order = apr_pstrdup(own, order);
    apr_thread_mutex_lock(client->lock);
    err = enter_queue(client, job, p);
    if (!err) {
        send_mail(client, job);
    }
    apr_thread_mutex_unlock(client->lock);
    if (err) {
        apr_pool_destroy(own);
    }
    return err;
}
