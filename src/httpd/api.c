/* SPDX-License-Identifier: Apache-2.0 */
/* api.c -- handlers nanomdm-api, nanomdm-migration and
 * nanomdm-version. Who may call them is httpd's business (Require). */

#include "httpd/api.h"
#include "api/command_json.h"
#include "api/enqueue.h"
#include "api/enrollments.h"
#include "api/events.h"
#include "api/pushcert.h"
#include "api/queue.h"
#include "base/version.h"
#include "config/config.h"
#include "config/handlers.h"
#include "httpd/access.h"
#include "httpd/location.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "service/service.h"
#include "webhook/event.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define FORM_TYPE "application/x-www-form-urlencoded"

typedef nmdm_err_t *(*call_fn)(nmdm_ctx_t *ctx, request_rec *r,
                               nmdm_reply_t *reply, int *status,
                               const char *rest);

/* ---- Query parameters ---- */

/* Any value that is not empty switches a flag on, "0" too, as in NanoMDM. */
static int is_set(request_rec *r, const char *name)
{
    const char *value = nanomdm_parameter(r, name);

    return value && *value;
}

static nmdm_api_paging_query_t page_of(request_rec *r)
{
    nmdm_api_paging_query_t page = { nanomdm_parameter(r, "limit"),
                               nanomdm_parameter(r, "offset"),
                               nanomdm_parameter(r, "cursor") };

    return page;
}

/* ---- The calls ---- */

/* Ids in the path, or everything in a JSON body. */
static int is_json_request(request_rec *r, const char *rest)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");

    return !*rest && type && !strncasecmp(type, NMDM_TYPE_JSON,
                                          strlen(NMDM_TYPE_JSON));
}

static nmdm_err_t *call_enqueue(nmdm_ctx_t *ctx, request_rec *r,
                                nmdm_reply_t *reply, int *status,
                                const char *rest)
{
    nmdm_enqueue_options_t terms;
    nmdm_bytes_t body;

    NMDM_TRY(nanomdm_body(&body, r));
    if (is_json_request(r, rest)) {
        return nmdm_api_answer_json(ctx, reply, status, body, 1);
    }
    NMDM_TRY(nmdm_api_enqueue_options_read(&terms, ctx,
                                           nanomdm_parameter(r, "priority"),
                                           nanomdm_parameter(r, "expires")));
    return nmdm_api_enqueue_on(ctx, reply, status,
                               nmdm_api_answer_split_ids(r->pool, rest), body,
                               !is_set(r, "nopush"), &terms);
}

static nmdm_err_t *call_command(nmdm_ctx_t *ctx, request_rec *r,
                                nmdm_reply_t *reply, int *status,
                                const char *rest)
{
    nmdm_bytes_t body;

    (void)rest;
    NMDM_TRY(nanomdm_body(&body, r));
    return nmdm_api_enqueue_command(ctx, reply, status, body);
}

static nmdm_err_t *call_query(nmdm_ctx_t *ctx, request_rec *r,
                              nmdm_reply_t *reply, int *status,
                              const char *rest)
{
    nmdm_api_paging_query_t page = page_of(r);
    nmdm_bytes_t body;

    if (strcmp(rest, "query")) {
        return nmdm_err(r->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1765)
                        "POST goes to enrollments/query");
    }
    NMDM_TRY(nanomdm_body(&body, r));
    return nmdm_api_enrollments_query(ctx, reply, status, body, &page);
}

static nmdm_err_t *call_enrollment(nmdm_ctx_t *ctx, request_rec *r,
                                   nmdm_reply_t *reply, int *status,
                                   const char *rest)
{
    (void)r;
    return nmdm_api_enrollments_get(ctx, reply, status, rest);
}

static nmdm_err_t *call_queue(nmdm_ctx_t *ctx, request_rec *r,
                              nmdm_reply_t *reply, int *status,
                              const char *rest)
{
    nmdm_api_paging_query_t page = page_of(r);

    return nmdm_api_queue_list(ctx, reply, status, rest, &page);
}

