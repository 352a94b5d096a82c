/* SPDX-License-Identifier: Apache-2.0 */
/* apns_endpoint.c -- endpoints of pushes: what waits for which connection, and
 * what is tried again.
 *
 * An endpoint has at most one session and three rings of pushes: those that
 * wait for the session, those that are on it, and those that rest before they
 * are tried again. A push that has an outcome is in none. */

#include "net/apns_endpoint.h"
#include "base/time.h"
#include "net/apns_backoff.h"

#include <apr_network_io.h>
#include <apr_strings.h>

#include <string.h>

#define IDLE_SESSION apr_time_from_sec(600)
/* Rounds through all pushes are not more frequent than this. */
#define ROUND apr_time_from_msec(5)

typedef APR_RING_HEAD(push_ring_t, nmdm_apns_push_t) push_ring_t;

struct nmdm_apns_endpoint_t {
    APR_RING_ENTRY(nmdm_apns_endpoint_t) link;
    nmdm_apns_endpoints_t *endpoints;
    apr_pool_t *pool;
    nmdm_bytes_t authority;     /* as in the URL */
    nmdm_server_t server;
    nmdm_h2_session_t *session; /* or NULL */
    push_ring_t waiting, sent, resting;
    int failures;               /* sessions lost in a row, without an answer */
    apr_time_t connect_at;      /* not before */
    apr_time_t used_at;
    char failure[NMDM_FAILURE_MOST];       /* of the last session, or "" */
};

struct nmdm_apns_endpoints_t {
    apr_pool_t *pool;
    apr_pollset_t *pollset;
    nmdm_apns_endpoint_ended_fn ended;
    nmdm_h2_sessions_t *sessions;
    APR_RING_HEAD(endpoint_ring_t, nmdm_apns_endpoint_t) all;
    int nsessions;
    apr_time_t now;             /* on the steady clock; read once a turn */
    apr_time_t round_at;        /* last round through all pushes */
    apr_time_t alarm;           /* of the next one */
};

/* ---- Outcomes ---- */

static void alarm_at(nmdm_apns_endpoints_t *endpoints, apr_time_t at)
{
    if (at < endpoints->round_at + ROUND) {
        at = endpoints->round_at + ROUND;
    }
    if (at < endpoints->alarm) {
        endpoints->alarm = at;
    }
}

/* Gives a push its outcome; why: unless it has a status, and if nothing is
 * known that says more. */
static void finish(nmdm_apns_endpoints_t *endpoints,
                   nmdm_apns_push_t *push, const char *why)
{
    if (!push->stream.is_whole && !*push->failure) {
        apr_cpystrn(push->failure, why, sizeof(push->failure));
    }
    endpoints->ended(push);
}

static void finish_all(nmdm_apns_endpoints_t *endpoints, push_ring_t *ring,
                       const char *why)
{
    nmdm_apns_push_t *push;

    while (!APR_RING_EMPTY(ring, nmdm_apns_push_t, link)) {
        push = APR_RING_FIRST(ring);
        APR_RING_REMOVE(push, link);
        finish(endpoints, push, why);
    }
}

/* ---- Another try ---- */

/* A push that is in no ring rests, or has its outcome if that would last
 * beyond its deadline. */
static void try_later(nmdm_apns_push_t *push, apr_interval_time_t least)
{
    nmdm_apns_endpoints_t *endpoints = push->endpoint->endpoints;
    apr_interval_time_t pause = nmdm_apns_backoff_pause(++push->tries);

    push->rest_until = endpoints->now + (pause > least ? pause : least);
    if (push->rest_until >= push->stream.x->deadline) {
        finish(endpoints, push, "no answer before the deadline");
        return;
    }
    APR_RING_INSERT_TAIL(&push->endpoint->resting, push,
                         nmdm_apns_push_t, link);
    alarm_at(endpoints, push->rest_until);
}

static void note_failure(nmdm_apns_push_t *push, const char *why)
{
    push->stream.is_whole = 0;
    apr_cpystrn(push->failure, why, sizeof(push->failure));
}

static void answered(nmdm_apns_push_t *push)
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
        finish(push->endpoint->endpoints, push, NULL);
        break;
    }
}

static void stream_ended(nmdm_stream_t *stream, nmdm_stream_end_e how,
                         const char *why)
{
    nmdm_apns_push_t *push = (nmdm_apns_push_t *)stream;

    APR_RING_REMOVE(push, link);
    push->endpoint->used_at = push->endpoint->endpoints->now;
    if (how == NMDM_STREAM_ANSWERED) {
        answered(push);
        return;
    }
    note_failure(push, why);
    if (how == NMDM_STREAM_RESET) {
        try_later(push, 0);
        return;
    }
    APR_RING_INSERT_HEAD(&push->endpoint->waiting, push,
                         nmdm_apns_push_t, link);
}

