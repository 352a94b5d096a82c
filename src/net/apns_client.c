/* SPDX-License-Identifier: Apache-2.0 */
/* apns_client.c -- outbound HTTP/2 to APNs: the thread, its inbox, and who
 * waits for it.
 *
 * A caller makes a run of its exchanges, puts it into the inbox and sleeps.
 * The thread takes it out and gives its pushes to their endpoints, until
 * each has an outcome. */

#include "net/apns_client.h"
#include "net/apns_endpoint.h"
#include "base/cond.h"
#include "base/time.h"

#include <apr_signal.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <string.h>

/* After the last deadline of a run: the thread keeps deadlines by itself, but
 * for the time that a name server takes. */
#define AFTER_DEADLINE apr_time_from_msec(250)

typedef struct run_t run_t;

/* What one call of nmdm_apns_client_run wants. The caller's before it is in
 * the inbox and once it is done, the thread's between. */
struct run_t {
    nmdm_apns_client_t *apns;
    run_t *next;
    apr_pool_t *pool;           /* its own: it may outlive the caller */
    nmdm_exchange_t *exchanges; /* copies */
    nmdm_apns_push_t *pushes;
    int n;
    int left;                   /* without an outcome; +1 until all are
                                 * admitted */

    /* guarded by the inbox's lock */
    int is_done;
    int is_abandoned;           /* the thread frees it */
};

struct nmdm_apns_client_t {
    apr_thread_t *thread;
    apr_pollset_t *pollset;     /* its wake-up may be called by any thread */

    /* guarded by lock, which also signals the end of a run */
    nmdm_cond_t *lock;
    run_t *inbox, **inbox_end;
    int is_stopping;

    /* the thread's own */
    apr_pool_t *pool;
    nmdm_apns_endpoints_t *endpoints;
};

/* ---- The thread ---- */

/* After the last push the caller owns the run again, or it is freed: do not
 * touch it after this call. */
static void count_down(run_t *run)
{
    nmdm_apns_client_t *apns = run->apns;
    int is_abandoned;

    if (--run->left) {
        return;
    }
    nmdm_cond_lock(apns->lock);
    is_abandoned = run->is_abandoned;
    run->is_done = 1;
    nmdm_cond_signal(apns->lock);
    nmdm_cond_unlock(apns->lock);
    if (is_abandoned) {
        apr_pool_destroy(run->pool);
    }
}

static void push_ended(nmdm_apns_push_t *push)
{
    count_down(push->owner);
}

static void enqueue(nmdm_apns_client_t *apns, run_t *run)
{
    int i;

    for (i = 0; i < run->n; i++) {
        if (*run->pushes[i].failure) {          /* the URL's */
            count_down(run);
            continue;
        }
        nmdm_apns_endpoints_enqueue(apns->endpoints, &run->pushes[i]);
    }
    count_down(run);
}

/* Returns 0 when it is time to stop. */
static int drain_inbox(nmdm_apns_client_t *apns)
{
    run_t *run, *next;
    int is_stopping;

    nmdm_cond_lock(apns->lock);
    run = apns->inbox;
    apns->inbox = NULL;
    apns->inbox_end = &apns->inbox;
    is_stopping = apns->is_stopping;
    nmdm_cond_unlock(apns->lock);

    for (; run; run = next) {
        next = run->next;
        enqueue(apns, run);
    }
    return !is_stopping;
}

static void *APR_THREAD_FUNC push_thread(apr_thread_t *thread, void *data)
{
    nmdm_apns_client_t *apns = data;

    (void)thread;
    /* A lost connection is an error of write, here; not a signal. */
    apr_signal_block(SIGPIPE);
    while (drain_inbox(apns)) {
        nmdm_apns_endpoints_serve(apns->endpoints);
        nmdm_apns_endpoints_wait(apns->endpoints);
    }
    nmdm_apns_endpoints_end(apns->endpoints);
    return NULL;
}

/* ---- The caller's side ---- */

