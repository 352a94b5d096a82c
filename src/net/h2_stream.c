/* SPDX-License-Identifier: Apache-2.0 */
/* h2_stream.c -- the streams of an HTTP/2 connection: a request each, and what
 * is heard of it. */

#include "net/h2_session_parts.h"
#include "net/h2_session.h"

#include <apr_strings.h>

#include <string.h>

#define MAX_HEADERS 32
#define FIRST_REPLY 256         /* bytes; enough for every reason */
#define MAX_REPLY 4096

const char *const NMDM_KEPT_NAMES[NMDM_KEPT_COUNT] = {
    "apns-id", "apns-unique-id", "retry-after"
};

int nmdm_h2_stream_failed(nmdm_h2_session_t *session, int code)
{
    return nmdm_tls_conn_fail(session->conn, "HTTP/2: %s",
                              nghttp2_strerror(code));
}

static ssize_t read_body(nghttp2_session *nghttp2, int32_t id, uint8_t *buf,
                         size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *data)
{
    nmdm_stream_t *stream = nghttp2_session_get_stream_user_data(nghttp2,
                                                                 id);
    apr_size_t left;

    (void)source, (void)data;
    if (!stream) {              /* cancelled */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    left = stream->x->body.len - stream->sent;
    if (length >= left) {
        length = left;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    memcpy(buf, stream->x->body.data + stream->sent, length);
    stream->sent += length;
    return (ssize_t)length;
}

static int on_begin_headers(nghttp2_session *nghttp2,
                            const nghttp2_frame *frame, void *data)
{
    nmdm_stream_t *stream
        = nghttp2_session_get_stream_user_data(nghttp2, frame->hd.stream_id);

    (void)data;
    if (stream && frame->headers.cat == NGHTTP2_HCAT_RESPONSE) {
        stream->status = stream->is_whole = 0;
        stream->len = 0;
        memset(stream->kept, 0, sizeof(stream->kept));
    }
    return 0;
}

static int on_header(nghttp2_session *nghttp2, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data)
{
    nmdm_stream_t *stream
        = nghttp2_session_get_stream_user_data(nghttp2, frame->hd.stream_id);
    int i;

    (void)name_len, (void)flags, (void)data;
    if (!stream) {
        return 0;
    }
    /* nghttp2 has seen to it that it is a number of three digits. */
    if (!strcmp((const char *)name, ":status")) {
        stream->status = (int)apr_atoi64((const char *)value);
    }
    for (i = 0; i < NMDM_KEPT_COUNT; i++) {
        if (value_len < sizeof(stream->kept[i])
            && !strcmp((const char *)name, NMDM_KEPT_NAMES[i])) {
            memcpy(stream->kept[i], value, value_len + 1);
        }
    }
    return 0;
}

/* Reasons take less than the first piece; nothing is kept beyond the second,
 * and both serve again when the request is repeated. */
static void make_room(nmdm_stream_t *stream, apr_size_t len)
{
    apr_size_t room = len <= FIRST_REPLY ? FIRST_REPLY : MAX_REPLY;
    char *reply;

    if (stream->room < len && stream->room < room) {
        reply = apr_palloc(stream->pool, room);
        if (stream->len) {
            memcpy(reply, stream->reply, stream->len);
        }
        stream->reply = reply;
        stream->room = room;
    }
}

static int on_data(nghttp2_session *nghttp2, uint8_t flags, int32_t id,
                   const uint8_t *bytes, size_t len, void *data)
{
    nmdm_stream_t *stream = nghttp2_session_get_stream_user_data(nghttp2,
                                                                 id);

    (void)flags, (void)data;
    if (stream) {
        make_room(stream, stream->len + len);
        if (len > stream->room - stream->len) {
            len = stream->room - stream->len;
        }
        memcpy(stream->reply + stream->len, bytes, len);
        stream->len += len;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *nghttp2, int32_t id,
                           uint32_t code, void *data)
{
    nmdm_h2_session_t *session = data;
    nmdm_stream_t *stream = nghttp2_session_get_stream_user_data(nghttp2,
                                                                 id);
    char why[60];

    if (!stream) {
        return 0;
    }
    session->active--;
    stream->id = 0;
    if (stream->is_whole) {
        session->has_answered = 1;
        session->sessions->ended(stream, NMDM_STREAM_ANSWERED, NULL);
    }
    else if (session->is_leaving && code == NGHTTP2_REFUSED_STREAM) {
        session->sessions->ended(stream, NMDM_STREAM_UNSEEN, session->goaway);
    }
    else {
        apr_snprintf(why, sizeof(why), "stream reset (code %u)", code);
        session->sessions->ended(stream, NMDM_STREAM_RESET, why);
    }
    return 0;
}

static nghttp2_nv field(const char *name, const char *value, apr_size_t len)
{
    nghttp2_nv nv;

    nv.name = (uint8_t *)name;
    nv.namelen = strlen(name);
    nv.value = (uint8_t *)value;
    nv.valuelen = len;
    nv.flags = NGHTTP2_NV_FLAG_NONE;
    return nv;
}

/* nghttp2 ensures that names are in lower case. */
static size_t fields_of(nghttp2_nv *nv, const nmdm_stream_t *stream)
{
    const nmdm_exchange_t *x = stream->x;
    const apr_array_header_t *headers;
    const apr_table_entry_t *entry;
    size_t n = 0;
    int i;

    nv[n++] = field(":method", x->method, strlen(x->method));
    nv[n++] = field(":scheme", "https", 5);
    nv[n++] = field(":authority", stream->authority.data,
                    stream->authority.len);
    nv[n++] = field(":path", stream->path, strlen(stream->path));
    if (x->headers) {
        headers = apr_table_elts(x->headers);
        for (i = 0; i < headers->nelts && n < MAX_HEADERS; i++) {
            entry = &APR_ARRAY_IDX(headers, i, apr_table_entry_t);
            nv[n++] = field(entry->key, entry->val, strlen(entry->val));
        }
    }
    return n;
}

void nmdm_h2_session_add(nmdm_h2_session_t *session, nmdm_stream_t *stream,
                         apr_time_t now)
{
    nghttp2_data_provider body = { .read_callback = read_body };
    nghttp2_nv nv[MAX_HEADERS];

    if (!session->active) {
        session->heard = now;      /* until now there was nothing to say */
    }
    stream->sent = 0;
    stream->id = nghttp2_submit_request(session->nghttp2, NULL, nv,
                                        fields_of(nv, stream),
                                        stream->x->body.len ? &body : NULL,
                                        stream);
    if (stream->id < 0) {
        nmdm_h2_stream_failed(session, stream->id);
        stream->id = 0;
        return;
    }
    session->active++;
}

void nmdm_h2_session_cancel(nmdm_h2_session_t *session, nmdm_stream_t *stream)
{
    if (stream->id && !nmdm_tls_conn_failure(session->conn)) {
        nghttp2_session_set_stream_user_data(session->nghttp2, stream->id,
                                             NULL);
        nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE,
                                  stream->id, NGHTTP2_CANCEL);
        session->active--;
    }
    stream->id = 0;
}

void nmdm_h2_stream_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                              on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                           on_stream_close);
}
