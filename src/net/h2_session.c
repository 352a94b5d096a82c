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
#define READS_A_TURN 16         /* then the other sessions have their turn */

/* ---- Frames in and out ---- */

static apr_status_t free_session(void *nghttp2)
{
    nghttp2_session_del(nghttp2);
    return APR_SUCCESS;
}

static int begin_session(nmdm_h2_session_t *session, apr_time_t now)
{
    nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 8192 }
    };
    int rv;

    rv = nghttp2_session_client_new2(&session->nghttp2,
                                     session->sessions->callbacks, session,
                                     session->sessions->option);
    if (rv == 0) {
        apr_pool_cleanup_register(session->pool, session->nghttp2,
                                  free_session, apr_pool_cleanup_null);
        rv = nghttp2_submit_settings(session->nghttp2, NGHTTP2_FLAG_NONE,
                                     settings, 2);
    }
    session->heard = now;
    return rv == 0 || nmdm_h2_stream_failed(session, rv);
}

static void receive(nmdm_h2_session_t *session, apr_time_t now)
{
    char *in = session->sessions->in;
    apr_size_t len;
    ssize_t rv;
    int turn;

    for (turn = 0; turn < READS_A_TURN; turn++) {
        len = nmdm_tls_conn_read(session->conn, in);
        if (!len) {
            return;
        }
        session->heard = now;
        session->is_asked = 0;
        rv = nghttp2_session_mem_recv(session->nghttp2, (const uint8_t *)in,
                                      len);
        if (rv < 0) {
            nmdm_h2_stream_failed(session, (int)rv);
            return;
        }
    }
}

/* Moves frames into `out` until it is full or there are no more. */
static void gather(nmdm_h2_session_t *session)
{
    apr_size_t len;
    ssize_t got;

    while (session->out_len < sizeof(session->out)) {
        if (!session->frame_len) {
            got = nghttp2_session_mem_send(session->nghttp2, &session->frame);
            if (got < 0) {
                nmdm_h2_stream_failed(session, (int)got);
            }
            if (got <= 0) {
                return;
            }
            session->frame_len = (apr_size_t)got;
        }
        len = sizeof(session->out) - session->out_len;
        len = len < session->frame_len ? len : session->frame_len;
        memcpy(session->out + session->out_len, session->frame, len);
        session->out_len += len;
        session->frame += len;
        session->frame_len -= len;
    }
}

/* Whether the server has said all it had to, after its GOAWAY or ours. */
static void check_end(nmdm_h2_session_t *session)
{
    if (session->is_leaving && !session->active) {
        nmdm_tls_conn_fail(session->conn, "%s", session->goaway);
    }
    else if (!nghttp2_session_want_read(session->nghttp2)
             && !nghttp2_session_want_write(session->nghttp2)) {
        nmdm_tls_conn_fail(session->conn, "HTTP/2: session with %s ended",
                           session->server->name);
    }
}

void nmdm_h2_session_flush(nmdm_h2_session_t *session)
{
    if (!session->nghttp2) {
        return;
    }
    while (!nmdm_tls_conn_failure(session->conn)) {
        if (!session->is_held) {
            gather(session);
        }
        session->is_held = !nmdm_tls_conn_write(session->conn, session->out,
                                                session->out_len);
        if (session->is_held) {
            return;
        }
        if (!session->out_len) {
            check_end(session);
            return;
        }
        session->out_len = 0;
    }
}

/* ---- Streams: what nghttp2 calls ---- */

/* Debug data are the server's: only what prints goes into a text. */
static void note_goaway(nmdm_h2_session_t *session,
                        const nghttp2_goaway *frame, apr_time_t now)
{
    apr_size_t len = frame->opaque_data_len, i;

    len = len < 120 ? len : 120;
    apr_snprintf(session->goaway, sizeof(session->goaway),
                 "GOAWAY (code %u)%s%.*s", frame->error_code,
                 len ? ": " : "", (int)len, len ? (const char *)
                 frame->opaque_data : "");
    for (i = 0; session->goaway[i]; i++) {
        if (!apr_isprint(session->goaway[i])) {
            session->goaway[i] = '?';
        }
    }
    if (!session->is_leaving) {
        session->is_leaving = 1;
        session->leave_until = now + LEAVE_WITHIN;
    }
}

