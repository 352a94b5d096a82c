/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_apns.c -- outbound HTTP/2 to APNs: the mailbox, the thread, what waits
 * for which connection, and what is tried again.
 *
 * A caller makes a run of its exchanges, puts it into the mailbox and sleeps.
 * The thread takes it out and sorts its pushes by destination: server and
 * identity. A destination has at most one link and three rings of pushes:
 * those that wait for the link, those that are on it, and those that rest
 * before they are tried again. A push that has an outcome is in none. */

#include "nmdm_apns.h"
#include "nmdm_link.h"

#include <apr_date.h>
#include <apr_general.h>
#include <apr_lib.h>
#include <apr_network_io.h>
#include <apr_ring.h>
#include <apr_signal.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include <string.h>

#define MAX_LINKS 64
#define IDLE_LINK apr_time_from_sec(600)
#define FIRST_PAUSE apr_time_from_msec(50)
#define LONGEST_PAUSE apr_time_from_sec(2)
/* Rounds through all pushes are not more frequent than this. */
#define ROUND apr_time_from_msec(5)

typedef struct push_t push_t;
typedef struct run_t run_t;
typedef struct dest_t dest_t;

struct push_t {
    nmdm_stream_t stream;       /* first: the link hands it back */
    APR_RING_ENTRY(push_t) link;
    run_t *run;
    dest_t *dest;
    int tries;                  /* that the server answered or reset */
    apr_time_t rest_until;
    char failure[NMDM_TROUBLE_MOST];       /* "" or of the last try */
};

typedef APR_RING_HEAD(push_ring_t, push_t) push_ring_t;

/* What one call of nmdm_apns_run wants. The caller's before it is in the
 * mailbox and once it is done, the thread's between. */
struct run_t {
    run_t *next;
    apr_pool_t *pool;           /* with an allocator of its own */
    push_t *pushes;
    int n;
    int left;                   /* without an outcome; +1 until all are
                                 * admitted */

    int is_done;                /* guarded by the mailbox's lock */
    apr_thread_cond_t *done;
};

struct dest_t {
    APR_RING_ENTRY(dest_t) link;
    nmdm_apns_t *apns;
    apr_pool_t *pool;
    nmdm_bytes_t authority;     /* as in the URL */
    nmdm_server_t server;
    nmdm_link_t *conn;          /* or NULL */
    push_ring_t waiting, sent, resting;
    int failures;               /* links lost in a row, without an answer */
    apr_time_t connect_at;      /* not before */
    apr_time_t used_at;
    char failure[NMDM_TROUBLE_MOST];       /* of the last link, or "" */
};

struct nmdm_apns_t {
    apr_thread_t *thread;
    apr_pollset_t *pollset;     /* its wake-up is for anybody */

    /* guarded by lock */
    apr_thread_mutex_t *lock;
    run_t *mail, **mail_end;
    int is_stopping;

    /* the thread's own */
    apr_pool_t *pool;
    nmdm_links_t *links;
    APR_RING_HEAD(dest_ring_t, dest_t) dests;
    int nlinks;
    apr_time_t now;             /* read once a turn */
    apr_time_t round_at;        /* last round through all pushes */
    apr_time_t alarm;           /* of the next one */
};

/* ---- Outcomes ---- */

static void alarm_at(nmdm_apns_t *apns, apr_time_t at)
{
    if (at < apns->round_at + ROUND) {
        at = apns->round_at + ROUND;
    }
    if (at < apns->alarm) {
        apns->alarm = at;
    }
}

/* With the last push the run is its caller's again: it must not be touched
 * any more. */
static void count_down(nmdm_apns_t *apns, run_t *run)
{
    if (--run->left) {
        return;
    }
    apr_thread_mutex_lock(apns->lock);
    run->is_done = 1;
    apr_thread_cond_signal(run->done);
    apr_thread_mutex_unlock(apns->lock);
}

