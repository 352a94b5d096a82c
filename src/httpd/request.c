/* SPDX-License-Identifier: Apache-2.0 */
/* request.c -- from request_rec to context: policy, trace, body. */

#include "httpd/request.h"
#include "base/shared_pool.h"
#include "config/config.h"
#include "httpd/log.h"
#include "httpd/site.h"
#include "httpd/trace.h"
#include "httpd/traffic_dump.h"

#include <apr_atomic.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <util_filter.h>
#include <http_log.h>

APLOG_USE_MODULE(nanomdm);

/* What is asked for at once of the input filters. */
#define CHUNK 65536

/* ---- The context ---- */

/* Of a server without handlers; never used. */
static nmdm_services_t NOTHING;

nmdm_err_t *nanomdm_context(nmdm_ctx_t **out, request_rec *r)
{
    nanomdm_server_t *server = nanomdm_server(r->server);
    nmdm_ctx_t *ctx = apr_pcalloc(r->pool, sizeof(*ctx));

    ctx->pool = r->pool;
    ctx->policy = &nanomdm_conf(r)->policy;
    ctx->trace_id = nanomdm_new_trace_id(r->pool);
    ctx->traceparent = nanomdm_traceparent(r);
    ctx->now = r->request_time;
    ctx->query = r->args;
    ctx->access_log = (nmdm_access_log_t){ "", "", "", "", "", "" };
    ctx->log = nanomdm_log_remark;
    ctx->log_baton = r;
    ctx->wants_debug = APLOG_R_IS_LEVEL(r, APLOG_DEBUG);
    ctx->services = server->site ? &server->site->services : &NOTHING;
    *out = ctx;
    if (!server->site) {
        return nmdm_err(r->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(1101)
                        "no database for this server: the handler %s has to"
                        " be named by SetHandler", r->handler);
    }
    return NULL;
}

/* ---- The body ---- */

typedef struct {
    request_rec *r;
    nmdm_shared_pool_t *pool;   /* of data; NULL: the request's */
    char *data;
    apr_size_t len, room, most;
} buffer_t;

static nmdm_err_t *too_large(const buffer_t *buffer)
{
    return nmdm_err(buffer->r->pool, NMDM_TOO_LARGE, APR_SUCCESS,
                    NMDMNO(1102) "request body is larger than NanoMDMMaxBody (%"
                    APR_SIZE_T_FMT ") or LimitRequestBody allow",
                    buffer->most);
}

/* httpd's own limit, LimitRequestBody, speaks through the filters, and after
 * AP_FILTER_ERROR has already answered. The rest is a client that went away or
 * a server that stops: the answer is not read, and no thread need be woken. */
static nmdm_err_t *read_failed(request_rec *r, apr_status_t rv)
{
    int status = ap_map_http_request_error(rv, HTTP_INTERNAL_SERVER_ERROR);
    nmdm_kind_e kind = status == HTTP_REQUEST_ENTITY_TOO_LARGE
        ? NMDM_TOO_LARGE
        : status == HTTP_BAD_REQUEST ? NMDM_INVALID : NMDM_REFUSED;

    return nmdm_err(r->pool, kind, rv, NMDMNO(1104)
                    "cannot read the request body");
}

static void allocate(buffer_t *buffer, apr_size_t room)
{
    buffer->data = apr_palloc(nmdm_shared_pool_for(room, buffer->r->pool,
                                                   &buffer->pool), room);
    buffer->room = room;
}

/* Of a body whose length was not announced. Each large buffer has a pool of its
 * own, so that it is given back when it is outgrown. */
static void make_room(buffer_t *buffer, apr_size_t needed)
{
    nmdm_shared_pool_t *before = buffer->pool;
    apr_size_t room = buffer->room * 2;
    const char *data = buffer->data;

    while (room < needed) {
        room *= 2;
    }
    allocate(buffer, room);
    memcpy(buffer->data, data, buffer->len);
    if (before) {
        nmdm_shared_pool_release(before, buffer->r->pool);
    }
}

