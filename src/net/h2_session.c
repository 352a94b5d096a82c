/* SPDX-License-Identifier: Apache-2.0 */
/* h2_session.c -- one HTTP/2 connection: frames, SETTINGS, PING, GOAWAY, and
 * how many streams there may be. */

#include "net/h2_session.h"
#include "net/h2_session_parts.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* From the first packet to the server's SETTINGS. */
#define CONNECT_WITHIN apr_time_from_sec(10)
/* With requests under way, a server that is silent for so long is asked
 * whether it is there, and after as much again is taken for lost. */
#define SILENCE apr_time_from_sec(3)
/* After GOAWAY, for the requests that the server still wants to answer. */
#define LEAVE_WITHIN apr_time_from_sec(2)

#define MAX_STREAMS 1000
#define READS_A_TURN 16         /* then the other links have their turn */

/* ---- Frames in and out ---- */

static apr_status_t free_session(void *session)
{
    nghttp2_session_del(session);
    return APR_SUCCESS;
}

static int begin_session(nmdm_h2_session_t *link, apr_time_t now)
{
    nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 8192 }
    };
    int rv;

    rv = nghttp2_session_client_new2(&link->session, link->links->callbacks,
                                     link, link->links->option);
    if (rv == 0) {
        apr_pool_cleanup_register(link->pool, link->session, free_session,
                                  apr_pool_cleanup_null);
        rv = nghttp2_submit_settings(link->session, NGHTTP2_FLAG_NONE,
                                     settings, 2);
    }
    link->heard = now;
    return rv == 0 || nmdm_h2_stream_failed(link, rv);
}

static void receive(nmdm_h2_session_t *link, apr_time_t now)
{
    char *in = link->links->in;
    apr_size_t len;
    ssize_t rv;
    int turn;

    for (turn = 0; turn < READS_A_TURN; turn++) {
        len = nmdm_tls_conn_read(link->wire, in);
        if (!len) {
            return;
        }
        link->heard = now;
        link->is_asked = 0;
        rv = nghttp2_session_mem_recv(link->session, (const uint8_t *)in,
                                      len);
        if (rv < 0) {
            nmdm_h2_stream_failed(link, (int)rv);
            return;
        }
    }
}

/* Moves frames into `out` until it is full or there are no more. */
static void gather(nmdm_h2_session_t *link)
{
    apr_size_t len;
    ssize_t got;

    while (link->out_len < sizeof(link->out)) {
        if (!link->frame_len) {
            got = nghttp2_session_mem_send(link->session, &link->frame);
            if (got < 0) {
                nmdm_h2_stream_failed(link, (int)got);
            }
            if (got <= 0) {
                return;
            }
            link->frame_len = (apr_size_t)got;
        }
        len = sizeof(link->out) - link->out_len;
        len = len < link->frame_len ? len : link->frame_len;
        memcpy(link->out + link->out_len, link->frame, len);
        link->out_len += len;
        link->frame += len;
        link->frame_len -= len;
    }
}

/* Whether the server has said all it had to, after its GOAWAY or ours. */
static void check_end(nmdm_h2_session_t *link)
{
    if (link->is_leaving && !link->active) {
        nmdm_tls_conn_fail(link->wire, "%s", link->goaway);
    }
    else if (!nghttp2_session_want_read(link->session)
             && !nghttp2_session_want_write(link->session)) {
        nmdm_tls_conn_fail(link->wire, "HTTP/2: session with %s ended",
                           link->server->name);
    }
}

void nmdm_h2_session_flush(nmdm_h2_session_t *link)
{
    if (!link->session) {
        return;
    }
    while (!nmdm_tls_conn_failure(link->wire)) {
        if (!link->is_held) {
            gather(link);
        }
        link->is_held = !nmdm_tls_conn_write(link->wire, link->out,
                                             link->out_len);
        if (link->is_held) {
            return;
        }
        if (!link->out_len) {
            check_end(link);
            return;
        }
        link->out_len = 0;
    }
}

/* ---- Streams: what nghttp2 calls ---- */

/* Debug data are the server's: only what prints goes into a text. */
static void note_goaway(nmdm_h2_session_t *link, const nghttp2_goaway *frame,
                        apr_time_t now)
{
    apr_size_t len = frame->opaque_data_len, i;

    len = len < 120 ? len : 120;
    apr_snprintf(link->goaway, sizeof(link->goaway),
                 "GOAWAY (code %u)%s%.*s", frame->error_code,
                 len ? ": " : "", (int)len, len ? (const char *)
                 frame->opaque_data : "");
    for (i = 0; link->goaway[i]; i++) {
        if (!apr_isprint(link->goaway[i])) {
            link->goaway[i] = '?';
        }
    }
    if (!link->is_leaving) {
        link->is_leaving = 1;
        link->leave_until = now + LEAVE_WITHIN;
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                    void *data)
{
    nmdm_h2_session_t *link = data;
    nmdm_stream_t *stream;

    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
            link->is_ready = 1;
        }
        break;
    case NGHTTP2_GOAWAY:
        note_goaway(link, &frame->goaway, link->heard);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        stream = nghttp2_session_get_stream_user_data(session,
                                                      frame->hd.stream_id);
        if (stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
            stream->is_whole = 1;
        }
        break;
    default:
        break;
    }
    return 0;
}