/* ---- Destinations ---- */

static int is_same(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static int is_for(const nmdm_apns_endpoint_t *endpoint,
                  const nmdm_stream_t *stream)
{
    return endpoint->authority.len == stream->authority.len
           && !memcmp(endpoint->authority.data, stream->authority.data,
                      stream->authority.len)
           && is_same(endpoint->server.cert_pem, stream->x->cert_pem)
           && is_same(endpoint->server.key_pem, stream->x->key_pem);
}

/* NULL when the URL names no host. */
static nmdm_apns_endpoint_t *make_endpoint(nmdm_apns_endpoints_t *endpoints,
                                           const nmdm_stream_t *stream)
{
    apr_pool_t *pool;
    nmdm_apns_endpoint_t *endpoint;
    char *host, *scope;

    apr_pool_create(&pool, endpoints->pool);
    endpoint = apr_pcalloc(pool, sizeof(*endpoint));
    endpoint->endpoints = endpoints;
    endpoint->pool = pool;
    endpoint->authority.data = apr_pstrmemdup(pool, stream->authority.data,
                                              stream->authority.len);
    endpoint->authority.len = stream->authority.len;
    if (apr_parse_addr_port(&host, &scope, &endpoint->server.port,
                            endpoint->authority.data, pool) != APR_SUCCESS
        || !host) {
        apr_pool_destroy(pool);
        return NULL;
    }
    if (!endpoint->server.port) {
        endpoint->server.port = 443;
    }
    endpoint->server.host = host;
    endpoint->server.name
        = apr_psprintf(pool, strchr(host, ':') ? "[%s]:%hu" : "%s:%hu", host,
                       endpoint->server.port);
    endpoint->server.cert_pem = apr_pstrdup(pool, stream->x->cert_pem);
    endpoint->server.key_pem = apr_pstrdup(pool, stream->x->key_pem);
    APR_RING_INIT(&endpoint->waiting, nmdm_apns_push_t, link);
    APR_RING_INIT(&endpoint->sent, nmdm_apns_push_t, link);
    APR_RING_INIT(&endpoint->resting, nmdm_apns_push_t, link);
    APR_RING_INSERT_HEAD(&endpoints->all, endpoint, nmdm_apns_endpoint_t,
                         link);
    return endpoint;
}

static nmdm_apns_endpoint_t *find_endpoint(nmdm_apns_endpoints_t *endpoints,
                                           const nmdm_stream_t *stream)
{
    nmdm_apns_endpoint_t *endpoint;

    APR_RING_FOREACH(endpoint, &endpoints->all, nmdm_apns_endpoint_t, link) {
        if (is_for(endpoint, stream)) {
            return endpoint;
        }
    }
    return make_endpoint(endpoints, stream);
}

static int has_work(const nmdm_apns_endpoint_t *endpoint)
{
    return !APR_RING_EMPTY(&endpoint->waiting, nmdm_apns_push_t, link)
           || !APR_RING_EMPTY(&endpoint->sent, nmdm_apns_push_t, link)
           || !APR_RING_EMPTY(&endpoint->resting, nmdm_apns_push_t, link);
}

static void disconnect(nmdm_apns_endpoint_t *endpoint)
{
    nmdm_h2_session_close(endpoint->session);
    endpoint->session = NULL;
    endpoint->endpoints->nsessions--;
}

/* ---- Links ---- */

/* Whether another session may be opened, if need be for one that is idle. */
static int may_connect(nmdm_apns_endpoints_t *endpoints)
{
    nmdm_apns_endpoint_t *endpoint, *oldest = NULL;

    if (endpoints->nsessions < NMDM_APNS_ENDPOINT_LINKS) {
        return 1;
    }
    APR_RING_FOREACH(endpoint, &endpoints->all, nmdm_apns_endpoint_t, link) {
        if (endpoint->session && !has_work(endpoint)
            && (!oldest || endpoint->used_at < oldest->used_at)) {
            oldest = endpoint;
        }
    }
    if (oldest) {
        disconnect(oldest);
    }
    return oldest != NULL;
}

static void connect_if_due(nmdm_apns_endpoint_t *endpoint)
{
    nmdm_apns_endpoints_t *endpoints = endpoint->endpoints;

    if (endpoint->session ||
        APR_RING_EMPTY(&endpoint->waiting, nmdm_apns_push_t, link)) {
        return;
    }
    if (endpoints->now < endpoint->connect_at) {
        alarm_at(endpoints, endpoint->connect_at);
        return;
    }
    if (may_connect(endpoints)) {
        endpoint->session = nmdm_h2_session_open(
            endpoints->sessions, endpoint->pool, &endpoint->server, endpoint,
            endpoints->now);
        endpoints->nsessions++;
    }
}

static void fill_session(nmdm_apns_endpoint_t *endpoint)
{
    int room = nmdm_h2_session_room(endpoint->session);
    nmdm_apns_push_t *push;

    if (nmdm_h2_session_is_ready(endpoint->session)) {
        *endpoint->failure = '\0';
    }
    while (room-- > 0
           && !APR_RING_EMPTY(&endpoint->waiting, nmdm_apns_push_t, link)) {
        push = APR_RING_FIRST(&endpoint->waiting);
        APR_RING_REMOVE(push, link);
        APR_RING_INSERT_TAIL(&endpoint->sent, push, nmdm_apns_push_t, link);
        nmdm_h2_session_add(endpoint->session, &push->stream,
                            endpoint->endpoints->now);
        endpoint->used_at = endpoint->endpoints->now;
    }
    nmdm_h2_session_flush(endpoint->session);
}

/* What was on the session waits for the next one, in the order it had: pushes
 * may be repeated. A session that carried an answer is replaced at once. */
static void lose_session(nmdm_apns_endpoint_t *endpoint)
{
    apr_cpystrn(endpoint->failure, nmdm_h2_session_failure(endpoint->session),
                sizeof(endpoint->failure));
    if (nmdm_h2_session_has_answered(endpoint->session)) {
        endpoint->failures = 0;
        endpoint->connect_at = endpoint->endpoints->now;
    }
    else {
        endpoint->connect_at = endpoint->endpoints->now
                               + nmdm_apns_backoff_pause(++endpoint->failures);
    }
    while (!APR_RING_EMPTY(&endpoint->sent, nmdm_apns_push_t, link)) {
        nmdm_apns_push_t *push = APR_RING_LAST(&endpoint->sent);

        APR_RING_REMOVE(push, link);
        note_failure(push, endpoint->failure);
        APR_RING_INSERT_HEAD(&endpoint->waiting, push, nmdm_apns_push_t, link);
    }
    if (nmdm_h2_session_failure_is_final(endpoint->session)) {
        finish_all(endpoint->endpoints, &endpoint->waiting, endpoint->failure);
    }
    disconnect(endpoint);
    alarm_at(endpoint->endpoints, endpoint->connect_at);
}

/* All that an endpoint may want now. */
static void serve(nmdm_apns_endpoint_t *endpoint)
{
    nmdm_apns_endpoints_t *endpoints = endpoint->endpoints;

    connect_if_due(endpoint);
    if (endpoint->session) {
        fill_session(endpoint);
        alarm_at(endpoints,
                 nmdm_h2_session_tick(endpoint->session, endpoints->now));
    }
    if (endpoint->session && nmdm_h2_session_failure(endpoint->session)) {
        lose_session(endpoint);
        connect_if_due(endpoint);   /* at once, or sets the alarm */
    }
}

/* An endpoint without a session is only kept for its pushes and its pause. */
static void retire(nmdm_apns_endpoint_t *endpoint)
{
    nmdm_apns_endpoints_t *endpoints = endpoint->endpoints;

    if (has_work(endpoint)) {
        return;
    }
    if (endpoint->session) {
        if (endpoints->now < endpoint->used_at + IDLE_SESSION) {
            alarm_at(endpoints, endpoint->used_at + IDLE_SESSION);
            return;
        }
        disconnect(endpoint);
    }
    if (endpoints->now < endpoint->connect_at) {
        alarm_at(endpoints, endpoint->connect_at);
        return;
    }
    APR_RING_REMOVE(endpoint, link);
    apr_pool_destroy(endpoint->pool);
}

/* ---- Rounds through all pushes ---- */

static void expire(nmdm_apns_endpoint_t *endpoint, push_ring_t *ring)
{
    nmdm_apns_endpoints_t *endpoints = endpoint->endpoints;
    nmdm_apns_push_t *push, *next;

    APR_RING_FOREACH_SAFE(push, next, ring, nmdm_apns_push_t, link) {
        if (push->stream.x->deadline > endpoints->now) {
            alarm_at(endpoints, push->stream.x->deadline);
            continue;
        }
        APR_RING_REMOVE(push, link);
        if (ring == &endpoint->sent) {
            nmdm_h2_session_cancel(endpoint->session, &push->stream);
        }
        finish(endpoints, push, *endpoint->failure ? endpoint->failure
                                           : "no answer before the deadline");
    }
}

static void wake_rested(nmdm_apns_endpoint_t *endpoint)
{
    nmdm_apns_push_t *push, *next;

    APR_RING_FOREACH_SAFE(push, next, &endpoint->resting,
                          nmdm_apns_push_t, link) {
        if (push->rest_until > endpoint->endpoints->now) {
            alarm_at(endpoint->endpoints, push->rest_until);
            continue;
        }
        APR_RING_REMOVE(push, link);
        APR_RING_INSERT_TAIL(&endpoint->waiting, push, nmdm_apns_push_t, link);
    }
}

static void make_round(nmdm_apns_endpoints_t *endpoints)
{
    nmdm_apns_endpoint_t *endpoint, *next;

    endpoints->round_at = endpoints->now;
    endpoints->alarm = NMDM_NEVER;
    APR_RING_FOREACH_SAFE(endpoint, next, &endpoints->all,
                          nmdm_apns_endpoint_t, link)
    {
        expire(endpoint, &endpoint->waiting);
        expire(endpoint, &endpoint->sent);
        expire(endpoint, &endpoint->resting);
        wake_rested(endpoint);
        retire(endpoint);
    }
}

/* ---- Turns of the thread ---- */

void nmdm_apns_endpoints_enqueue(nmdm_apns_endpoints_t *endpoints,
                                 nmdm_apns_push_t *push)
{
    push->endpoint = find_endpoint(endpoints, &push->stream);
    if (!push->endpoint) {
        finish(endpoints, push, "the URL names no host");
        return;
    }
    APR_RING_INSERT_TAIL(&push->endpoint->waiting, push,
                         nmdm_apns_push_t, link);
    alarm_at(endpoints, push->stream.x->deadline);
}

void nmdm_apns_endpoints_serve(nmdm_apns_endpoints_t *endpoints)
{
    nmdm_apns_endpoint_t *endpoint;

    endpoints->now = nmdm_time_steady();
    if (endpoints->now >= endpoints->alarm) {
        make_round(endpoints);
    }
    APR_RING_FOREACH(endpoint, &endpoints->all, nmdm_apns_endpoint_t, link) {
        serve(endpoint);
    }
}

void nmdm_apns_endpoints_wait(nmdm_apns_endpoints_t *endpoints)
{
    const apr_pollfd_t *ready;
    apr_interval_time_t timeout = -1;
    apr_int32_t n = 0, i;
    nmdm_apns_endpoint_t *endpoint;

    if (endpoints->alarm != NMDM_NEVER) {
        timeout = endpoints->alarm - endpoints->now;
        timeout = timeout > 0 ? timeout : 0;
    }
    if (apr_pollset_poll(endpoints->pollset, timeout, &n, &ready)
        != APR_SUCCESS) {
        return;                 /* time is up, or woken */
    }
    endpoints->now = nmdm_time_steady();
    for (i = 0; i < n; i++) {
        endpoint = ready[i].client_data;
        if (endpoint->session) {
            nmdm_h2_session_work(endpoint->session, endpoints->now);
        }
    }
}

void nmdm_apns_endpoints_end(nmdm_apns_endpoints_t *endpoints)
{
    nmdm_apns_endpoint_t *endpoint;

    APR_RING_FOREACH(endpoint, &endpoints->all, nmdm_apns_endpoint_t, link) {
        if (endpoint->session) {
            disconnect(endpoint);
        }
        finish_all(endpoints, &endpoint->waiting, "stopping");
        finish_all(endpoints, &endpoint->sent, "stopping");
        finish_all(endpoints, &endpoint->resting, "stopping");
    }
}

/* ---- Start ---- */

nmdm_err_t *nmdm_apns_endpoints_create(nmdm_apns_endpoints_t **out,
                                       apr_pool_t *p,
                                       const nmdm_apns_endpoints_conf_t *conf)
{
    nmdm_apns_endpoints_t *endpoints = apr_pcalloc(p, sizeof(*endpoints));
    nmdm_h2_session_conf_t session_conf = { conf->ca_pem, conf->proxy,
                                         conf->pollset, stream_ended };

    endpoints->pool = p;
    endpoints->pollset = conf->pollset;
    endpoints->ended = conf->ended;
    endpoints->alarm = NMDM_NEVER;
    APR_RING_INIT(&endpoints->all, nmdm_apns_endpoint_t, link);
    NMDM_TRY(nmdm_h2_sessions_create(&endpoints->sessions, p, &session_conf));
    *out = endpoints;
    return NULL;
}
