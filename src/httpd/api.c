/* SPDX-License-Identifier: Apache-2.0 */
/* api.c -- handler nanomdm-api: its routes and what each takes from the
 * request. Who may call it is httpd's business (Require). */

#include "httpd/api.h"
#include "api/command_json.h"
#include "api/enqueue_options.h"
#include "api/enqueue.h"
#include "api/names.h"
#include "api/enrollments.h"
#include "api/events.h"
#include "api/pushcert.h"
#include "api/commands.h"
#include "api/queue.h"
#include "api/results.h"
#include "api/scep.h"
#include "base/version.h"
#include "config/config.h"
#include "config/scep.h"
#include "config/handlers.h"
#include "httpd/access.h"
#include "httpd/declarations.h"
#include "httpd/location.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "webhook/event.h"

#include <apr_atomic.h>
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

/* NanoMDM's quickstart and clients of it write the second. */
static int is_without_push(request_rec *r)
{
    return is_set(r, "nopush") || is_set(r, "no_push");
}

/* Once a minute in each child: it may be asked a thousand times an hour. */
static void remark_on_nothing_to_queue(request_rec *r)
{
    static apr_uint32_t last;   /* atomic: the minute of the last line */
    const char *agent = apr_table_get(r->headers_in, "User-Agent");
    apr_uint32_t now = (apr_uint32_t)(apr_time_sec(r->request_time) / 60);
    apr_uint32_t before = apr_atomic_read32(&last);

    if (now != before && apr_atomic_cas32(&last, now, before) == before) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, NMDMNO(1203)
                      "enqueue without a command: the devices were pushed to"
                      " and nothing was queued, for %s at %s (%.200s); said"
                      " once a minute", r->user ? r->user : "somebody",
                      r->useragent_ip, agent ? agent : "no User-Agent");
    }
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

static nmdm_err_t *check_json(request_rec *r, const char *rest,
                              nmdm_bytes_t body)
{
    const char *start = body.data + strspn(body.data, " \t\r\n");

    return *rest || *start != '{' ? NULL
        : nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1209)
                   "this is JSON, and the request lacks Content-Type:"
                   " application/json");
}

/* Where everything is in the body, these would do nothing. */
static nmdm_err_t *check_no_options(request_rec *r)
{
    return !is_without_push(r) && !nanomdm_parameter(r, "priority")
            && !nanomdm_parameter(r, "expires") ? NULL
        : nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1205)
                   "nopush, priority and expires of a JSON request are written"
                   " in its body");
}

static nmdm_err_t *call_enqueue(nmdm_ctx_t *ctx, request_rec *r,
                                nmdm_reply_t *reply, int *status,
                                const char *rest)
{
    nmdm_enqueue_options_t terms;
    nmdm_bytes_t body;

    NMDM_TRY(nanomdm_body(&body, r));
    if (is_json_request(r, rest)) {
        NMDM_TRY(check_no_options(r));
        return nmdm_api_answer_json(ctx, reply, status, body, 1);
    }
    NMDM_TRY(check_json(r, rest, body));
    if (!body.len && !is_without_push(r)) {
        remark_on_nothing_to_queue(r);
    }
    NMDM_TRY(nmdm_api_enqueue_options_read(&terms, ctx,
                                           nanomdm_parameter(r, "priority"),
                                           nanomdm_parameter(r, "expires")));
    return nmdm_api_enqueue_on(ctx, reply, status,
                               nmdm_api_answer_split_ids(r->pool, rest), body,
                               !is_without_push(r), &terms);
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
    nmdm_api_paging_query_t page = page_of(r);

    if (!*rest && r->uri[strlen(r->uri) - 1] != '/') {
        return nmdm_api_enrollments_query(ctx, reply, status,
                                          (nmdm_bytes_t){ "", 0 }, &page);
    }
    if (page.limit || page.offset || page.cursor) {
        return nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1206)
                        "one enrollment has no pages: no limit, offset or"
                        " cursor");
    }
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

    if (!*rest) {
        NMDM_TRY(nanomdm_body(&body, r));
        NMDM_TRY(is_json_request(r, rest) ? NULL
                                          : check_json(r, rest, body));
    }
    if (is_json_request(r, rest)) {
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

static nmdm_err_t *call_challenge(nmdm_ctx_t *ctx, request_rec *r,
                                  nmdm_reply_t *reply, int *status,
                                  const char *rest)
{
    nmdm_bytes_t body;

    (void)status;
    (void)rest;
    NMDM_TRY(nanomdm_body(&body, r));
    return nmdm_api_scep_challenge(
        ctx, reply, body, nanomdm_scep_challenge_life(nanomdm_conf(r)));
}

static nmdm_err_t *call_list_certs(nmdm_ctx_t *ctx, request_rec *r,
                                   nmdm_reply_t *reply, int *status,
                                   const char *rest)
{
    nmdm_api_certs_filter_t filter = {
        nanomdm_parameter(r, "expires_before"), nanomdm_parameter(r, "id"),
        nanomdm_parameter(r, "issuer") };
    nmdm_api_paging_query_t page = page_of(r);

    (void)status;
    (void)rest;
    return nmdm_api_scep_certs(ctx, reply, &filter, &page);
}

static nmdm_err_t *call_revoke(nmdm_ctx_t *ctx, request_rec *r,
                               nmdm_reply_t *reply, int *status,
                               const char *rest)
{
    (void)r;
    (void)status;
    return nmdm_api_scep_revoke(ctx, reply, rest);
}

/* ---- Which parameters a call knows ---- */

/* Of Apple's escrow service: whatever it knows. */
#define ANY NULL

static nmdm_err_t *check_parameter(request_rec *r, const char *names,
                                   int is_ours, const char *name)
{
    const char *near = nmdm_api_names_nearest(r->pool, names, name);

    if (nmdm_api_names_has(names, name)) {
        return NULL;
    }
    if (is_ours || near) {
        return nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1207)
                        "\"%.100s\" is no parameter of this call: there are"
                        " %s", name, nmdm_api_names_list(r->pool, names));
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, NMDMNO(1208)
                  "%s: the parameter \"%.100s\" is ignored", r->uri, name);
    return NULL;
}

