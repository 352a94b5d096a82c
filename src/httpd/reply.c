/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c -- from reply or error to status, headers, log line. */

#include "httpd/reply.h"
#include "api/answer.h"
#include "base/time.h"
#include "db/db.h"
#include "httpd/log.h"
#include "httpd/traffic_dump.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <util_filter.h>

#include <stdlib.h>
#include <string.h>

/* ---- What a request leaves for the access log, CGI and expressions ---- */

static void leave(request_rec *r, const char *name, const char *value)
{
    if (*value) {
        apr_table_setn(r->subprocess_env, name, value);
        apr_table_setn(r->notes, name, value);
    }
}

/* One that ends soon: devices renew in time, or are enrolled anew by hand. */
static void leave_end(request_rec *r, const nmdm_ctx_t *ctx)
{
    if (ctx->cert && ctx->cert_ends - ctx->now
            < apr_time_from_sec(NANOMDM_WARN_BEFORE_DAYS * 86400)) {
        leave(r, ctx->cert_expired ? "NANOMDM_IDENTITY_EXPIRED"
                                   : "NANOMDM_IDENTITY_ENDS",
              nmdm_time_rfc3339(r->pool, ctx->cert_ends));
    }
}

void nanomdm_reply_set_log_notes(request_rec *r, const nmdm_ctx_t *ctx)
{
    leave(r, "NANOMDM_ID", ctx->access_log.id);
    leave(r, "NANOMDM_TYPE", ctx->access_log.type);
    leave(r, "NANOMDM_MESSAGE", ctx->access_log.message);
    leave(r, "NANOMDM_COMMAND_UUID", ctx->access_log.command_uuid);
    leave(r, "NANOMDM_NEXT_COMMAND_UUID", ctx->access_log.next_command_uuid);
    leave(r, "NANOMDM_REQUEST_TYPE", ctx->access_log.request_type);
    leave(r, "NANOMDM_TRACE_ID", ctx->trace_id);
    leave_end(r, ctx);
}

/* ---- Sending ---- */

/* A part of a command or of a list is useless. */
static void forget_ranges(request_rec *r)
{
    apr_table_unset(r->headers_in, "Range");
    apr_table_unset(r->headers_in, "Request-Range");
    apr_table_unset(r->headers_in, "If-Range");
    apr_table_setn(r->headers_out, "Accept-Ranges", "none");
}

/* A status of another server's that httpd has no line for would be sent as
 * 500. */
static void set_status(request_rec *r, int status)
{
    r->status = status;
    if (atoi(ap_get_status_line(status)) != status) {
        r->status_line = apr_psprintf(r->pool, "%d Unknown", status);
    }
}

/* Sent by us whatever the status is, so that no ErrorDocument takes its
 * place. */
static int send_bytes(request_rec *r, int status, const char *type,
                      nmdm_bytes_t body)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, alloc);

    set_status(r, status);
    forget_ranges(r);
    ap_set_content_type(r, type);
    if (status != HTTP_NO_CONTENT) {
        ap_set_content_length(r, (apr_off_t)body.len);
    }
    nanomdm_traffic_dump_reply(r, body);
    if (body.len && !r->header_only) {
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_pool_create(
            body.data, body.len, r->pool, alloc));
    }
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(alloc));
    ap_pass_brigade(r->output_filters, brigade);
    return OK;
}

static void finish(request_rec *r, nmdm_ctx_t *ctx)
{
    if (ctx) {
        nmdm_db_release(ctx);
        nanomdm_reply_set_log_notes(r, ctx);
    }
}

/* Keep a Retry-After that is already set. */
static void ask_to_come_again(request_rec *r, int status)
{
    if (status == HTTP_SERVICE_UNAVAILABLE
        && !apr_table_get(r->headers_out, "Retry-After")) {
        apr_table_setn(r->headers_out, "Retry-After", NANOMDM_RETRY_AFTER);
    }
}

int nanomdm_reply(request_rec *r, nmdm_ctx_t *ctx, const nmdm_reply_t *reply,
                  int status)
{
    finish(r, ctx);
    ask_to_come_again(r, status);
    if (reply->headers) {
        apr_table_overlap(r->headers_out, reply->headers,
                          APR_OVERLAP_TABLES_SET);
    }
    return send_bytes(r, status, reply->content_type, reply->body);
}

int nanomdm_plain(request_rec *r, int status, const char *text)
{
    nmdm_bytes_t body = { text, strlen(text) };

    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    return send_bytes(r, status, "text/plain; charset=utf-8", body);
}

int nanomdm_fail(request_rec *r, nmdm_ctx_t *ctx, const nmdm_err_t *err)
{
    int status = nanomdm_status_of(err);
    const char *phrase = ap_get_status_line(status) + 4;

    finish(r, ctx);
    nanomdm_log_error(r, ctx, err);
    if (err->rv == AP_FILTER_ERROR) {
        return AP_FILTER_ERROR; /* httpd's filters have answered */
    }
    ask_to_come_again(r, status);
    return nanomdm_plain(r, status, apr_pstrcat(r->pool, phrase, "\n", NULL));
}

int nanomdm_fail_json(request_rec *r, nmdm_ctx_t *ctx, const nmdm_err_t *err)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };

    nanomdm_log_error(r, ctx, err);
    if (err->rv == AP_FILTER_ERROR) {
        finish(r, ctx);
        return AP_FILTER_ERROR;
    }
    nmdm_api_answer_error(&reply, r->pool, nmdm_err_text(err));
    return nanomdm_reply(r, ctx, &reply, nanomdm_status_of(err));
}
