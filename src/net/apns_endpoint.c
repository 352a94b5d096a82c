/* SPDX-License-Identifier: Apache-2.0 */
/* apns_endpoint.c -- destinations of pushes: what waits for which connection,
 * and what is tried again.
 *
 * A destination has at most one link and three rings of pushes: those that
 * wait for the link, those that are on it, and those that rest before they are
 * tried again. A push that has an outcome is in none. */

#include "net/apns_endpoint.h"
#include "base/time.h"
#include "net/apns_backoff.h"

#include <apr_network_io.h>
#include <apr_strings.h>

#include <string.h>

#define IDLE_LINK apr_time_from_sec(600)
/* Rounds through all pushes are not more frequent than this. */
#define ROUND apr_time_from_msec(5)

typedef APR_RING_HEAD(push_ring_t, nmdm_apns_endpoint_push_t) push_ring_t;

struct nmdm_apns_endpoint_t {
    APR_RING_ENTRY(nmdm_apns_endpoint_t) link;
    nmdm_apns_endpoints_t *dests;
    apr_pool_t *pool;
    nmdm_bytes_t authority;     /* as in the URL */
    nmdm_server_t server;
    nmdm_h2_session_t *conn;          /* or NULL */
    push_ring_t waiting, sent, resting;
    int failures;               /* links lost in a row, without an answer */
    apr_time_t connect_at;      /* not before */
    apr_time_t used_at;
    char failure[NMDM_FAILURE_MOST];       /* of the last link, or "" */
};

struct nmdm_apns_endpoints_t {
    apr_pool_t *pool;
    apr_pollset_t *pollset;
    nmdm_apns_endpoint_ended_fn ended;
    nmdm_h2_sessions_t *links;
    APR_RING_HEAD(dest_ring_t, nmdm_apns_endpoint_t) all;
    int nlinks;
    apr_time_t now;             /* on the steady clock; read once a turn */
    apr_time_t round_at;        /* last round through all pushes */
    apr_time_t alarm;           /* of the next one */
};

/* ---- Outcomes ---- */

static void alarm_at(nmdm_apns_endpoints_t *dests, apr_time_t at)
{
    if (at < dests->round_at + ROUND) {
        at = dests->round_at + ROUND;
    }
    if (at < dests->alarm) {
        dests->alarm = at;
    }
}

/* Gives a push its outcome; why: unless it has a status, and if nothing is
 * known that says more. */
static void finish(nmdm_apns_endpoints_t *dests,
                   nmdm_apns_endpoint_push_t *push, const char *why)
{
    if (!push->stream.is_whole && !*push->failure) {
        apr_cpystrn(push->failure, why, sizeof(push->failure));
    }
    dests->ended(push);
}

static void finish_all(nmdm_apns_endpoints_t *dests, push_ring_t *ring,
                       const char *why)
{
    nmdm_apns_endpoint_push_t *push;

    while (!APR_RING_EMPTY(ring, nmdm_apns_endpoint_push_t, link)) {
        push = APR_RING_FIRST(ring);
        APR_RING_REMOVE(push, link);
        finish(dests, push, why);
    }
}

/* ---- Another try ---- */

/* A push that is in no ring rests, or has its outcome if that would last
 * beyond its deadline. */
static void try_later(nmdm_apns_endpoint_push_t *push,
                      apr_interval_time_t least)
{
    nmdm_apns_endpoints_t *dests = push->dest->dests;
    apr_interval_time_t pause = nmdm_apns_backoff_pause(++push->tries);

    push->rest_until = dests->now + (pause > least ? pause : least);
    if (push->rest_until >= push->stream.x->deadline) {
        finish(dests, push, "no answer before the deadline");
        return;
    }
    APR_RING_INSERT_TAIL(&push->dest->resting, push, nmdm_apns_endpoint_push_t,
                         link);
    alarm_at(dests, push->rest_until);
}

static void note_failure(nmdm_apns_endpoint_push_t *push, const char *why)
{
    push->stream.is_whole = 0;
    apr_cpystrn(push->failure, why, sizeof(push->failure));
}