/* Gives a push its outcome; why: unless it has a status, and if nothing is
 * known that says more. */
static void finish(nmdm_apns_t *apns, push_t *push, const char *why)
{
    if (!push->stream.is_whole && !*push->failure) {
        apr_cpystrn(push->failure, why, sizeof(push->failure));
    }
    count_down(apns, push->run);
}

static void finish_all(nmdm_apns_t *apns, push_ring_t *ring, const char *why)
{
    push_t *push;

    while (!APR_RING_EMPTY(ring, push_t, link)) {
        push = APR_RING_FIRST(ring);
        APR_RING_REMOVE(push, link);
        finish(apns, push, why);
    }
}

/* ---- Another try ---- */

/* Doubling, and different for everybody: at least half of it. */
static apr_interval_time_t pause_after(int failures)
{
    apr_interval_time_t pause = LONGEST_PAUSE;
    apr_uint32_t dice = 0;

    if (failures < 6) {
        pause = FIRST_PAUSE << (failures > 1 ? failures - 1 : 0);
    }
    apr_generate_random_bytes((unsigned char *)&dice, sizeof(dice));
    return pause / 2 + dice % (pause / 2 + 1);
}

/* What Retry-After says: seconds or a date. 0 if it says nothing. */
static apr_interval_time_t asked_pause(const push_t *push, apr_time_t now)
{
    const char *value = push->stream.kept[NMDM_KEPT_RETRY_AFTER];
    apr_time_t date;

    if (apr_isdigit(*value) && strlen(value) < 9) {
        return apr_time_from_sec(apr_atoi64(value));
    }
    date = *value ? apr_date_parse_http(value) : APR_DATE_BAD;
    return date != APR_DATE_BAD && date > now ? date - now : 0;
}

/* A push that is in no ring rests, or has its outcome if that would last
 * beyond its deadline. */
static void try_later(push_t *push, apr_interval_time_t least)
{
    nmdm_apns_t *apns = push->dest->apns;
    apr_interval_time_t pause = pause_after(++push->tries);

    push->rest_until = apns->now + (pause > least ? pause : least);
    if (push->rest_until >= push->stream.x->deadline) {
        finish(apns, push, "no answer before the deadline");
        return;
    }
    APR_RING_INSERT_TAIL(&push->dest->resting, push, push_t, link);
    alarm_at(apns, push->rest_until);
}

static void note_failure(push_t *push, const char *why)
{
    push->stream.is_whole = 0;
    apr_cpystrn(push->failure, why, sizeof(push->failure));
}

static void answered(push_t *push)
{
    *push->failure = '\0';
    switch (push->stream.status) {
    case 429:
    case 500:
    case 503:
        try_later(push, asked_pause(push, push->dest->apns->now));
        break;
    default:
        finish(push->dest->apns, push, NULL);
        break;
    }
}

static void stream_ended(nmdm_stream_t *stream, nmdm_stream_end_e how,
                         const char *why)
{
    push_t *push = (push_t *)stream;

    APR_RING_REMOVE(push, link);
    push->dest->used_at = push->dest->apns->now;
    if (how == NMDM_STREAM_ANSWERED) {
        answered(push);
        return;
    }
    note_failure(push, why);
    if (how == NMDM_STREAM_RESET) {
        try_later(push, 0);
        return;
    }
    APR_RING_INSERT_HEAD(&push->dest->waiting, push, push_t, link);
}

/* ---- Destinations ---- */

