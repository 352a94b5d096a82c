/* SPDX-License-Identifier: Apache-2.0 */
/* api.c -- the calls of nanomdm-api: the table of routes, and what each takes
 * from the request. Who may call is httpd's business (Require). */

#include "httpd/api.h"
#include "api/commands.h"
#include "api/answer.h"
#include "api/enqueue.h"
#include "api/enqueue_options.h"
#include "api/enrollments.h"
#include "api/events.h"
#include "api/names.h"
#include "api/pushcert.h"
#include "api/queue.h"
#include "api/renew.h"
#include "api/results.h"
#include "api/scep.h"
#include "config/config.h"
#include "config/enroll.h"
#include "config/scep.h"
#include "httpd/log.h"
#include "httpd/request.h"
#include "webhook/event.h"

#include <http_main.h>
#include <http_protocol.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define FORM_TYPE "application/x-www-form-urlencoded"

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

/* Once a minute: it may be asked a thousand times an hour. */
static void remark_on_nothing_to_queue(request_rec *r)
{
    const char *agent = apr_table_get(r->headers_in, "User-Agent");

    if (nanomdm_log_is_first_of_a_minute(1203, r->request_time)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, NMDMNO(1203)
                      "enqueue without a command: the devices were pushed to"
                      " and nothing was queued, for %s at %s (%.200s); said"
                      " once a minute", r->user ? r->user : "an unnamed user",
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
    nmdm_enqueue_options_t options;
    nmdm_bytes_t body;

    NMDM_TRY(nanomdm_body(&body, r));
    if (is_json_request(r, rest)) {
        NMDM_TRY(check_no_options(r));
        return nmdm_api_enqueue_json(ctx, reply, status, body, 1);
    }
    NMDM_TRY(check_json(r, rest, body));
    if (!body.len && !is_without_push(r)) {
        remark_on_nothing_to_queue(r);
    }
    NMDM_TRY(nmdm_api_enqueue_options_read(&options, ctx,
                                           nanomdm_parameter(r, "priority"),
                                           nanomdm_parameter(r, "expires")));
    return nmdm_api_enqueue_on(ctx, reply, status,
                               nmdm_api_answer_split_ids(r->pool, rest), body,
                               !is_without_push(r), &options);
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

    return nmdm_api_queue_clear(
        ctx, reply, status, nmdm_api_answer_split_ids(r->pool, rest), uuid);
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
        return nmdm_api_enqueue_json(ctx, reply, status, body, 0);
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

/* Of this server, or of the first one with the same database. */
static const char *link_location(const request_rec *r)
{
    const nanomdm_server_t *own = nanomdm_server(r->server);
    const server_rec *s;

    if (own->enroll && own->enroll->link_url) {
        return own->enroll->link_url;
    }
    for (s = ap_server_conf; s; s = s->next) {
        const nanomdm_server_t *other = nanomdm_server(s);

        if (other->enroll && other->enroll->link_url && other->database
            && own->database && !strcmp(other->database, own->database)) {
            return other->enroll->link_url;
        }
    }
    return NULL;
}

static nmdm_err_t *call_link(nmdm_ctx_t *ctx, request_rec *r,
                             nmdm_reply_t *reply, int *status,
                             const char *rest)
{
    nmdm_bytes_t body;

    (void)status;
    (void)rest;
    NMDM_TRY(nanomdm_body(&body, r));
    return nmdm_api_scep_link(ctx, reply, body, link_location(r));
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

static nmdm_err_t *call_renew(nmdm_ctx_t *ctx, request_rec *r,
                              nmdm_reply_t *reply, int *status,
                              const char *rest)
{
    return *rest
        ? nmdm_api_renew(ctx, reply, status,
                         nmdm_api_answer_split_ids(r->pool, rest))
        : nmdm_api_renew_issuer(ctx, reply, status,
                                nanomdm_parameter(r, "issuer"));
}

/* ---- Which parameters a call knows ---- */

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
nmdm_err_t *nanomdm_api_check_parameters(request_rec *r, const char *names,
                                         int is_ours)
{
    const char *args = r->args;

    while (names != NANOMDM_API_ANY && args && *args) {
        char *name = ap_getword(r->pool, &args, '&');

        name[strcspn(name, "=")] = '\0';
        (void)ap_unescape_urlencoded(name);
        if (*name) {
            NMDM_TRY(check_parameter(r, names, is_ours, name));
        }
    }
    return NULL;
}

/* Calls of the same name have a row for each method, side by side. */
const nanomdm_api_call_t nanomdm_api_calls[] = {
    { "enqueue", M_PUT, 1, call_enqueue, 0,
      "nopush no_push priority expires" },
    { "enqueue", M_POST, 1, call_enqueue, 0,
      "nopush no_push priority expires" },
    { "push", M_GET, 1, call_push, 0, "" },
    { "push", M_PUT, 1, call_push, 0, "" },
    { "push", M_POST, 1, call_push, 0, "" },
    { "escrowkeyunlock", M_POST, 0, call_escrow, 0, NANOMDM_API_ANY },
    { "escrowkeyunlock", M_PUT, 0, call_escrow, 0, NANOMDM_API_ANY },
    { "escrowkeyunlock", M_PATCH, 0, call_escrow, 0, NANOMDM_API_ANY },
    { "escrowkeyunlock", M_GET, 0, call_escrow, 0, NANOMDM_API_ANY },
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
    { "enroll-links", M_POST, 0, call_link, 1, "" },
    { "certs", M_GET, 0, call_list_certs, 1,
      "expires_before id issuer limit cursor" },
    { "certs", M_DELETE, 1, call_revoke, 1, "" },
    { "renew", M_POST, 1, call_renew, 1, "issuer" },
    { NULL, 0, 0, NULL, 0, NANOMDM_API_ANY }
};
