/* SPDX-License-Identifier: Apache-2.0 */
/* status_guard.c -- no device ever receives 401 or 403.
 *
 * A device that does takes it as the end of its management and removes its
 * enrollment (behaviour specification 1.10). Our own code sends neither; but
 * an inherited Require, a failing provider, mod_ssl or an error document can.
 * Such a refusal stays a refusal, as 500, and is logged loudly. Other errors
 * that httpd makes for a device lose their HTML on the way. */

#include "httpd/status_guard.h"
#include "api/answer.h"
#include "config/config.h"
#include "config/handlers.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request_state.h"
#include "httpd/traffic_dump.h"

#include <ap_expr.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define FILTER_NAME "NANOMDM_FIREWALL"

static ap_filter_rec_t *firewall_filter;

typedef struct {
    int minds_all_errors;       /* or only 401 and 403? */
    int is_api;                 /* says it in JSON, and takes nothing back */
    int has_spoken;             /* the rest of the response is dropped */
} guard_t;

/* ---- Which URLs ---- */

/* Looks back along internal redirects: an error document of a device URL
 * answers the device. */
static const nanomdm_request_state_t *verdict_of_device(const request_rec *r)
{
    for (; r; r = r->prev) {
        const nanomdm_request_state_t *verdict
            = ap_get_module_config(r->request_config, &nanomdm_module);

        if (verdict && verdict->asked_enrolled) {
            return verdict;
        }
    }
    return NULL;
}

static int is_device_url(request_rec *r)
{
    for (; r; r = r->prev) {
        if (nanomdm_is_device_handler(r->handler)
            || nanomdm_is_device_handler(nanomdm_configured_handler(r))) {
            return 1;
        }
    }
    return 0;
}

/* Whose clients are programs that read JSON. */
static int is_api_url(request_rec *r)
{
    for (; r; r = r->prev) {
        const char *handler = nanomdm_configured_handler(r);

        if (handler && !strcmp(handler, "nanomdm-api")) {
            return 1;
        }
    }
    return 0;
}

/* The same for a request that was refused before its Location was looked
 * for, which httpd does not mind doing now. */
static int is_device_url_at_last(request_rec *r)
{
    if (is_device_url(r)) {
        return 1;
    }
    return r->per_dir_config == r->server->lookup_defaults && r->uri
        && ap_location_walk(r) == OK && is_device_url(r);
}

/* ---- Before: error documents ---- */

/* The URL of an ErrorDocument might refuse the device in turn, or send it
 * elsewhere. The filter replaces this text. */
void nanomdm_keep_error_documents_out(request_rec *r)
{
    ap_custom_response(r, HTTP_UNAUTHORIZED, "\"Refused\n");
    ap_custom_response(r, HTTP_FORBIDDEN, "\"Refused\n");
}

/* Those of other errors too: a device that follows one to another site finds
 * a page there, and takes its 200 for ours. */
static void keep_all_error_documents_out(request_rec *r)
{
    const core_dir_config *core
        = ap_get_core_module_config(r->per_dir_config);
    int status;

    nanomdm_keep_error_documents_out(r);
    if (!core->response_code_exprs) {
        return;                 /* no ErrorDocument anywhere */
    }
    for (status = HTTP_BAD_REQUEST;
         status <= HTTP_NETWORK_AUTHENTICATION_REQUIRED; status++) {
        ap_custom_response(r, status, "\"Refused\n");
    }
}

static int prepare_device_url(request_rec *r)
{
    if (!r->prev && !r->main
        && (nanomdm_is_device_handler(nanomdm_configured_handler(r))
            || is_api_url(r))) {
        keep_all_error_documents_out(r);
    }
    return DECLINED;
}

/* Our URLs are no files. Looking for them in the file system costs time, fails
 * for long lists of ids, and lets a Directory that denies deny them too. The
 * second hook sees no Location, so the first leaves it a sign. Nor has what an
 * id ends with anything to say about the answer, such as .gz and .de. */