/* ---- Streams: what the owner calls ---- */

/* Settings may say 0, or less than there are. */
int nmdm_h2_session_room(const nmdm_h2_session_t *link)
{
    apr_uint32_t most;

    if (!link->is_ready || link->is_leaving
        || nmdm_tls_conn_failure(link->wire)
        || !nghttp2_session_check_request_allowed(link->session)) {
        return 0;
    }
    most = nghttp2_session_get_remote_settings(
        link->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    most = most < MAX_STREAMS ? most : MAX_STREAMS;
    return most > (apr_uint32_t)link->active
           ? (int)most - link->active : 0;
}

/* ---- The course of a link ---- */

nmdm_h2_session_t *nmdm_h2_session_open(nmdm_h2_sessions_t *links,
                                        apr_pool_t *p,
                                        const nmdm_server_t *server,
                                        void *owner, apr_time_t now)
{
    nmdm_h2_session_t *link;
    apr_pool_t *pool;

    apr_pool_create(&pool, p);
    link = apr_pcalloc(pool, sizeof(*link));
    link->links = links;
    link->pool = pool;
    link->server = server;
    link->wire = nmdm_tls_conn_open(links->wires, pool, server, owner,
                                    now + CONNECT_WITHIN, now);
    return link;
}

void nmdm_h2_session_close(nmdm_h2_session_t *link)
{
    if (link->session && !nmdm_tls_conn_failure(link->wire)) {
        nghttp2_session_terminate_session(link->session, NGHTTP2_NO_ERROR);
        nmdm_h2_session_flush(link);
    }
    nmdm_tls_conn_close(link->wire);
    apr_pool_destroy(link->pool);
}

void nmdm_h2_session_work(nmdm_h2_session_t *link, apr_time_t now)
{
    if (!link->session && (!nmdm_tls_conn_connect(link->wire, now)
                           || !begin_session(link, now))) {
        return;
    }
    receive(link, now);
    nmdm_h2_session_flush(link);
}

apr_time_t nmdm_h2_session_tick(nmdm_h2_session_t *link, apr_time_t now)
{
    if (nmdm_tls_conn_failure(link->wire)) {
        return NMDM_NEVER;
    }
    if (!link->is_ready) {
        return nmdm_tls_conn_tick(link->wire, now);
    }
    if (link->is_leaving) {
        if (now >= link->leave_until) {
            nmdm_tls_conn_fail(link->wire, "%s", link->goaway);
        }
        return link->leave_until;
    }
    if (!link->active) {
        return NMDM_NEVER;
    }
    if (now >= link->heard + 2 * SILENCE) {
        nmdm_tls_conn_fail(link->wire, "%s has fallen silent",
                           link->server->name);
        return NMDM_NEVER;
    }
    if (now < link->heard + SILENCE) {
        return link->heard + SILENCE;
    }
    if (!link->is_asked) {
        link->is_asked = 1;
        nghttp2_submit_ping(link->session, NGHTTP2_FLAG_NONE, NULL);
        nmdm_h2_session_flush(link);
    }
    return link->heard + 2 * SILENCE;
}

const char *nmdm_h2_session_failure(const nmdm_h2_session_t *link)
{
    return nmdm_tls_conn_failure(link->wire);
}

int nmdm_h2_session_has_failed(const nmdm_h2_session_t *link)
{
    return nmdm_tls_conn_has_failed(link->wire);
}

int nmdm_h2_session_is_ready(const nmdm_h2_session_t *link)
{
    return link->is_ready;
}

int nmdm_h2_session_has_answered(const nmdm_h2_session_t *link)
{
    return link->has_answered;
}

/* ---- What all links share ---- */

static apr_status_t free_shared(void *data)
{
    nmdm_h2_sessions_t *links = data;

    nghttp2_option_del(links->option);
    nghttp2_session_callbacks_del(links->callbacks);
    return APR_SUCCESS;
}

static nmdm_err_t *make_http2(nmdm_h2_sessions_t *links, apr_pool_t *p)
{
    if (nghttp2_session_callbacks_new(&links->callbacks)
        || nghttp2_option_new(&links->option)) {
        return nmdm_err(p, NMDM_INTERNAL, APR_ENOMEM,
                        NMDMNO(1605) "no memory for HTTP/2 of pushes");
    }
    nmdm_h2_stream_set_callbacks(links->callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(links->callbacks,
                                                         on_frame);
    nghttp2_option_set_no_closed_streams(links->option, 1);
    return NULL;
}

nmdm_err_t *nmdm_h2_sessions_create(nmdm_h2_sessions_t **out, apr_pool_t *p,
                                    const nmdm_h2_session_conf_t *conf)
{
    nmdm_h2_sessions_t *links = apr_pcalloc(p, sizeof(*links));

    links->ended = conf->ended;
    apr_pool_cleanup_register(p, links, free_shared, apr_pool_cleanup_null);
    NMDM_TRY(nmdm_tls_conns_create(&links->wires, p, conf->ca_pem, conf->proxy,
                                   conf->pollset));
    NMDM_TRY(make_http2(links, p));
    *out = links;
    return NULL;
}