static nmdm_err_t *call_clear(nmdm_ctx_t *ctx, request_rec *r,
                              nmdm_reply_t *reply, int *status,
                              const char *rest)
{
    const char *uuid = nanomdm_parameter(r, "command_uuid");

    if (!uuid && r->args && *r->args) {
        /* It would clear the whole queue of whoever misspelt it. */
        return nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1766)
                        "the only parameter here is command_uuid");
    }
    return nmdm_api_queue_clear(ctx, reply, status,
                                nmdm_api_answer_split_ids(r->pool, rest), uuid);
}

static nmdm_err_t *call_results(nmdm_ctx_t *ctx, request_rec *r,
                                nmdm_reply_t *reply, int *status,
                                const char *rest)
{
    nmdm_api_paging_query_t page = page_of(r);

    return nmdm_api_results_list(ctx, reply, status, rest,
                                 nanomdm_parameter(r, "command_uuid"), &page);
}

static nmdm_err_t *call_recipients(nmdm_ctx_t *ctx, request_rec *r,
                                   nmdm_reply_t *reply, int *status,
                                   const char *rest)
{
    nmdm_api_paging_query_t page = page_of(r);

    return nmdm_api_commands_get(ctx, reply, status, rest, &page);
}

static nmdm_err_t *call_cancel(nmdm_ctx_t *ctx, request_rec *r,
                               nmdm_reply_t *reply, int *status,
                               const char *rest)
{
    (void)r;
    return nmdm_api_queue_cancel(ctx, reply, status, rest);
}

static nmdm_err_t *call_push(nmdm_ctx_t *ctx, request_rec *r,
                             nmdm_reply_t *reply, int *status,
                             const char *rest)
{
    nmdm_bytes_t body;

    if (is_json_request(r, rest)) {
        NMDM_TRY(nanomdm_body(&body, r));
        return nmdm_api_answer_json(ctx, reply, status, body, 0);
    }
    return nmdm_api_enqueue_push(ctx, reply, status,
                                 nmdm_api_answer_split_ids(r->pool, rest));
}

static nmdm_err_t *call_escrow(nmdm_ctx_t *ctx, request_rec *r,
                               nmdm_reply_t *reply, int *status,
                               const char *rest)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    nmdm_bytes_t body = { "", 0 };

    (void)rest;
    if (r->method_number != M_GET && type
        && !strncasecmp(type, FORM_TYPE, strlen(FORM_TYPE))) {
        NMDM_TRY(nanomdm_body(&body, r));
    }
    return nmdm_api_escrow_unlock(ctx, reply, status,
                             nmdm_event_params(r->pool, body.data));
}

static nmdm_err_t *call_put_push_cert(nmdm_ctx_t *ctx, request_rec *r,
                                      nmdm_reply_t *reply, int *status,
                                      const char *rest)
{
    nmdm_bytes_t body;

    (void)rest;
    NMDM_TRY(nanomdm_body(&body, r));
    return nmdm_api_pushcert_put(ctx, reply, status, body,
                                    is_set(r, "force"));
}

static nmdm_err_t *call_get_push_cert(nmdm_ctx_t *ctx, request_rec *r,
                                      nmdm_reply_t *reply, int *status,
                                      const char *rest)
{
    (void)rest;
    return nmdm_api_pushcert_get(ctx, reply, status,
                                 nanomdm_parameter(r, "topic"));
}

static nmdm_err_t *call_list_events(nmdm_ctx_t *ctx, request_rec *r,
                                    nmdm_reply_t *reply, int *status,
                                    const char *rest)
{
    (void)rest;
    return nmdm_api_events_list(
        ctx, reply, status, nanomdm_parameter(r, "state"),
        nanomdm_parameter(r, "limit"), nanomdm_parameter(r, "cursor"));
}

static nmdm_err_t *call_replay_events(nmdm_ctx_t *ctx, request_rec *r,
                                      nmdm_reply_t *reply, int *status,
                                      const char *rest)
{
    nmdm_bytes_t body;

    if (strcmp(rest, "replay")) {
        nmdm_api_answer_error(reply, r->pool, "post to .../events/replay");
        *status = HTTP_NOT_FOUND;
        return NULL;
    }
    NMDM_TRY(nanomdm_body(&body, r));
    return nmdm_api_events_replay(ctx, reply, status, body);
}

