/* SPDX-License-Identifier: Apache-2.0 */
/* declarations.c -- the HTTP calls of declarative management. Who may
 * make them is httpd's business (Require). */

#include "httpd/declarations.h"
#include "api/declarations.h"
#include "api/answer.h"
#include "config/config.h"
#include "db/db.h"
#include "httpd/api.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "service/declarative_builtin.h"
#include "service/declarative_status.h"
#include "storage/enrollments.h"
#include "storage/queue.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* ---- What a device would be answered ---- */

static nmdm_err_t *check_header(nmdm_api_declarations_call_t *call)
{
    return nmdm_api_declarations_check_name(
        call->ctx, call->enrollment_id ? call->enrollment_id : "",
        "the header X-Enrollment-ID");
}

static nmdm_err_t *call_tokens(nmdm_api_declarations_call_t *call)
{
    NMDM_TRY(check_header(call));
    return nmdm_declarative_builtin_tokens(call->ctx, call->reply,
                                           call->enrollment_id);
}

static nmdm_err_t *call_items(nmdm_api_declarations_call_t *call)
{
    NMDM_TRY(check_header(call));
    return nmdm_declarative_builtin_items(call->ctx, call->reply,
                                          call->enrollment_id, 0);
}

static nmdm_err_t *call_declaration(nmdm_api_declarations_call_t *call)
{
    NMDM_TRY(check_header(call));
    return nmdm_declarative_builtin_declaration(
        call->ctx, call->reply, call->enrollment_id, call->rest);
}

static nmdm_err_t *do_check_id(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_queue_check_ids(ctx, baton);
}

static nmdm_err_t *call_status(nmdm_api_declarations_call_t *call)
{
    apr_array_header_t *ids = apr_array_make(call->ctx->pool, 1,
                                             sizeof(const char *));
    nmdm_err_t *err;

    NMDM_TRY(check_header(call));
    APR_ARRAY_PUSH(ids, const char *) = call->enrollment_id;
    err = nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_check_id, ids);
    if (err && err->kind == NMDM_INVALID) {
        return nmdm_api_answer_unknown_id(call->ctx, call->enrollment_id);
    }
    NMDM_TRY(err);
    return nmdm_declarative_status_take(call->ctx, call->enrollment_id,
                                        call->body);
}

/* ---- The table ---- */

/* More than one row of a name: one for each method. */
static const struct {
    const char *name;
    int method;
    int rest;                   /* 0: nothing follows the name, 1: something
                                 * does, 2: something or nothing */
    int takes_body;
    nmdm_api_declarations_fn call;
} CALLS[] = {
    { "declarations", M_GET, 0, 0, nmdm_api_declarations_list },
    { "declarations", M_PUT, 0, 1, nmdm_api_declarations_put },
    { "declarations", M_GET, 1, 0, nmdm_api_declarations_get },
    { "declarations", M_DELETE, 1, 0, nmdm_api_declarations_delete },
    { "declarations", M_POST, 1, 0, nmdm_api_declarations_touch },
    { "sets", M_GET, 0, 0, nmdm_api_declaration_sets_list },
    { "set-declarations", M_GET, 1, 0, nmdm_api_declaration_sets_of_set },
    { "set-declarations", M_PUT, 1, 0, nmdm_api_declaration_sets_add },
    { "set-declarations", M_DELETE, 1, 0, nmdm_api_declaration_sets_remove },
    { "declaration-sets", M_GET, 1, 0,
      nmdm_api_declaration_sets_of_declaration },
    { "enrollment-sets", M_GET, 1, 0,
      nmdm_api_declaration_sets_of_enrollment },
    { "enrollment-sets", M_PUT, 1, 0, nmdm_api_declaration_sets_assign },
    { "enrollment-sets", M_DELETE, 1, 0,
      nmdm_api_declaration_sets_unassign },
    { "enrollment-sets-all", M_DELETE, 1, 0,
      nmdm_api_declaration_sets_unassign_all },
    { "set-enrollments", M_GET, 1, 0,
      nmdm_api_declaration_sets_enrollments },
    { "set-enrollments", M_PUT, 1, 1,
      nmdm_api_declaration_sets_assign_many },
    { "set-enrollments", M_DELETE, 1, 1,
      nmdm_api_declaration_sets_unassign_many },
    { "notify", M_POST, 0, 0, nmdm_api_declaration_sets_notify },
    { "declaration-status", M_GET, 1, 0,
      nmdm_api_declaration_status_states },
    { "status-values", M_GET, 1, 0, nmdm_api_declaration_status_values },
    { "status-errors", M_GET, 1, 0, nmdm_api_declaration_status_errors },
    { "status-report", M_GET, 1, 0, nmdm_api_declaration_status_report },
    { "declaration-why", M_GET, 1, 0, nmdm_api_declaration_why },
    { "tokens", M_GET, 0, 0, call_tokens },
    { "declaration-items", M_GET, 0, 0, call_items },
    { "declaration", M_GET, 1, 0, call_declaration },
    { "status", M_PUT, 0, 1, call_status },
    { NULL, 0, 0, 0, NULL }
};

int nanomdm_declarations_names(const char *segment, apr_size_t len)
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