static int on_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame,
                    void *data)
{
    nmdm_h2_session_t *session = data;
    nmdm_stream_t *stream;

    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
            session->is_ready = 1;
        }
        break;
    case NGHTTP2_GOAWAY:
        note_goaway(session, &frame->goaway, session->heard);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        stream = nghttp2_session_get_stream_user_data(nghttp2,
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
int nmdm_h2_session_room(const nmdm_h2_session_t *session)
{
    apr_uint32_t most;

    if (!session->is_ready || session->is_leaving
        || nmdm_tls_conn_failure(session->conn)
        || !nghttp2_session_check_request_allowed(session->nghttp2)) {
        return 0;
    }
    most = nghttp2_session_get_remote_settings(
        session->nghttp2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    most = most < MAX_STREAMS ? most : MAX_STREAMS;
    return most > (apr_uint32_t)session->active
           ? (int)most - session->active : 0;
}

/* ---- The course of a session ---- */

nmdm_h2_session_t *nmdm_h2_session_open(nmdm_h2_sessions_t *sessions,
                                        apr_pool_t *p,
                                        const nmdm_server_t *server,
                                        void *owner, apr_time_t now)
{
    nmdm_h2_session_t *session;
    apr_pool_t *pool;

    apr_pool_create(&pool, p);
    session = apr_pcalloc(pool, sizeof(*session));
    session->sessions = sessions;
    session->pool = pool;
    session->server = server;
    session->conn = nmdm_tls_conn_open(sessions->conns, pool, server, owner,
                                       now + CONNECT_WITHIN, now);
    return session;
}

void nmdm_h2_session_close(nmdm_h2_session_t *session)
{
    if (session->nghttp2 && !nmdm_tls_conn_failure(session->conn)) {
        nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_NO_ERROR);
        nmdm_h2_session_flush(session);
    }
    nmdm_tls_conn_close(session->conn);
    apr_pool_destroy(session->pool);
}

void nmdm_h2_session_work(nmdm_h2_session_t *session, apr_time_t now)
{
    if (!session->nghttp2 && (!nmdm_tls_conn_connect(session->conn, now)
                              || !begin_session(session, now))) {
        return;
    }
    receive(session, now);
    nmdm_h2_session_flush(session);
}

apr_time_t nmdm_h2_session_tick(nmdm_h2_session_t *session, apr_time_t now)
{
    if (nmdm_tls_conn_failure(session->conn)) {
        return NMDM_NEVER;
    }
    if (!session->is_ready) {
        return nmdm_tls_conn_tick(session->conn, now);
    }
    if (session->is_leaving) {
        if (now >= session->leave_until) {
            nmdm_tls_conn_fail(session->conn, "%s", session->goaway);
        }
        return session->leave_until;
    }
    if (!session->active) {
        return NMDM_NEVER;
    }
    if (now >= session->heard + 2 * SILENCE) {
        nmdm_tls_conn_fail(session->conn, "%s has fallen silent",
                           session->server->name);
        return NMDM_NEVER;
    }
    if (now < session->heard + SILENCE) {
        return session->heard + SILENCE;
    }
    if (!session->is_asked) {
        session->is_asked = 1;
        nghttp2_submit_ping(session->nghttp2, NGHTTP2_FLAG_NONE, NULL);
        nmdm_h2_session_flush(session);
    }
    return session->heard + 2 * SILENCE;
}

const char *nmdm_h2_session_failure(const nmdm_h2_session_t *session)
{
    return nmdm_tls_conn_failure(session->conn);
}

int nmdm_h2_session_failure_is_final(const nmdm_h2_session_t *session)
{
    return nmdm_tls_conn_failure_is_final(session->conn);
}

int nmdm_h2_session_is_ready(const nmdm_h2_session_t *session)
{
    return session->is_ready;
}

int nmdm_h2_session_has_answered(const nmdm_h2_session_t *session)
{
    return session->has_answered;
}

/* ---- What all sessions share ---- */

static apr_status_t free_shared(void *data)
{
    nmdm_h2_sessions_t *sessions = data;

    nghttp2_option_del(sessions->option);
    nghttp2_session_callbacks_del(sessions->callbacks);
    return APR_SUCCESS;
}

static nmdm_err_t *make_http2(nmdm_h2_sessions_t *sessions, apr_pool_t *p)
{
    if (nghttp2_session_callbacks_new(&sessions->callbacks)
        || nghttp2_option_new(&sessions->option)) {
        return nmdm_err(p, NMDM_INTERNAL, APR_ENOMEM,
                        NMDMNO(1605) "no memory for HTTP/2 of pushes");
    }
    nmdm_h2_stream_set_callbacks(sessions->callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(sessions->callbacks,
                                                         on_frame);
    nghttp2_option_set_no_closed_streams(sessions->option, 1);
    return NULL;
}

nmdm_err_t *nmdm_h2_sessions_create(nmdm_h2_sessions_t **out, apr_pool_t *p,
                                    const nmdm_h2_session_conf_t *conf)
{
    nmdm_h2_sessions_t *sessions = apr_pcalloc(p, sizeof(*sessions));

    sessions->ended = conf->ended;
    apr_pool_cleanup_register(p, sessions, free_shared, apr_pool_cleanup_null);
    NMDM_TRY(nmdm_tls_conns_create(&sessions->conns, p, conf->ca_pem,
                                   conf->proxy, conf->pollset));
    NMDM_TRY(make_http2(sessions, p));
    *out = sessions;
    return NULL;
}
