/* SPDX-License-Identifier: Apache-2.0 */
/* api_handler.c -- handler nanomdm-api: finds the call of a request in the
 * table of api.c, makes it, and lists what there is. */

#include "httpd/api.h"
#include "api/names.h"
#include "base/version.h"
#include "httpd/declarations.h"
#include "httpd/location.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_log.h>

#include <string.h>

/* ---- Finding the call ---- */

static int names_a_call(const char *segment, apr_size_t len)
{
    int i;

    for (i = 0; nanomdm_api_calls[i].name; i++) {
        if (strlen(nanomdm_api_calls[i].name) == len
            && !strncmp(segment, nanomdm_api_calls[i].name, len)) {
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

static int find_row(request_rec *r, const char *name, const char *rest)
{
    int i, is_known = 0;

    for (i = 0; nanomdm_api_calls[i].name; i++) {
        if (strcmp(nanomdm_api_calls[i].name, name)
            || (rest && !nanomdm_api_calls[i].takes_rest)) {
            continue;
        }
        is_known = 1;
        if (nanomdm_api_calls[i].method == r->method_number
            && !r->header_only) {
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

/* Of one call, separated by commas; with rest, of what may follow its name. */
static const char *methods_of(apr_pool_t *p, const char *name,
                              const char *rest)
{
    const char *list = "";
    int i;

    for (i = 0; nanomdm_api_calls[i].name; i++) {
        if (!strcmp(nanomdm_api_calls[i].name, name)
            && (!rest || nanomdm_api_calls[i].takes_rest)) {
            list = apr_pstrcat(p, list, *list ? ", " : "",
                               name_of_method(nanomdm_api_calls[i].method),
                               NULL);
        }
    }
    return list;
}

/* Each once, separated by spaces. */
static const char *all_calls(apr_pool_t *p)
{
    const char *list = "";
    int i;

    for (i = 0; nanomdm_api_calls[i].name; i++) {
        if (!nmdm_api_names_has(list, nanomdm_api_calls[i].name)) {
            list = apr_pstrcat(p, list, *list ? " " : "",
                               nanomdm_api_calls[i].name, NULL);
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

    for (i = 0; nanomdm_api_calls[i].name; i++) {
        nmdm_json_add_string(calls, nanomdm_api_calls[i].name,
                             methods_of(r->pool, nanomdm_api_calls[i].name,
                                        NULL));
    }
    nmdm_json_add_string(answer, "version", NMDM_VERSION);
    reply.body = nmdm_json_write(r->pool, answer);
    return nanomdm_reply(r, NULL, &reply, HTTP_OK);
}

/* ---- The handler ---- */

static int make_call(request_rec *r, int row, const char *rest)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    int status = HTTP_OK;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err = nanomdm_context(&ctx, r);

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (!err) {
        err = nanomdm_api_check_parameters(r,
                                           nanomdm_api_calls[row].parameters,
                                           nanomdm_api_calls[row].is_ours);
    }
    if (!err) {
        err = nanomdm_api_calls[row].call(ctx, r, &reply, &status,
                                          rest ? rest : "");
    }
    if (err && !reply.content_type) {
        return nanomdm_fail_json(r, ctx, err);
    }
    if (err) {
        nanomdm_log_error(r, ctx, err);
    }
    return nanomdm_reply(r, ctx, &reply, status);
}

static int refuse_method(request_rec *r, const char *name, const char *rest)
{
    const char *allowed = methods_of(r->pool, name, rest);

    apr_table_setn(r->headers_out, "Allow", allowed);
    return nanomdm_api_refuse(r, HTTP_METHOD_NOT_ALLOWED, apr_psprintf(
        r->pool, "Method Not Allowed: no %s for %s; allowed: %s",
        r->method, name, allowed));
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
        return refuse_method(r, name, rest);
    }
    if (!name && r->method_number == M_GET && is_root(r)) {
        return list_calls(r);
    }
    if (row < 0) {
        return nanomdm_api_refuse(r, HTTP_NOT_FOUND, apr_pstrcat(
            r->pool, "there is no such call; there are ",
            nmdm_api_names_list(r->pool, all_calls(r->pool)), NULL));
    }
    return make_call(r, row, rest);
}