static nmdm_err_t *call_drop_event(nmdm_ctx_t *ctx, request_rec *r,
                                   nmdm_reply_t *reply, int *status,
                                   const char *rest)
{
    (void)r;
    return nmdm_api_events_drop(ctx, reply, status, rest);
}

/* More than one row of a name: one for each method. */
static const struct {
    const char *name;
    int method;
    int takes_rest;             /* may anything follow the name? */
    call_fn call;
} CALLS[] = {
    { "enqueue", M_PUT, 1, call_enqueue },
    { "enqueue", M_POST, 1, call_enqueue },
    { "push", M_GET, 1, call_push },
    { "push", M_PUT, 1, call_push },
    { "push", M_POST, 1, call_push },
    { "escrowkeyunlock", M_POST, 0, call_escrow },
    { "escrowkeyunlock", M_PUT, 0, call_escrow },
    { "escrowkeyunlock", M_PATCH, 0, call_escrow },
    { "escrowkeyunlock", M_GET, 0, call_escrow },
    { "pushcert", M_PUT, 0, call_put_push_cert },
    { "pushcert", M_GET, 0, call_get_push_cert },
    { "enrollments", M_POST, 1, call_query },
    { "enrollments", M_GET, 1, call_enrollment },
    { "queue", M_GET, 1, call_queue },
    { "queue", M_DELETE, 1, call_clear },
    { "results", M_GET, 1, call_results },
    { "commands", M_POST, 0, call_command },
    { "commands", M_GET, 1, call_recipients },
    { "commands", M_DELETE, 1, call_cancel },
    { "events", M_GET, 0, call_list_events },
    { "events", M_POST, 1, call_replay_events },
    { "events", M_DELETE, 1, call_drop_event },
    { NULL, 0, 0, NULL }
};

/* ---- Finding the call ---- */

static int names_a_call(const char *segment, apr_size_t len)
{
    int i;

    for (i = 0; CALLS[i].name; i++) {
        if (strlen(CALLS[i].name) == len
            && !strncmp(segment, CALLS[i].name, len)) {
            return 1;
        }
    }
    return 0;
}

/* With AllowEncodedSlashes NoDecode, httpd leaves %2F in the path, where it
 * cannot be told from a decoded %252F. The request line can tell, as long as
 * it is what the path was made of. */
static const char *decode_slashes(request_rec *r, const char *name,
                                  const char *rest)
{
    const char *start = apr_pstrcat(r->pool, "/", name, "/", NULL);
    const char *raw = strstr(r->unparsed_uri, start);
    char *kept, *decoded;

    if (!raw || !strchr(rest, '%')) {
        return rest;
    }
    raw += strlen(start);
    raw = apr_pstrmemdup(r->pool, raw, strcspn(raw, "?"));
    kept = apr_pstrdup(r->pool, raw);
    decoded = apr_pstrdup(r->pool, raw);
    if (ap_unescape_url_keep2f(kept, 0) != OK || strcmp(kept, rest)
        || ap_unescape_url_keep2f(decoded, 1) != OK) {
        return rest;
    }
    return decoded;
}

/* The call is the first segment behind the own path of the Location, so that
 * rights on the path of a call cannot be walked around; what follows is the
 * call's own. *rest is NULL when nothing follows, not even a slash. */
static const char *find_call(request_rec *r, const char **rest)
{
    const apr_array_header_t *paths = nanomdm_location_paths(r);
    int i;

    for (i = 0; i < paths->nelts; i++) {
        const char *at = r->uri + APR_ARRAY_IDX(paths, i, apr_size_t);
        apr_size_t len = *at == '/' ? strcspn(at + 1, "/") : 0;

        if (len && names_a_call(++at, len)) {
            const char *name = apr_pstrmemdup(r->pool, at, len);

            *rest = at[len] ? decode_slashes(r, name, at + len + 1) : NULL;
            return name;
        }
    }
    return NULL;
}