static nmdm_err_t *append(buffer_t *buffer, apr_bucket *bucket)
{
    const char *data;
    apr_size_t len;
    apr_status_t rv = apr_bucket_read(bucket, &data, &len, APR_BLOCK_READ);

    if (rv != APR_SUCCESS) {
        return read_failed(buffer->r, rv);
    }
    if (len > buffer->most - buffer->len) {
        return too_large(buffer);
    }
    if (buffer->len + len + 1 > buffer->room) {
        make_room(buffer, buffer->len + len + 1);
    }
    memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
    return NULL;
}

static nmdm_err_t *append_all(buffer_t *buffer, apr_bucket_brigade *brigade,
                              int *at_end)
{
    apr_bucket *bucket;

    for (bucket = APR_BRIGADE_FIRST(brigade);
         bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        if (APR_BUCKET_IS_EOS(bucket)) {
            *at_end = 1;
            return NULL;
        }
        if (!APR_BUCKET_IS_METADATA(bucket)) {
            NMDM_TRY(append(buffer, bucket));
        }
    }
    return NULL;
}

/* What is announced to be too large need not be read. The room for the rest is
 * made once; what is announced and not sent stays untouched, and so takes no
 * memory. */
static nmdm_err_t *start(buffer_t *buffer)
{
    request_rec *r = buffer->r;
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_int64_t announced = length ? apr_atoi64(length) : 0;
    apr_off_t core_limit = ap_get_limit_req_body(r);

    if (buffer->most > (apr_size_t)nanomdm_conf(r)->max_body) {
        buffer->most = (apr_size_t)nanomdm_conf(r)->max_body;
    }
    if (announced > (apr_int64_t)buffer->most
        || (core_limit > 0 && announced > core_limit)) {
        return too_large(buffer);
    }
    allocate(buffer, announced > 0 ? (apr_size_t)announced + 1 : CHUNK);
    return NULL;
}

static nmdm_err_t *read_body(nmdm_bytes_t *body, nmdm_shared_pool_t **pool,
                             request_rec *r, apr_size_t most)
{
    buffer_t buffer = { .r = r, .most = most };
    apr_bucket_brigade *brigade
        = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    int at_end = 0;

    NMDM_TRY(start(&buffer));
    while (!at_end) {
        apr_status_t rv = ap_get_brigade(r->input_filters, brigade,
                                         AP_MODE_READBYTES, APR_BLOCK_READ,
                                         CHUNK);

        if (rv != APR_SUCCESS) {
            return read_failed(r, rv);
        }
        NMDM_TRY(append_all(&buffer, brigade, &at_end));
        apr_brigade_cleanup(brigade);
    }
    buffer.data[buffer.len] = '\0';
    body->data = buffer.data;
    body->len = buffer.len;
    *pool = buffer.pool;
    nanomdm_traffic_dump_body(r, *body);
    return NULL;
}

nmdm_err_t *nanomdm_body(nmdm_bytes_t *body, request_rec *r)
{
    return nanomdm_body_of(body, r, APR_SIZE_MAX);
}

nmdm_err_t *nanomdm_body_of(nmdm_bytes_t *body, request_rec *r,
                            apr_size_t most)
{
    nmdm_shared_pool_t *pool;

    return read_body(body, &pool, r, most);
}

nmdm_err_t *nanomdm_body_for_events(nmdm_bytes_t *body, nmdm_ctx_t *ctx,
                                    request_rec *r)
{
    return read_body(body, &ctx->body_pool, r, APR_SIZE_MAX);
}

/* ---- Query parameters ---- */

/* Returns an undecodable value unchanged; it will be rejected later. The table
 * of all parameters is for webhooks; the API asks for one at a time. */
const char *nanomdm_parameter(request_rec *r, const char *name)
{
    const char *args = r->args;

    while (args && *args) {
        char *own = ap_getword(r->pool, &args, '&');
        char *value = own + strcspn(own, "=");
        const char *raw;

        if (*value) {
            *value++ = '\0';
        }
        raw = apr_pstrdup(r->pool, value);
        (void)ap_unescape_urlencoded(own);
        if (!strcmp(own, name)) {
            return ap_unescape_urlencoded(value) == OK ? value : raw;
        }
    }
    return NULL;
}