static int is_same(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static int is_for(const dest_t *dest, const nmdm_stream_t *stream)
{
    return dest->authority.len == stream->authority.len
           && !memcmp(dest->authority.data, stream->authority.data,
                      stream->authority.len)
           && is_same(dest->server.cert_pem, stream->x->cert_pem)
           && is_same(dest->server.key_pem, stream->x->key_pem);
}

/* NULL when the URL names no host. */
static dest_t *make_dest(nmdm_apns_t *apns, const nmdm_stream_t *stream)
{
    apr_pool_t *pool;
    dest_t *dest;
    char *host, *scope;

    apr_pool_create(&pool, apns->pool);
    dest = apr_pcalloc(pool, sizeof(*dest));
    dest->apns = apns;
    dest->pool = pool;
    dest->authority.data = apr_pstrmemdup(pool, stream->authority.data,
                                          stream->authority.len);
    dest->authority.len = stream->authority.len;
    if (apr_parse_addr_port(&host, &scope, &dest->server.port,
                            dest->authority.data, pool) != APR_SUCCESS
        || !host) {
        apr_pool_destroy(pool);
        return NULL;
    }
    if (!dest->server.port) {
        dest->server.port = 443;
    }
    dest->server.host = host;
    dest->server.name = apr_psprintf(pool, strchr(host, ':') ? "[%s]:%hu"
                                     : "%s:%hu", host, dest->server.port);
    dest->server.cert_pem = apr_pstrdup(pool, stream->x->cert_pem);
    dest->server.key_pem = apr_pstrdup(pool, stream->x->key_pem);
    APR_RING_INIT(&dest->waiting, push_t, link);
    APR_RING_INIT(&dest->sent, push_t, link);
    APR_RING_INIT(&dest->resting, push_t, link);
    APR_RING_INSERT_HEAD(&apns->dests, dest, dest_t, link);
    return dest;
}

static dest_t *find_dest(nmdm_apns_t *apns, const nmdm_stream_t *stream)
{
    dest_t *dest;

    APR_RING_FOREACH(dest, &apns->dests, dest_t, link) {
        if (is_for(dest, stream)) {
            return dest;
        }
    }
    return make_dest(apns, stream);
}

static int has_work(const dest_t *dest)
{
    return !APR_RING_EMPTY(&dest->waiting, push_t, link)
           || !APR_RING_EMPTY(&dest->sent, push_t, link)
           || !APR_RING_EMPTY(&dest->resting, push_t, link);
}

static void disconnect(dest_t *dest)
{
    nmdm_link_close(dest->conn);
    dest->conn = NULL;
    dest->apns->nlinks--;
}

/* ---- Links ---- */

/* Whether another link may be opened, if need be for one that is idle. */
static int may_connect(nmdm_apns_t *apns)
{
    dest_t *dest, *oldest = NULL;

    if (apns->nlinks < MAX_LINKS) {
        return 1;
    }
    APR_RING_FOREACH(dest, &apns->dests, dest_t, link) {
        if (dest->conn && !has_work(dest)
            && (!oldest || dest->used_at < oldest->used_at)) {
            oldest = dest;
        }
    }
    if (oldest) {
        disconnect(oldest);
    }
    return oldest != NULL;
}

static void connect_if_due(dest_t *dest)
{
    nmdm_apns_t *apns = dest->apns;

    if (dest->conn || APR_RING_EMPTY(&dest->waiting, push_t, link)) {
        return;
    }
    if (apns->now < dest->connect_at) {
        alarm_at(apns, dest->connect_at);
        return;
    }
    if (may_connect(apns)) {
        dest->conn = nmdm_link_open(apns->links, dest->pool, &dest->server,
                                    dest, apns->now);
        apns->nlinks++;
    }
}

static void fill_link(dest_t *dest)
{
    int room = nmdm_link_room(dest->conn);
    push_t *push;

    if (nmdm_link_is_ready(dest->conn)) {
        *dest->failure = '\0';
    }
    while (room-- > 0 && !APR_RING_EMPTY(&dest->waiting, push_t, link)) {
        push = APR_RING_FIRST(&dest->waiting);
        APR_RING_REMOVE(push, link);
        APR_RING_INSERT_TAIL(&dest->sent, push, push_t, link);
        nmdm_link_add(dest->conn, &push->stream, dest->apns->now);
        dest->used_at = dest->apns->now;
    }
    nmdm_link_flush(dest->conn);
}

/* What was on the link waits for the next one, in the order it had: pushes
 * may be repeated. A link that carried an answer is replaced at once. */
static void lose_link(dest_t *dest)
{
    apr_cpystrn(dest->failure, nmdm_link_trouble(dest->conn),
                sizeof(dest->failure));
    if (nmdm_link_has_answered(dest->conn)) {
        dest->failures = 0;
        dest->connect_at = dest->apns->now;
    }
    else {
        dest->connect_at = dest->apns->now + pause_after(++dest->failures);
    }
    while (!APR_RING_EMPTY(&dest->sent, push_t, link)) {
        push_t *push = APR_RING_LAST(&dest->sent);

        APR_RING_REMOVE(push, link);
        note_failure(push, dest->failure);
        APR_RING_INSERT_HEAD(&dest->waiting, push, push_t, link);
    }
    if (nmdm_link_is_hopeless(dest->conn)) {
        finish_all(dest->apns, &dest->waiting, dest->failure);
    }
    disconnect(dest);
    alarm_at(dest->apns, dest->connect_at);
}

/* All that a destination may want now. */
static void serve(dest_t *dest)
{
    nmdm_apns_t *apns = dest->apns;

    connect_if_due(dest);
    if (dest->conn) {
        fill_link(dest);
        alarm_at(apns, nmdm_link_tick(dest->conn, apns->now));
    }
    if (dest->conn && nmdm_link_trouble(dest->conn)) {
        lose_link(dest);
        connect_if_due(dest);   /* at once, or sets the alarm */
    }
}

/* A destination without a link is only kept for its pushes and its pause. */
static void retire(dest_t *dest)
{
    nmdm_apns_t *apns = dest->apns;

    if (has_work(dest)) {
        return;
    }
    if (dest->conn) {
        if (apns->now < dest->used_at + IDLE_LINK) {
            alarm_at(apns, dest->used_at + IDLE_LINK);
            return;
        }
        disconnect(dest);
    }
    if (apns->now < dest->connect_at) {
        alarm_at(apns, dest->connect_at);
        return;
    }
    APR_RING_REMOVE(dest, link);
    apr_pool_destroy(dest->pool);
}

/* ---- Rounds through all pushes ---- */

static void expire(dest_t *dest, push_ring_t *ring)
{
    nmdm_apns_t *apns = dest->apns;
    push_t *push, *next;

    APR_RING_FOREACH_SAFE(push, next, ring, push_t, link) {
        if (push->stream.x->deadline > apns->now) {
            alarm_at(apns, push->stream.x->deadline);
            continue;
        }
        APR_RING_REMOVE(push, link);
        if (ring == &dest->sent) {
            nmdm_link_cancel(dest->conn, &push->stream);
        }
        finish(apns, push, *dest->failure ? dest->failure
                                          : "no answer before the deadline");
    }
}

static void wake_rested(dest_t *dest)
{
    push_t *push, *next;

    APR_RING_FOREACH_SAFE(push, next, &dest->resting, push_t, link) {
        if (push->rest_until > dest->apns->now) {
            alarm_at(dest->apns, push->rest_until);
            continue;
        }
        APR_RING_REMOVE(push, link);
        APR_RING_INSERT_TAIL(&dest->waiting, push, push_t, link);
    }
}

static void make_round(nmdm_apns_t *apns)
{
    dest_t *dest, *next;

    apns->round_at = apns->now;
    apns->alarm = NMDM_NEVER;
    APR_RING_FOREACH_SAFE(dest, next, &apns->dests, dest_t, link) {
        expire(dest, &dest->waiting);
        expire(dest, &dest->sent);
        expire(dest, &dest->resting);
        wake_rested(dest);
        retire(dest);
    }
}

/* ---- The thread ---- */

static void admit_push(nmdm_apns_t *apns, push_t *push)
{
    if (*push->failure) {       /* the URL's */
        finish(apns, push, NULL);
        return;
    }
    push->dest = find_dest(apns, &push->stream);
    if (!push->dest) {
        finish(apns, push, "the URL names no host");
        return;
    }
    APR_RING_INSERT_TAIL(&push->dest->waiting, push, push_t, link);
    alarm_at(apns, push->stream.x->deadline);
}

static void admit(nmdm_apns_t *apns, run_t *run)
{
    int i;

    for (i = 0; i < run->n; i++) {
        admit_push(apns, &run->pushes[i]);
    }
    count_down(apns, run);
}

/* Returns 0 when it is time to stop. */
static int take_mail(nmdm_apns_t *apns)
{
    run_t *run, *next;
    int is_stopping;

    apr_thread_mutex_lock(apns->lock);
    run = apns->mail;
    apns->mail = NULL;
    apns->mail_end = &apns->mail;
    is_stopping = apns->is_stopping;
    apr_thread_mutex_unlock(apns->lock);

    for (; run; run = next) {
        next = run->next;
        admit(apns, run);
    }
    return !is_stopping;
}

static void wait_for_anything(nmdm_apns_t *apns)
{
    const apr_pollfd_t *ready;
    apr_interval_time_t timeout = -1;
    apr_int32_t n = 0, i;
    dest_t *dest;

    if (apns->alarm != NMDM_NEVER) {
        timeout = apns->alarm - apns->now;
        timeout = timeout > 0 ? timeout : 0;
    }
    if (apr_pollset_poll(apns->pollset, timeout, &n, &ready)
        != APR_SUCCESS) {
        return;                 /* time is up, or woken */
    }
    apns->now = apr_time_now();
    for (i = 0; i < n; i++) {
        dest = ready[i].client_data;
        if (dest->conn) {
            nmdm_link_work(dest->conn, apns->now);
        }
    }
}

static void end_all(nmdm_apns_t *apns)
{
    dest_t *dest;

    APR_RING_FOREACH(dest, &apns->dests, dest_t, link) {
        if (dest->conn) {
            disconnect(dest);
        }
        finish_all(apns, &dest->waiting, "stopping");
        finish_all(apns, &dest->sent, "stopping");
        finish_all(apns, &dest->resting, "stopping");
    }
}

static void *APR_THREAD_FUNC carry(apr_thread_t *thread, void *data)
{
    nmdm_apns_t *apns = data;
    dest_t *dest;

    (void)thread;
    /* A lost connection is an error of write, here; not a signal. */
    apr_signal_block(SIGPIPE);
    while (take_mail(apns)) {
        apns->now = apr_time_now();
        if (apns->now >= apns->alarm) {
            make_round(apns);
        }
        APR_RING_FOREACH(dest, &apns->dests, dest_t, link) {
            serve(dest);
        }
        wait_for_anything(apns);
    }
    end_all(apns);
    return NULL;
}

/* ---- The caller's side ---- */

/* Takes the URL apart, or notes what is wrong with it. */
static void read_url(push_t *push)
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

static apr_status_t make_run(run_t **out, nmdm_exchange_t **exchanges, int n,
                             apr_pool_t *p)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;
    apr_status_t rv;
    run_t *run;
    int i;

    rv = apr_allocator_create(&allocator);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* Of its own, because the thread takes room for replies from it. */
    rv = apr_pool_create_ex(&pool, p, NULL, allocator);
    if (rv != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return rv;
    }
    apr_allocator_owner_set(allocator, pool);
    run = apr_pcalloc(pool, sizeof(*run));
    run->pool = pool;
    run->n = n;
    run->left = n + 1;
    run->pushes = apr_pcalloc(pool, (apr_size_t)n * sizeof(push_t));
    for (i = 0; i < n; i++) {
        run->pushes[i].run = run;
        run->pushes[i].stream.x = exchanges[i];
        run->pushes[i].stream.pool = pool;
        read_url(&run->pushes[i]);
    }
    *out = run;
    return apr_thread_cond_create(&run->done, pool);
}