/* Takes the URL apart, or notes what is wrong with it. */
static void read_url(nmdm_apns_push_t *push)
{
    const char *url = push->stream.x->url;
    const char *path, *c;

    for (c = url; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '#') {
            apr_cpystrn(push->failure, "the URL has a character that may"
                        " not be there", sizeof(push->failure));
            return;
        }
    }
    if (strncmp(url, "https://", 8)) {
        apr_cpystrn(push->failure, "the URL is not https",
                    sizeof(push->failure));
        return;
    }
    url += 8;
    path = strchr(url, '/');
    push->stream.authority.data = url;
    push->stream.authority.len = path ? (apr_size_t)(path - url)
                                      : strlen(url);
    push->stream.path = path ? path : "/";
}

static const char *copy_text(apr_pool_t *p, const char *text)
{
    return text ? apr_pstrdup(p, text) : NULL;
}

/* What the thread reads of an exchange. Those of one topic share their headers
 * and certificate, and so do the copies. */
static void copy_exchanges(run_t *run, nmdm_exchange_t **exchanges)
{
    int i;

    run->exchanges = apr_pcalloc(run->pool, (apr_size_t)run->n
                                            * sizeof(*run->exchanges));
    for (i = 0; i < run->n; i++) {
        const nmdm_exchange_t *x = exchanges[i];
        const nmdm_exchange_t *last = i ? exchanges[i - 1] : NULL;
        nmdm_exchange_t *copy = &run->exchanges[i];

        copy->method = copy_text(run->pool, x->method);
        copy->url = copy_text(run->pool, x->url);
        copy->headers = last && last->headers == x->headers
            ? copy[-1].headers
            : x->headers ? apr_table_clone(run->pool, x->headers) : NULL;
        copy->body = (nmdm_bytes_t){
            apr_pstrmemdup(run->pool, x->body.len ? x->body.data : "",
                           x->body.len), x->body.len };
        copy->cert_pem = last && last->cert_pem == x->cert_pem
            ? copy[-1].cert_pem : copy_text(run->pool, x->cert_pem);
        copy->key_pem = last && last->key_pem == x->key_pem
            ? copy[-1].key_pem : copy_text(run->pool, x->key_pem);
        copy->deadline = x->deadline;
    }
}

static apr_status_t make_run(run_t **out, nmdm_apns_client_t *apns,
                             nmdm_exchange_t **exchanges, int n)
{
    apr_pool_t *pool;
    apr_status_t rv;
    run_t *run;
    int i;

    rv = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    run = apr_pcalloc(pool, sizeof(*run));
    run->apns = apns;
    run->pool = pool;
    run->n = n;
    run->left = n + 1;
    run->pushes = apr_pcalloc(pool, (apr_size_t)n * sizeof(*run->pushes));
    copy_exchanges(run, exchanges);
    for (i = 0; i < n; i++) {
        run->pushes[i].owner = run;
        run->pushes[i].stream.x = &run->exchanges[i];
        run->pushes[i].stream.pool = pool;
        read_url(&run->pushes[i]);
    }
    *out = run;
    return APR_SUCCESS;
}

/* Or now, when that is over. */
static apr_time_t last_deadline(const run_t *run)
{
    apr_time_t last = nmdm_time_steady();
    int i;

    for (i = 0; i < run->n; i++) {
        if (run->exchanges[i].deadline > last) {
            last = run->exchanges[i].deadline;
        }
    }
    return last;
}

/* With the lock held. Afterwards the run is done, or no longer the
 * caller's. */
static void wait_for(nmdm_apns_client_t *apns, run_t *run)
{
    apr_time_t until = last_deadline(run) + AFTER_DEADLINE;
    apr_time_t now;

    while (!run->is_done && (now = nmdm_time_steady()) < until) {
        nmdm_cond_wait(apns->lock, until - now);
    }
    run->is_abandoned = !run->is_done;
}

/* Returns why there is nothing to read in the run, or NULL; after "no answer"
 * it is the thread's. */
static const char *post_and_wait(nmdm_apns_client_t *apns, run_t **run)
{
    const char *why = NULL;

    nmdm_cond_lock(apns->lock);
    if (apns->is_stopping) {
        why = "stopping";
    }
    else {
        *apns->inbox_end = *run;
        apns->inbox_end = &(*run)->next;
        apr_pollset_wakeup(apns->pollset);
        wait_for(apns, *run);
        if ((*run)->is_abandoned) {
            why = "no answer in time: looking up the name takes too long";
            *run = NULL;
        }
    }
    nmdm_cond_unlock(apns->lock);
    return why;
}

