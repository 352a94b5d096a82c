/* SPDX-License-Identifier: Apache-2.0 */
/* h2_session_parts.h -- what h2_session.c and h2_stream.c share; the only
 * files that know nghttp2. */

#ifndef NMDM_H2_SESSION_PARTS_H
#define NMDM_H2_SESSION_PARTS_H

#include "net/h2_session.h"

#include <nghttp2/nghttp2.h>

struct nmdm_h2_sessions_t {
    nmdm_tls_conns_t *conns;
    nmdm_stream_ended_fn ended;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    char in[NMDM_TLS_CONN_RECORD];  /* what one read brings */
};

struct nmdm_h2_session_t {
    nmdm_h2_sessions_t *sessions;
    apr_pool_t *pool;
    nmdm_tls_conn_t *conn;
    const nmdm_server_t *server;
    nghttp2_session *nghttp2;   /* NULL until the connection is usable */
    int active;                 /* streams */
    int is_ready, has_answered;
    apr_time_t heard;           /* last, or since when it should be */
    int is_asked;               /* whether it is there */
    int is_leaving;
    apr_time_t leave_until;
    char goaway[NMDM_FAILURE_MOST];

    /* Frames are gathered here, so that many go out in one record. */
    char out[NMDM_TLS_CONN_RECORD];
    apr_size_t out_len;
    int is_held;                /* must `out` be written again as it is? */
    const uint8_t *frame;       /* nghttp2's, not all of it in out yet */
    apr_size_t frame_len;
};

/* Has nghttp2 call for what is heard of streams. */
void nmdm_h2_stream_set_callbacks(nghttp2_session_callbacks *callbacks);

/* Notes an error of nghttp2; returns 0. */
int nmdm_h2_stream_failed(nmdm_h2_session_t *session, int code);

#endif /* NMDM_H2_SESSION_PARTS_H */