/* Returns 0 when the thread takes nothing any more. */
static int post_and_wait(nmdm_apns_t *apns, run_t *run)
{
    int is_taken;

    apr_thread_mutex_lock(apns->lock);
    is_taken = !apns->is_stopping;
    if (is_taken) {
        *apns->mail_end = run;
        apns->mail_end = &run->next;
        apr_pollset_wakeup(apns->pollset);
        while (!run->is_done) {
            apr_thread_cond_wait(run->done, apns->lock);
        }
    }
    apr_thread_mutex_unlock(apns->lock);
    return is_taken;
}

static void fail(nmdm_exchange_t *x, apr_pool_t *p, const char *why)
{
    x->status = 0;
    x->reply_headers = apr_table_make(p, 0);
    x->reply.data = "";
    x->reply.len = 0;
    x->failure = apr_pstrdup(p, why);
}

static void tell(nmdm_exchange_t *x, apr_pool_t *p,
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

void nmdm_apns_run(nmdm_apns_t *apns, nmdm_exchange_t **exchanges, int n,
                   apr_pool_t *p)
{
    run_t *run = NULL;
    const char *why = NULL;
    const push_t *push;
    int i;

    if (n <= 0) {
        return;
    }
    if (make_run(&run, exchanges, n, p) != APR_SUCCESS) {
        why = "no memory";
    }
    else if (!post_and_wait(apns, run)) {
        why = "stopping";
    }
    for (i = 0; i < n; i++) {
        push = why ? NULL : &run->pushes[i];
        if (push && push->stream.is_whole) {
            tell(exchanges[i], p, &push->stream);
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

static apr_status_t make_pool(nmdm_apns_t *apns, apr_pool_t *p)
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

nmdm_err_t *nmdm_apns_start(nmdm_apns_t **out, apr_pool_t *pchild,
                            const nmdm_apns_conf_t *conf)
{
    nmdm_apns_t *apns = apr_pcalloc(pchild, sizeof(*apns));
    nmdm_link_conf_t link_conf = { conf->ca_pem, conf->proxy, NULL,
                                   stream_ended };
    apr_status_t rv;

    apns->mail_end = &apns->mail;
    apns->alarm = NMDM_NEVER;
    APR_RING_INIT(&apns->dests, dest_t, link);
    rv = make_pool(apns, pchild);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&apns->lock, APR_THREAD_MUTEX_DEFAULT,
                                     apns->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_pollset_create(&apns->pollset, MAX_LINKS, apns->pool,
                                APR_POLLSET_WAKEABLE);
    }
    if (rv != APR_SUCCESS) {
        return nmdm_err(pchild, NMDM_INTERNAL, rv,
                        NMDMNO(1601) "cannot prepare the thread for pushes");
    }
    link_conf.pollset = apns->pollset;
    NMDM_TRY(nmdm_links_create(&apns->links, apns->pool, &link_conf));
    rv = apr_thread_create(&apns->thread, NULL, carry, apns, apns->pool);
    if (rv != APR_SUCCESS) {
        return nmdm_err(pchild, NMDM_INTERNAL, rv,
                        NMDMNO(1602) "cannot start the thread for pushes");
    }
    *out = apns;
    return NULL;
}

void nmdm_apns_stop(nmdm_apns_t *apns)
{
    apr_thread_t *thread;
    apr_status_t rv;

    apr_thread_mutex_lock(apns->lock);
    apns->is_stopping = 1;
    thread = apns->thread;
    apns->thread = NULL;
    apr_thread_mutex_unlock(apns->lock);
    if (thread) {
        apr_pollset_wakeup(apns->pollset);
        apr_thread_join(&rv, thread);
    }
}