static int claim_url(request_rec *r)
{
    if (!nanomdm_is_our_handler(nanomdm_configured_handler(r))) {
        return DECLINED;
    }
    r->filename = apr_pstrdup(r->pool, r->uri);
    nanomdm_request_state(r)->is_ours = 1;
    return OK;
}

static int skip_file_system(request_rec *r)
{
    const nanomdm_request_state_t *verdict
        = ap_get_module_config(r->request_config, &nanomdm_module);

    return verdict && verdict->is_ours ? OK : DECLINED;
}

static int skip_file_types(request_rec *r)
{
    return nanomdm_is_our_handler(nanomdm_configured_handler(r)) ? OK
                                                                 : DECLINED;
}

/* ---- After: the status ---- */

static int is_refusal(const request_rec *r)
{
    return r->status == HTTP_UNAUTHORIZED || r->status == HTTP_FORBIDDEN;
}

static void loudly(request_rec *r, int status)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, NMDMNO(1401)
                  "-: %s: something in this server refused a device with"
                  " %d, which would end its enrollment; it got 500. Look for"
                  " Require, AuthType, Allow, Deny, SSLRequire, RewriteRule,"
                  " ProxyPass or a security module that covers this URL; write"
                  " for its Location: AuthType None, Require all granted",
                  r->uri, status);
}

/* Our own verdict is known already; what a proxied server or a CGI refused is
 * a bad gateway; everything else is a mistake in the configuration. */
static void take_back_refusal(request_rec *r)
{
    const nanomdm_request_state_t *verdict = verdict_of_device(r);

    if (verdict) {
        r->status = verdict->status ? verdict->status : HTTP_BAD_GATEWAY;
        if (r->status == HTTP_SERVICE_UNAVAILABLE) {
            apr_table_setn(r->headers_out, "Retry-After",
                           NANOMDM_RETRY_AFTER);
        }
    }
    else {
        loudly(r, r->status);
        r->status = HTTP_INTERNAL_SERVER_ERROR;
    }
    r->status_line = NULL;
    apr_table_unset(r->headers_out, "WWW-Authenticate");
    apr_table_unset(r->err_headers_out, "WWW-Authenticate");
    apr_table_unset(r->headers_out, "Location");
    apr_table_unset(r->err_headers_out, "Location");
}

/* What stays of a brigade are its signs, among them the end of the request,
 * with which its memory goes. */
static void drop_data(apr_bucket_brigade *brigade)
{
    apr_bucket *bucket, *next;

    for (bucket = APR_BRIGADE_FIRST(brigade);
         bucket != APR_BRIGADE_SENTINEL(brigade); bucket = next) {
        next = APR_BUCKET_NEXT(bucket);
        if (!APR_BUCKET_IS_METADATA(bucket) || APR_BUCKET_IS_EOS(bucket)) {
            apr_bucket_delete(bucket);
        }
    }
}

static void put_text(request_rec *r, apr_bucket_brigade *brigade)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    const nanomdm_request_state_t *verdict = verdict_of_device(r);
    const char *text = verdict && verdict->text ? verdict->text
        : apr_pstrcat(r->pool, ap_get_status_line(r->status) + 4, "\n", NULL);

    apr_table_unset(r->headers_out, "Content-Encoding");
    apr_table_unset(r->err_headers_out, "Content-Encoding");
    r->content_encoding = NULL;
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    ap_set_content_type(r, "text/plain; charset=utf-8");
    ap_set_content_length(r, (apr_off_t)strlen(text));
    nanomdm_traffic_dump_reply(r, (nmdm_bytes_t){ text, strlen(text) });
    APR_BRIGADE_INSERT_HEAD(brigade, apr_bucket_eos_create(alloc));
    if (!r->header_only) {
        APR_BRIGADE_INSERT_HEAD(brigade, apr_bucket_pool_create(
            text, strlen(text), r->pool, alloc));
    }
}