static void fail(nmdm_exchange_t *x, apr_pool_t *p, const char *why)
{
    x->status = 0;
    x->reply_headers = apr_table_make(p, 0);
    x->reply.data = "";
    x->reply.len = 0;
    x->failure = apr_pstrdup(p, why);
}

static void log_outcome(nmdm_exchange_t *x, apr_pool_t *p,
                        const nmdm_stream_t *stream)
{
    int i;

    x->status = stream->status;
    x->failure = NULL;
    x->reply.data = apr_pstrmemdup(p, stream->len ? stream->reply : "",
                                   stream->len);
    x->reply.len = stream->len;
    x->reply_headers = apr_table_make(p, NMDM_KEPT_COUNT);
    for (i = 0; i < NMDM_KEPT_COUNT; i++) {
        if (*stream->kept[i]) {
            apr_table_set(x->reply_headers, NMDM_KEPT_NAMES[i],
                          stream->kept[i]);
        }
    }
}

void nmdm_apns_client_run(nmdm_apns_client_t *apns,
                          nmdm_exchange_t **exchanges, int n, apr_pool_t *p)
{
    run_t *run = NULL;
    const char *why;
    const nmdm_apns_push_t *push;
    int i;

    if (n <= 0) {
        return;
    }
    why = make_run(&run, apns, exchanges, n) == APR_SUCCESS
        ? post_and_wait(apns, &run) : "no memory";
    for (i = 0; i < n; i++) {
        push = why ? NULL : &run->pushes[i];
        if (push && push->stream.is_whole) {
            log_outcome(exchanges[i], p, &push->stream);
        }
        else {
            fail(exchanges[i], p, push ? push->failure : why);
        }
    }
    if (run) {
        apr_pool_destroy(run->pool);
    }
}

/* ---- Start and stop ---- */

static apr_status_t make_pool(nmdm_apns_client_t *apns, apr_pool_t *p)
{
    apr_allocator_t *allocator;
    apr_status_t rv = apr_allocator_create(&allocator);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_pool_create_ex(&apns->pool, p, NULL, allocator);
    if (rv != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return rv;
    }
    apr_allocator_owner_set(allocator, apns->pool);
    return APR_SUCCESS;
}

nmdm_err_t *nmdm_apns_client_start(nmdm_apns_client_t **out,
                                   apr_pool_t *pchild,
                                   const nmdm_apns_client_conf_t *conf)
{
    nmdm_apns_client_t *apns = apr_pcalloc(pchild, sizeof(*apns));
    nmdm_apns_endpoints_conf_t dests_conf = { conf->ca_pem, conf->proxy, NULL,
                                     push_ended };
    apr_status_t rv;

    apns->inbox_end = &apns->inbox;
    rv = make_pool(apns, pchild);
    if (rv == APR_SUCCESS) {
        rv = nmdm_cond_create(&apns->lock, apns->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_pollset_create(&apns->pollset, NMDM_APNS_ENDPOINT_LINKS,
                                apns->pool, APR_POLLSET_WAKEABLE);
    }
    if (rv != APR_SUCCESS) {
        return nmdm_err(pchild, NMDM_INTERNAL, rv,
                        NMDMNO(1601) "cannot prepare the thread for pushes");
    }
    dests_conf.pollset = apns->pollset;
    NMDM_TRY(
        nmdm_apns_endpoints_create(&apns->endpoints, apns->pool, &dests_conf));
    rv = apr_thread_create(&apns->thread, NULL, push_thread, apns, apns->pool);
    if (rv != APR_SUCCESS) {
        return nmdm_err(pchild, NMDM_INTERNAL, rv,
                        NMDMNO(1602) "cannot start the thread for pushes");
    }
    *out = apns;
    return NULL;
}

void nmdm_apns_client_stop(nmdm_apns_client_t *apns)
{
    apr_thread_t *thread;
    apr_status_t rv;

    nmdm_cond_lock(apns->lock);
    apns->is_stopping = 1;
    thread = apns->thread;
    apns->thread = NULL;
    nmdm_cond_unlock(apns->lock);
    if (thread) {
        apr_pollset_wakeup(apns->pollset);
        apr_thread_join(&rv, thread);
    }
}
