/* SPDX-License-Identifier: Apache-2.0 */
/* h2_session.h -- one HTTP/2 connection: streams over a connection. The middle
 * part of net/apns_client.c.
 *
 * A session belongs to one thread and waits for nothing but the lookup of a
 * name. Once it has failed it is of no use: close it, open another. */

#ifndef NMDM_H2_SESSION_H
#define NMDM_H2_SESSION_H

#include "net/exchange.h"
#include "net/tls_conn.h"

typedef struct nmdm_h2_session_t nmdm_h2_session_t;
typedef struct nmdm_h2_sessions_t nmdm_h2_sessions_t;

/* Reply headers that are kept, in this order; longer values are dropped. */
enum { NMDM_KEPT_ID, NMDM_KEPT_UNIQUE_ID, NMDM_KEPT_RETRY_AFTER,
       NMDM_KEPT_COUNT };
extern const char *const NMDM_KEPT_NAMES[NMDM_KEPT_COUNT];

/* A request and the last that was heard of it. */
typedef struct {
    /* set by the owner */
    const nmdm_exchange_t *x;   /* method, headers and body are read */
    nmdm_bytes_t authority;     /* host or host:port */
    const char *path;
    apr_pool_t *pool;           /* of the reply body */

    /* the last reply, until another begins */
    int status;
    int is_whole;               /* has it ended? */
    char kept[NMDM_KEPT_COUNT][64];
    char *reply;                /* its first 4 KB */
    apr_size_t len, room;

    /* the session's own */
    apr_int32_t id;
    apr_size_t sent;            /* of the body */
} nmdm_stream_t;

typedef enum {
    NMDM_STREAM_ANSWERED,
    NMDM_STREAM_RESET,          /* this stream failed, the session did not */
    NMDM_STREAM_UNSEEN          /* refused by GOAWAY */
} nmdm_stream_end_e;

/* Called once for each stream that ends before its session does; the session
 * does not look at the stream again. why: for all but ANSWERED. */
typedef void (*nmdm_stream_ended_fn)(nmdm_stream_t *stream,
                                     nmdm_stream_end_e how, const char *why);

typedef struct {
    const char *ca_pem;         /* PEM, NULL: the system's */
    const char *proxy;          /* http://[user:password@]host:port or NULL */
    apr_pollset_t *pollset;     /* where sessions register themselves */
    nmdm_stream_ended_fn ended;
} nmdm_h2_session_conf_t;

/* What all sessions share: trust, proxy, callbacks. */
nmdm_err_t *nmdm_h2_sessions_create(nmdm_h2_sessions_t **out, apr_pool_t *p,
                                    const nmdm_h2_session_conf_t *conf);

/* Begins to connect. owner becomes the pollset's client_data; server must
 * outlive the session, whose memory is a pool below p. */
nmdm_h2_session_t *nmdm_h2_session_open(nmdm_h2_sessions_t *sessions,
                                        apr_pool_t *p,
                                        const nmdm_server_t *server,
                                        void *owner, apr_time_t now);

/* Its streams get no outcome. */
void nmdm_h2_session_close(nmdm_h2_session_t *session);

/* To be called when the pollset says so: goes on with what can be done. */
void nmdm_h2_session_work(nmdm_h2_session_t *session, apr_time_t now);

/* To be called from time to time: time-outs. Returns when to call again. */
apr_time_t nmdm_h2_session_tick(nmdm_h2_session_t *session, apr_time_t now);

/* How many streams may be added now. */
int nmdm_h2_session_room(const nmdm_h2_session_t *session);
void nmdm_h2_session_add(nmdm_h2_session_t *session, nmdm_stream_t *stream,
                         apr_time_t now);
/* Sends what was added. */
void nmdm_h2_session_flush(nmdm_h2_session_t *session);
/* Resets a stream that was added, because its caller waits no longer. */
void nmdm_h2_session_cancel(nmdm_h2_session_t *session, nmdm_stream_t *stream);

/* What went wrong, one line; NULL while the session is of use. */
const char *nmdm_h2_session_failure(const nmdm_h2_session_t *session);
/* Whether every other session to this server would fail in the same way. */
int nmdm_h2_session_failure_is_final(const nmdm_h2_session_t *session);
/* Has the server been heard (its SETTINGS), has it answered a request? */
int nmdm_h2_session_is_ready(const nmdm_h2_session_t *session);
int nmdm_h2_session_has_answered(const nmdm_h2_session_t *session);

#endif /* NMDM_H2_SESSION_H */