static void put_json(request_rec *r, apr_bucket_brigade *brigade)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };

    nmdm_api_answer_error(&reply, r->pool, r->status == HTTP_UNAUTHORIZED
                          ? "Unauthorized: credentials are missing or wrong"
                          : ap_get_status_line(r->status) + 4);
    ap_set_content_type(r, reply.content_type);
    ap_set_content_length(r, (apr_off_t)reply.body.len);
    APR_BRIGADE_INSERT_HEAD(brigade, apr_bucket_eos_create(alloc));
    if (!r->header_only) {
        APR_BRIGADE_INSERT_HEAD(brigade, apr_bucket_pool_create(
            reply.body.data, reply.body.len, r->pool, alloc));
    }
}

static apr_status_t firewall(ap_filter_t *f, apr_bucket_brigade *brigade)
{
    guard_t *guard = f->ctx;

    if (!guard->has_spoken && !is_refusal(f->r) && !guard->minds_all_errors) {
        ap_remove_output_filter(f);
        return ap_pass_brigade(f->next, brigade);
    }
    drop_data(brigade);
    if (!guard->has_spoken) {
        guard->has_spoken = 1;
        if (guard->is_api) {
            put_json(f->r, brigade);
            return ap_pass_brigade(f->next, brigade);
        }
        if (is_refusal(f->r)) {
            take_back_refusal(f->r);
        }
        put_text(f->r, brigade);
    }
    return ap_pass_brigade(f->next, brigade);
}

static void stand_in_the_way(request_rec *r, int minds_all_errors)
{
    guard_t *guard = apr_pcalloc(r->pool, sizeof(*guard));

    guard->minds_all_errors = minds_all_errors;
    guard->is_api = is_api_url(r);
    ap_add_output_filter_handle(firewall_filter, guard, r, r->connection);
}

/* A Location for devices, whose other requirements may have refused before
 * ours was asked. Where people log in as well, 401 has to reach them. */
static int is_guarded(request_rec *r)
{
    for (; r; r = r->prev) {
        if (nanomdm_conf(r)->guards_devices) {
            return !ap_auth_type(r);
        }
    }
    return 0;
}

/* A proxied server has not answered: mod_proxy says 503, NanoMDM 502. An
 * answer of that server is no error of httpd's and does not pass here. */
static int is_unreachable(const request_rec *r)
{
    const nanomdm_request_state_t *verdict = verdict_of_device(r);

    return r->proxyreq && r->status == HTTP_SERVICE_UNAVAILABLE && verdict
        && !verdict->status;
}

/* On the way of every error that httpd makes. */
static void stand_before_errors(request_rec *r)
{
    if (!ap_is_HTTP_ERROR(r->status)) {
        return;
    }
    if (is_unreachable(r)) {
        r->status = HTTP_BAD_GATEWAY;
        r->status_line = NULL;
        stand_in_the_way(r, 1);
        return;
    }
    if (is_api_url(r) || is_device_url_at_last(r)) {
        stand_in_the_way(r, 1);
    }
    else if (verdict_of_device(r) || is_guarded(r)) {
        stand_in_the_way(r, 0);
    }
}

/* Sees every error document and every answer to a device: a proxied server may
 * still refuse, the one that Require nanomdm-enrolled protects or one to which
 * a ProxyPass sends requests that are this module's. */
static void stand_before_refusals(request_rec *r)
{
    if (verdict_of_device(r) || is_device_url(r)
        || (is_refusal(r) && (is_device_url_at_last(r) || is_guarded(r)))) {
        stand_in_the_way(r, 0);
    }
}

void nanomdm_status_guard_hooks(void)
{
    /* After everything that makes a body, before headers are written. */
    firewall_filter = ap_register_output_filter(FILTER_NAME, firewall, NULL,
                                                AP_FTYPE_PROTOCOL - 1);
    ap_hook_translate_name(prepare_device_url, NULL, NULL,
                           APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(claim_url, NULL, NULL, APR_HOOK_LAST);
    ap_hook_map_to_storage(skip_file_system, NULL, NULL,
                           APR_HOOK_REALLY_FIRST);
    ap_hook_type_checker(skip_file_types, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_insert_error_filter(stand_before_errors, NULL, NULL,
                                APR_HOOK_REALLY_LAST);
    ap_hook_insert_filter(stand_before_refusals, NULL, NULL,
                          APR_HOOK_REALLY_LAST);
}