static int find_row(request_rec *r, const char *name, const char *rest)
{
    int i, is_known = 0;

    for (i = 0; CALLS[i].name; i++) {
        if (strcmp(CALLS[i].name, name) || (rest && !CALLS[i].takes_rest)) {
            continue;
        }
        is_known = 1;
        if (CALLS[i].method == r->method_number && !r->header_only) {
            return i;
        }
    }
    return is_known ? -HTTP_METHOD_NOT_ALLOWED : -HTTP_NOT_FOUND;
}

/* ---- The handlers ---- */

static int refuse(request_rec *r, int status, const char *reason)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };

    nmdm_api_answer_error(&reply, r->pool, reason);
    return nanomdm_reply(r, NULL, &reply, status);
}

/* Why the request is refused, and with which status, or NULL: no
 * authentication vouches for it, also when none is configured; only an error
 * led here; or the page of another site asks. */
static const char *denial(int *status, request_rec *r)
{
    const char *reason;

    *status = nanomdm_access_error_before(r);
    if (*status) {
        return ap_get_status_line(*status) + 4;
    }
    *status = HTTP_FORBIDDEN;
    if (!nanomdm_access_is_vouched_for(r)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, NMDMNO(1201)
                      "-: %s: refused, because no authentication vouched for"
                      " the request; write for this Location: AuthType Basic,"
                      " AuthName nanomdm, AuthBasicProvider nanomdm, Require"
                      " valid-user", r->uri);
        return "no authentication is configured for this URL";
    }
    reason = nanomdm_access_cross_site(r);
    if (reason) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, NMDMNO(1202)
                      "-: %s: %s", r->uri, reason);
    }
    return reason;
}

static int make_call(request_rec *r, call_fn call, const char *rest)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    int status = HTTP_OK;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err = nanomdm_context(&ctx, r);

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (!err) {
        err = call(ctx, r, &reply, &status, rest ? rest : "");
    }
    if (err && !reply.content_type) {
        return nanomdm_fail_json(r, ctx, err);
    }
    if (err) {
        nanomdm_log_error(r, ctx, err);
    }
    return nanomdm_reply(r, ctx, &reply, status);
}

int nanomdm_api_handler(request_rec *r)
{
    const char *rest = NULL, *name, *reason;
    int row, status;

    if (strcmp(r->handler, "nanomdm-api")) {
        return DECLINED;
    }
    reason = denial(&status, r);
    if (reason) {
        return refuse(r, status, reason);
    }
    name = find_call(r, &rest);
    row = name ? find_row(r, name, rest) : -HTTP_NOT_FOUND;
    if (row == -HTTP_METHOD_NOT_ALLOWED) {
        return nanomdm_plain(r, HTTP_METHOD_NOT_ALLOWED,
                             "Method Not Allowed\n");
    }
    if (row < 0) {
        return nanomdm_plain(r, HTTP_NOT_FOUND, "404 page not found\n");
    }
    return make_call(r, CALLS[row].call, rest);
}

/* Check-ins of another server's devices: no identity is asked for, because the
 * operator vouches for them (behaviour specification 6.7). */
int nanomdm_migration_handler(request_rec *r)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    const char *reason;
    nmdm_bytes_t body;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;
    int status;

    if (strcmp(r->handler, "nanomdm-migration")) {
        return DECLINED;
    }
    reason = denial(&status, r);
    if (reason) {
        return refuse(r, status, reason);
    }
    if (nanomdm_is_below_path(r)) {
        return nanomdm_plain(r, HTTP_NOT_FOUND, "404 page not found\n");
    }
    err = nanomdm_context(&ctx, r);
    ctx->is_migration = 1;
    if (!err) {
        err = nanomdm_body(&body, r);
    }
    if (!err) {
        err = nmdm_service_checkin(ctx, &reply, body);
    }
    return err ? nanomdm_fail(r, ctx, err)
               : nanomdm_reply(r, ctx, &reply, HTTP_OK);
}

int nanomdm_version_handler(request_rec *r)
{
    static const char JSON[] = "{\"version\":\"" NMDM_VERSION "\"}";
    nmdm_reply_t reply = { NMDM_TYPE_JSON, { JSON, sizeof(JSON) - 1 },
                           NULL };

    if (strcmp(r->handler, "nanomdm-version")) {
        return DECLINED;
    }
    return nanomdm_reply(r, NULL, &reply, HTTP_OK);
}