/* A misspelt parameter does nothing, in silence. NanoMDM's clients send odd
 * ones, so that of its calls only those are refused that are near to ours. */
static nmdm_err_t *check_parameters(request_rec *r, const char *names,
                                    int is_ours)
{
    const char *args = r->args;

    while (names != ANY && args && *args) {
        char *name = ap_getword(r->pool, &args, '&');

        name[strcspn(name, "=")] = '\0';
        (void)ap_unescape_urlencoded(name);
        if (*name) {
            NMDM_TRY(check_parameter(r, names, is_ours, name));
        }
    }
    return NULL;
}

/* More than one row of a name: one for each method. */
static const struct {
    const char *name;
    int method;
    int takes_rest;             /* may anything follow the name? */
    call_fn call;
    int is_ours;                /* or NanoMDM's? */
    const char *parameters;     /* of the URL, or ANY */
} CALLS[] = {
    { "enqueue", M_PUT, 1, call_enqueue, 0,
      "nopush no_push priority expires" },
    { "enqueue", M_POST, 1, call_enqueue, 0,
      "nopush no_push priority expires" },
    { "push", M_GET, 1, call_push, 0, "" },
    { "push", M_PUT, 1, call_push, 0, "" },
    { "push", M_POST, 1, call_push, 0, "" },
    { "escrowkeyunlock", M_POST, 0, call_escrow, 0, ANY },
    { "escrowkeyunlock", M_PUT, 0, call_escrow, 0, ANY },
    { "escrowkeyunlock", M_PATCH, 0, call_escrow, 0, ANY },
    { "escrowkeyunlock", M_GET, 0, call_escrow, 0, ANY },
    { "pushcert", M_PUT, 0, call_put_push_cert, 0, "force" },
    { "pushcert", M_GET, 0, call_get_push_cert, 0, "topic" },
    { "enrollments", M_POST, 1, call_query, 1, "limit offset cursor" },
    { "enrollments", M_GET, 1, call_enrollment, 1, "limit offset cursor" },
    { "queue", M_GET, 1, call_queue, 1, "limit offset cursor" },
    { "queue", M_DELETE, 1, call_clear, 1, "command_uuid" },
    { "results", M_GET, 1, call_results, 1,
      "command_uuid limit offset cursor" },
    { "commands", M_POST, 0, call_command, 1, "" },
    { "commands", M_GET, 1, call_recipients, 1, "limit offset cursor" },
    { "commands", M_DELETE, 1, call_cancel, 1, "" },
    { "events", M_GET, 0, call_list_events, 1, "state limit cursor" },
    { "events", M_POST, 1, call_replay_events, 1, "" },
    { "events", M_DELETE, 1, call_drop_event, 1, "" },
    { "scep-challenge", M_POST, 0, call_challenge, 1, "" },
    { "certs", M_GET, 0, call_list_certs, 1,
      "expires_before id issuer limit cursor" },
    { "certs", M_DELETE, 1, call_revoke, 1, "" },
    { NULL, 0, 0, NULL, 0, ANY }
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

/* Of declarative management, too. */
static int names_any(const char *segment, apr_size_t len)
{
    return names_a_call(segment, len)
        || nanomdm_declarations_names(segment, len);
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
const char *nanomdm_api_find_call(request_rec *r, const char **rest,
                                  int (*names)(const char *, apr_size_t))
{
    const apr_array_header_t *paths = nanomdm_location_paths(r);
    int i;

    for (i = 0; i < paths->nelts; i++) {
        const char *at = r->uri + APR_ARRAY_IDX(paths, i, apr_size_t);
        apr_size_t len = *at == '/' ? strcspn(at + 1, "/") : 0;

        if (len && names(++at, len)) {
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

/* ---- What there is ---- */

static const char *name_of_method(int method)
{
    static const char *const NAMES[] = {
        [M_GET] = "GET", [M_PUT] = "PUT", [M_POST] = "POST",
        [M_DELETE] = "DELETE", [M_PATCH] = "PATCH"
    };

    return NAMES[method];
}

/* Of one call, separated by commas. */
static const char *methods_of(apr_pool_t *p, const char *name)
{
    const char *list = "";
    int i;

    for (i = 0; CALLS[i].name; i++) {
        if (!strcmp(CALLS[i].name, name)) {
            list = apr_pstrcat(p, list, *list ? ", " : "",
                               name_of_method(CALLS[i].method), NULL);
        }
    }
    return list;
}

/* Each once, separated by spaces. */
static const char *all_calls(apr_pool_t *p)
{
    const char *list = "";
    int i;

    for (i = 0; CALLS[i].name; i++) {
        if (!nmdm_api_names_has(list, CALLS[i].name)) {
            list = apr_pstrcat(p, list, *list ? " " : "", CALLS[i].name, NULL);
        }
    }
    return list;
}

/* Whether r->uri is the Location's own path. */
static int is_root(request_rec *r)
{
    const apr_array_header_t *paths = nanomdm_location_paths(r);
    int i;

    for (i = 0; i < paths->nelts; i++) {
        const char *at = r->uri + APR_ARRAY_IDX(paths, i, apr_size_t);

        if (!*at || !strcmp(at, "/")) {
            return 1;
        }
    }
    return 0;
}

/* The calls and their methods, for who looks around. */
static int list_calls(request_rec *r)
{
    nmdm_json_t *answer = nmdm_json_object(r->pool);
    nmdm_json_t *calls = nmdm_json_child(answer, "calls");
    nmdm_reply_t reply = { NMDM_TYPE_JSON, { "", 0 }, NULL };
    int i;

    for (i = 0; CALLS[i].name; i++) {
        nmdm_json_set_string(calls, CALLS[i].name,
                             methods_of(r->pool, CALLS[i].name));
    }
    nmdm_json_set_string(answer, "version", NMDM_VERSION);
    reply.body = nmdm_json_write(r->pool, answer);
    return nanomdm_reply(r, NULL, &reply, HTTP_OK);
}

/* ---- The handler ---- */

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

int nanomdm_api_is_refused(int *answer, request_rec *r)
{
    int status;
    const char *reason = denial(&status, r);

    if (reason) {
        *answer = refuse(r, status, reason);
    }
    return reason != NULL;
}

static int make_call(request_rec *r, int row, const char *rest)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    int status = HTTP_OK;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err = nanomdm_context(&ctx, r);

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (!err) {
        err = check_parameters(r, CALLS[row].parameters, CALLS[row].is_ours);
    }
    if (!err) {
        err = CALLS[row].call(ctx, r, &reply, &status, rest ? rest : "");
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
    const char *rest = NULL, *name;
    int row, answer;

    if (strcmp(r->handler, "nanomdm-api")) {
        return DECLINED;
    }
    if (nanomdm_api_is_refused(&answer, r)) {
        return answer;
    }
    name = nanomdm_api_find_call(r, &rest, names_any);
    if (name && nanomdm_declarations_names(name, strlen(name))) {
        return nanomdm_declarations_call(r, name, rest);
    }
    row = name ? find_row(r, name, rest) : -HTTP_NOT_FOUND;
    if (row == -HTTP_METHOD_NOT_ALLOWED) {
        return refuse(r, HTTP_METHOD_NOT_ALLOWED, apr_psprintf(
            r->pool, "Method Not Allowed: no %s for %s; allowed: %s",
            r->method, name, methods_of(r->pool, name)));
    }
    if (!name && r->method_number == M_GET && is_root(r)) {
        return list_calls(r);
    }
    if (row < 0) {
        return refuse(r, HTTP_NOT_FOUND, apr_pstrcat(
            r->pool, "there is no such call; there are ",
            nmdm_api_names_list(r->pool, all_calls(r->pool)), NULL));
    }
    return make_call(r, row, rest);
}