/* The row, or -1; *allowed is what the URL has other rows for. */
static int find_row(request_rec *r, const char *name, const char *rest,
                    const char **allowed)
{
    static const struct {
        int method;
        const char *name;
    } VERBS[] = { { M_GET, "GET, HEAD" }, { M_PUT, "PUT" },
                    { M_POST, "POST" }, { M_DELETE, "DELETE" } };
    int i, k;

    *allowed = NULL;
    for (i = 0; CALLS[i].name; i++) {
        if (strcmp(CALLS[i].name, name)
            || CALLS[i].rest != (rest && *rest)) {
            continue;
        }
        if (CALLS[i].method == r->method_number) {
            return i;
        }
        for (k = 0; k < 4; k++) {
            if (VERBS[k].method == CALLS[i].method) {
                *allowed = *allowed
                    ? apr_pstrcat(r->pool, *allowed, ", ", VERBS[k].name,
                                  NULL) : VERBS[k].name;
            }
        }
    }
    return -1;
}

static int ends_with(const char *text, const char *end)
{
    apr_size_t len = strlen(text), tail = strlen(end);

    return len > tail && !strcmp(text + len - tail, end);
}

/* What may follow an Identifier, by its only method. An Identifier that ends
 * like that has its slash escaped. */
static const char *allowed_below(request_rec *r, const char *name,
                                 const char *rest)
{
    static const struct {
        const char *end;
        int method;
        const char *allowed;
    } BELOW[] = { { "/touch", M_POST, "POST" },
                  { "/summary", M_GET, "GET, HEAD" },
                  { "/enrollments", M_GET, "GET, HEAD" } };
    const char *path = r->parsed_uri.path;
    apr_size_t i;

    for (i = 0; rest && path && !strcmp(name, "declarations")
                && i < sizeof(BELOW) / sizeof(*BELOW); i++) {
        if (ends_with(rest, BELOW[i].end)
            && ends_with(path, BELOW[i].end)) {
            return BELOW[i].method == r->method_number ? NULL
                : BELOW[i].allowed;
        }
    }
    return NULL;
}

/* ---- A call ---- */

/* Names and values of the query in turn, decoded; a pair that cannot be
 * decoded stays as it is. */
static apr_array_header_t *read_params(request_rec *r)
{
    apr_array_header_t *params = apr_array_make(r->pool, 8,
                                                sizeof(const char *));
    const char *args = r->args;

    while (args && *args) {
        char *pair = ap_getword(r->pool, &args, '&');
        char *value = strchr(pair, '=');

        if (value) {
            *value++ = '\0';
            (void)ap_unescape_urlencoded(value);
        }
        (void)ap_unescape_urlencoded(pair);
        APR_ARRAY_PUSH(params, const char *) = pair;
        APR_ARRAY_PUSH(params, const char *) = value ? value : "";
    }
    return params;
}

static int answer_error(request_rec *r, int status, const char *text)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };

    nmdm_api_answer_error(&reply, r->pool, text);
    return nanomdm_reply(r, NULL, &reply, status);
}

static int make_call(request_rec *r, nmdm_ctx_t *ctx, int row,
                     const char *rest)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    int status = HTTP_OK;
    nmdm_api_declarations_call_t call = {
        ctx, &reply, &status, rest ? rest : "", read_params(r), { "", 0 },
        apr_table_get(r->headers_in, "X-Enrollment-ID")
    };
    nmdm_err_t *err = NULL;

    if (CALLS[row].takes_body) {
        err = nanomdm_body(&call.body, r);
    }
    if (!err) {
        err = CALLS[row].call(&call);
    }
    return err ? nanomdm_fail_json(r, ctx, err)
               : nanomdm_reply(r, ctx, &reply, status);
}

int nanomdm_declarations_call(request_rec *r, const char *name,
                              const char *rest)
{
    const char *allowed;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err = nanomdm_context(&ctx, r);
    int row;

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (err) {
        return nanomdm_fail_json(r, ctx, err);
    }
    if (!ctx->policy->declarations) {
        return answer_error(r, HTTP_NOT_FOUND, "declarative management is not"
                            " done here (NanoMDMDeclarativeManagement"
                            " builtin)");
    }
    allowed = allowed_below(r, name, rest);
    row = allowed ? -1 : find_row(r, name, rest, &allowed);
    if (row < 0 && allowed) {
        apr_table_setn(r->headers_out, "Allow", allowed);
        return answer_error(r, HTTP_METHOD_NOT_ALLOWED, apr_pstrcat(
            r->pool, "this call takes ", allowed, NULL));
    }
    if (row < 0) {
        return answer_error(r, HTTP_NOT_FOUND, "no such call");
    }
    return make_call(r, ctx, row, rest);
}

int nanomdm_declarations_handler(request_rec *r)
{
    const char *rest = NULL, *name;
    int result;

    if (strcmp(r->handler, "nanomdm-declarative")) {
        return DECLINED;
    }
    if (nanomdm_api_is_refused(&result, r)) {
        return result;
    }
    name = nanomdm_api_find_call(r, &rest, nanomdm_declarations_names);
    return name ? nanomdm_declarations_call(r, name, rest)
                : answer_error(r, HTTP_NOT_FOUND, "no such call");
}