static void answered(nmdm_apns_endpoint_push_t *push)
{
    *push->failure = '\0';
    switch (push->stream.status) {
    case 429:
    case 500:
    case 503:
        try_later(push, nmdm_apns_backoff_asked(
            push->stream.kept[NMDM_KEPT_RETRY_AFTER]));
        break;
    default:
        finish(push->dest->dests, push, NULL);
        break;
    }
}

static void stream_ended(nmdm_stream_t *stream, nmdm_stream_end_e how,
                         const char *why)
{
    nmdm_apns_endpoint_push_t *push = (nmdm_apns_endpoint_push_t *)stream;

    APR_RING_REMOVE(push, link);
    push->dest->used_at = push->dest->dests->now;
    if (how == NMDM_STREAM_ANSWERED) {
        answered(push);
        return;
    }
    note_failure(push, why);
    if (how == NMDM_STREAM_RESET) {
        try_later(push, 0);
        return;
    }
    APR_RING_INSERT_HEAD(&push->dest->waiting, push, nmdm_apns_endpoint_push_t,
                         link);
}

/* ---- Destinations ---- */

static int is_same(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static int is_for(const nmdm_apns_endpoint_t *dest,
                  const nmdm_stream_t *stream)
{
    return dest->authority.len == stream->authority.len
           && !memcmp(dest->authority.data, stream->authority.data,
                      stream->authority.len)
           && is_same(dest->server.cert_pem, stream->x->cert_pem)
           && is_same(dest->server.key_pem, stream->x->key_pem);
}

/* NULL when the URL names no host. */
static nmdm_apns_endpoint_t *make_dest(nmdm_apns_endpoints_t *dests,
                                       const nmdm_stream_t *stream)
{
    apr_pool_t *pool;
    nmdm_apns_endpoint_t *dest;
    char *host, *scope;

    apr_pool_create(&pool, dests->pool);
    dest = apr_pcalloc(pool, sizeof(*dest));
    dest->dests = dests;
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
    APR_RING_INIT(&dest->waiting, nmdm_apns_endpoint_push_t, link);
    APR_RING_INIT(&dest->sent, nmdm_apns_endpoint_push_t, link);
    APR_RING_INIT(&dest->resting, nmdm_apns_endpoint_push_t, link);
    APR_RING_INSERT_HEAD(&dests->all, dest, nmdm_apns_endpoint_t, link);
    return dest;
}

static nmdm_apns_endpoint_t *find_dest(nmdm_apns_endpoints_t *dests,
                                       const nmdm_stream_t *stream)
{
    nmdm_apns_endpoint_t *dest;

    APR_RING_FOREACH(dest, &dests->all, nmdm_apns_endpoint_t, link) {
        if (is_for(dest, stream)) {
            return dest;
        }
    }
    return make_dest(dests, stream);
}

static int has_work(const nmdm_apns_endpoint_t *dest)
{
    return !APR_RING_EMPTY(&dest->waiting, nmdm_apns_endpoint_push_t, link)
           || !APR_RING_EMPTY(&dest->sent, nmdm_apns_endpoint_push_t, link)
           || !APR_RING_EMPTY(&dest->resting, nmdm_apns_endpoint_push_t, link);
}

static void disconnect(nmdm_apns_endpoint_t *dest)
{
    nmdm_h2_session_close(dest->conn);
    dest->conn = NULL;
    dest->dests->nlinks--;
}

/* ---- Links ---- */

/* Whether another link may be opened, if need be for one that is idle. */
static int may_connect(nmdm_apns_endpoints_t *dests)
{
    nmdm_apns_endpoint_t *dest, *oldest = NULL;

    if (dests->nlinks < NMDM_APNS_ENDPOINT_LINKS) {
        return 1;
    }
    APR_RING_FOREACH(dest, &dests->all, nmdm_apns_endpoint_t, link) {
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

static void connect_if_due(nmdm_apns_endpoint_t *dest)
{
    nmdm_apns_endpoints_t *dests = dest->dests;

    if (dest->conn ||
        APR_RING_EMPTY(&dest->waiting, nmdm_apns_endpoint_push_t, link)) {
        return;
    }
    if (dests->now < dest->connect_at) {
        alarm_at(dests, dest->connect_at);
        return;
    }
    if (may_connect(dests)) {
        dest->conn = nmdm_h2_session_open(dests->links, dest->pool,
                                          &dest->server, dest, dests->now);
        dests->nlinks++;
    }
}

static void fill_link(nmdm_apns_endpoint_t *dest)
{
    int room = nmdm_h2_session_room(dest->conn);
    nmdm_apns_endpoint_push_t *push;

    if (nmdm_h2_session_is_ready(dest->conn)) {
        *dest->failure = '\0';
    }
    while (room-- > 0 &&
           !APR_RING_EMPTY(&dest->waiting, nmdm_apns_endpoint_push_t, link)) {
        push = APR_RING_FIRST(&dest->waiting);
        APR_RING_REMOVE(push, link);
        APR_RING_INSERT_TAIL(&dest->sent, push, nmdm_apns_endpoint_push_t,
                             link);
        nmdm_h2_session_add(dest->conn, &push->stream, dest->dests->now);
        dest->used_at = dest->dests->now;
    }
    nmdm_h2_session_flush(dest->conn);
}

/* What was on the link waits for the next one, in the order it had: pushes
 * may be repeated. A link that carried an answer is replaced at once. */
static void lose_link(nmdm_apns_endpoint_t *dest)
{
    apr_cpystrn(dest->failure, nmdm_h2_session_failure(dest->conn),
                sizeof(dest->failure));
    if (nmdm_h2_session_has_answered(dest->conn)) {
        dest->failures = 0;
        dest->connect_at = dest->dests->now;
    }
    else {
        dest->connect_at
            = dest->dests->now + nmdm_apns_backoff_pause(++dest->failures);
    }
    while (!APR_RING_EMPTY(&dest->sent, nmdm_apns_endpoint_push_t, link)) {
        nmdm_apns_endpoint_push_t *push = APR_RING_LAST(&dest->sent);

        APR_RING_REMOVE(push, link);
        note_failure(push, dest->failure);
        APR_RING_INSERT_HEAD(&dest->waiting, push, nmdm_apns_endpoint_push_t,
                             link);
    }
    if (nmdm_h2_session_has_failed(dest->conn)) {
        finish_all(dest->dests, &dest->waiting, dest->failure);
    }
    disconnect(dest);
    alarm_at(dest->dests, dest->connect_at);
}

/* All that a destination may want now. */
static void serve(nmdm_apns_endpoint_t *dest)
{
    nmdm_apns_endpoints_t *dests = dest->dests;

    connect_if_due(dest);
    if (dest->conn) {
        fill_link(dest);
        alarm_at(dests, nmdm_h2_session_tick(dest->conn, dests->now));
    }
    if (dest->conn && nmdm_h2_session_failure(dest->conn)) {
        lose_link(dest);
        connect_if_due(dest);   /* at once, or sets the alarm */
    }
}

/* A destination without a link is only kept for its pushes and its pause. */
static void retire(nmdm_apns_endpoint_t *dest)
{
    nmdm_apns_endpoints_t *dests = dest->dests;

    if (has_work(dest)) {
        return;
    }
    if (dest->conn) {
        if (dests->now < dest->used_at + IDLE_LINK) {
            alarm_at(dests, dest->used_at + IDLE_LINK);
            return;
        }
        disconnect(dest);
    }
    if (dests->now < dest->connect_at) {
        alarm_at(dests, dest->connect_at);
        return;
    }
    APR_RING_REMOVE(dest, link);
    apr_pool_destroy(dest->pool);
}

/* ---- Rounds through all pushes ---- */

static void expire(nmdm_apns_endpoint_t *dest, push_ring_t *ring)
{
    nmdm_apns_endpoints_t *dests = dest->dests;
    nmdm_apns_endpoint_push_t *push, *next;

    APR_RING_FOREACH_SAFE(push, next, ring, nmdm_apns_endpoint_push_t, link) {
        if (push->stream.x->deadline > dests->now) {
            alarm_at(dests, push->stream.x->deadline);
            continue;
        }
        APR_RING_REMOVE(push, link);
        if (ring == &dest->sent) {
            nmdm_h2_session_cancel(dest->conn, &push->stream);
        }
        finish(dests, push, *dest->failure ? dest->failure
                                           : "no answer before the deadline");
    }
}

static void wake_rested(nmdm_apns_endpoint_t *dest)
{
    nmdm_apns_endpoint_push_t *push, *next;

    APR_RING_FOREACH_SAFE(push, next, &dest->resting,
                          nmdm_apns_endpoint_push_t, link)
    {
        if (push->rest_until > dest->dests->now) {
            alarm_at(dest->dests, push->rest_until);
            continue;
        }
        APR_RING_REMOVE(push, link);
        APR_RING_INSERT_TAIL(&dest->waiting, push, nmdm_apns_endpoint_push_t,
                             link);
    }
}

static void make_round(nmdm_apns_endpoints_t *dests)
{
    nmdm_apns_endpoint_t *dest, *next;

    dests->round_at = dests->now;
    dests->alarm = NMDM_NEVER;
    APR_RING_FOREACH_SAFE(dest, next, &dests->all, nmdm_apns_endpoint_t, link)
    {
        expire(dest, &dest->waiting);
        expire(dest, &dest->sent);
        expire(dest, &dest->resting);
        wake_rested(dest);
        retire(dest);
    }
}

/* ---- Turns of the thread ---- */

void nmdm_apns_endpoints_enqueue(nmdm_apns_endpoints_t *dests,
                                 nmdm_apns_endpoint_push_t *push)
{
    push->dest = find_dest(dests, &push->stream);
    if (!push->dest) {
        finish(dests, push, "the URL names no host");
        return;
    }
    APR_RING_INSERT_TAIL(&push->dest->waiting, push, nmdm_apns_endpoint_push_t,
                         link);
    alarm_at(dests, push->stream.x->deadline);
}

void nmdm_apns_endpoints_serve(nmdm_apns_endpoints_t *dests)
{
    nmdm_apns_endpoint_t *dest;

    dests->now = nmdm_time_steady();
    if (dests->now >= dests->alarm) {
        make_round(dests);
    }
    APR_RING_FOREACH(dest, &dests->all, nmdm_apns_endpoint_t, link) {
        serve(dest);
    }
}

void nmdm_apns_endpoints_wait(nmdm_apns_endpoints_t *dests)
{
    const apr_pollfd_t *ready;
    apr_interval_time_t timeout = -1;
    apr_int32_t n = 0, i;
    nmdm_apns_endpoint_t *dest;

    if (dests->alarm != NMDM_NEVER) {
        timeout = dests->alarm - dests->now;
        timeout = timeout > 0 ? timeout : 0;
    }
    if (apr_pollset_poll(dests->pollset, timeout, &n, &ready)
        != APR_SUCCESS) {
        return;                 /* time is up, or woken */
    }
    dests->now = nmdm_time_steady();
    for (i = 0; i < n; i++) {
        dest = ready[i].client_data;
        if (dest->conn) {
            nmdm_h2_session_work(dest->conn, dests->now);
        }
    }
}

void nmdm_apns_endpoints_end(nmdm_apns_endpoints_t *dests)
{
    nmdm_apns_endpoint_t *dest;

    APR_RING_FOREACH(dest, &dests->all, nmdm_apns_endpoint_t, link) {
        if (dest->conn) {
            disconnect(dest);
        }
        finish_all(dests, &dest->waiting, "stopping");
        finish_all(dests, &dest->sent, "stopping");
        finish_all(dests, &dest->resting, "stopping");
    }
}

/* ---- Start ---- */

nmdm_err_t *nmdm_apns_endpoints_create(nmdm_apns_endpoints_t **out,
                                       apr_pool_t *p,
                                       const nmdm_apns_endpoints_conf_t *conf)
{
    nmdm_apns_endpoints_t *dests = apr_pcalloc(p, sizeof(*dests));
    nmdm_h2_session_conf_t link_conf = { conf->ca_pem, conf->proxy,
                                         conf->pollset, stream_ended };

    dests->pool = p;
    dests->pollset = conf->pollset;
    dests->ended = conf->ended;
    dests->alarm = NMDM_NEVER;
    APR_RING_INIT(&dests->all, nmdm_apns_endpoint_t, link);
    NMDM_TRY(nmdm_h2_sessions_create(&dests->links, p, &link_conf));
    *out = dests;
    return NULL;
}
