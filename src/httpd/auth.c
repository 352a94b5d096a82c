/* SPDX-License-Identifier: Apache-2.0 */
/* auth.c -- AuthBasicProvider nanomdm for operators, Require
 * nanomdm-enrolled for devices at any Location. */

#include "httpd/auth.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "httpd/identity.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "httpd/request_state.h"
#include "httpd/status_guard.h"
#include "mdm/message.h"
#include "service/service.h"

#include <ap_provider.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>
#include <util_filter.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define API_USER "nanomdm"
#define REPLAY "NANOMDM_REPLAY"
#define PRIVATE "NANOMDM_PRIVATE"

static ap_filter_rec_t *replay_filter, *private_filter;

/* ---- AuthBasicProvider nanomdm ---- */

/* All are compared, so that the time taken reveals none of them. */
static int is_api_user(const nanomdm_conf_t *conf, const char *user)
{
    int i, yes = 0;

    if (!conf->api_users) {
        return nmdm_digest_same_secret(user, API_USER);
    }
    for (i = 0; i < conf->api_users->nelts; i++) {
        yes |= nmdm_digest_same_secret(
            user, APR_ARRAY_IDX(conf->api_users, i, const char *));
    }
    return yes;
}

/* Compare both, so that timing reveals neither. */
static authn_status check_password(request_rec *r, const char *user,
                                   const char *password)
{
    const nanomdm_conf_t *conf = nanomdm_conf(r);
    int same_user, same_key;

    if (!conf->api_key.value) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, NMDMNO(1301)
                      "-: AuthBasicProvider nanomdm without NanoMDMAPIKey");
        return AUTH_GENERAL_ERROR;
    }
    same_user = is_api_user(conf, user);
    same_key = nmdm_digest_same_secret(password, conf->api_key.value);
    if (same_user & same_key) {
        return AUTH_GRANTED;
    }
    return same_user ? AUTH_DENIED : AUTH_USER_NOT_FOUND;
}

static const authn_provider PROVIDER = { check_password, NULL };

/* ---- Require nanomdm-enrolled ---- */

/* A body that had to be read to check the signature over it, once more for
 * the handler. */
static apr_status_t replay(ap_filter_t *f, apr_bucket_brigade *brigade,
                           ap_input_mode_t mode, apr_read_type_e block,
                           apr_off_t readbytes)
{
    nmdm_bytes_t *left = f->ctx;
    apr_size_t n = left->len;

    (void)block;
    if (mode == AP_MODE_INIT || mode == AP_MODE_EATCRLF) {
        return APR_SUCCESS;
    }
    if (mode == AP_MODE_READBYTES && readbytes > 0
        && (apr_off_t)n > readbytes) {
        n = (apr_size_t)readbytes;
    }
    if (n) {
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_pool_create(
            left->data, n, f->r->pool, f->c->bucket_alloc));
    }
    if (mode != AP_MODE_SPECULATIVE) {
        left->data += n;
        left->len -= n;
    }
    if (!left->len) {
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(
            f->c->bucket_alloc));
    }
    return APR_SUCCESS;
}

static nmdm_err_t *identify(nmdm_ctx_t *ctx, request_rec *r)
{
    nmdm_bytes_t *body;

    NMDM_TRY(nanomdm_identity(ctx, r, NULL));
    if (ctx->cert) {
        return NULL;
    }
    body = apr_palloc(r->pool, sizeof(*body));
    NMDM_TRY(nanomdm_body(body, r));
    nanomdm_request_state(r)->unread = body;
    ap_add_input_filter_handle(replay_filter, body, r, r->connection);
    return nanomdm_identity(ctx, r, body);
}

/* An internal redirect has input filters of its own, and reads on where the
 * request before it stopped. */
static void replay_after_redirect(request_rec *r)
{
    const request_rec *before;

    for (before = r->prev; before; before = before->prev) {
        const nanomdm_request_state_t *verdict
            = ap_get_module_config(before->request_config, &nanomdm_module);

        if (verdict && verdict->unread) {
            ap_add_input_filter_handle(replay_filter, verdict->unread, r,
                                       r->connection);
            return;
        }
    }
}

/* A subrequest or an internal redirect of a request that was let in, or the
 * same Require once more: the signature is gone by now. */
static int was_let_in(const request_rec *r)
{
    for (; r; r = r->main ? r->main : r->prev) {
        const nanomdm_request_state_t *verdict
            = ap_get_module_config(r->request_config, &nanomdm_module);

        if (verdict && verdict->granted) {
            return 1;
        }
    }
    return 0;
}

/* mod_cache could serve it to another client without checking Require. */
static void keep_out_of_cache(request_rec *r)
{
    if (was_let_in(r)) {
        apr_table_setn(r->subprocess_env, "no-cache", "1");
        if (!r->main) {
            ap_add_output_filter_handle(private_filter, NULL, r,
                                        r->connection);
        }
    }
}

/* Of the directives of Cache-Control: one that keeps shared caches away, or
 * one that invites them, which is left to whose file it is. */
static int speaks_to_shared_caches(apr_pool_t *p, const char *directives)
{
    const char *each;

    while ((each = ap_get_list_item(p, &directives)) != NULL) {
        if (!strcmp(each, "private") || !strcmp(each, "no-store")
            || !strcmp(each, "public") || !strncmp(each, "s-maxage=", 9)) {
            return 1;
        }
    }
    return 0;
}

/* A cache in front of this server knows nothing of the certificate. RFC 9111,
 * 3.5, has it keep no answer to a request with Authorization; this one has
 * none, so the answer has to say the same. */
static apr_status_t keep_private(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    const char *said = apr_table_getm(r->pool, r->headers_out,
                                      "Cache-Control");
    const char *always = apr_table_getm(r->pool, r->err_headers_out,
                                        "Cache-Control");

    if (!(said && speaks_to_shared_caches(r->pool, said))
        && !(always && speaks_to_shared_caches(r->pool, always))) {
        apr_table_mergen(r->headers_out, "Cache-Control", "private");
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* In an environment, such as that of CGI or WSGI, all that is no letter or
 * digit becomes an underscore. */
static int is_alike(const char *name, const char *other)
{
    while (*name && *other
           && (apr_tolower(*name) == apr_tolower(*other)
               || (!apr_isalnum(*name) && !apr_isalnum(*other)))) {
        name++;
        other++;
    }
    return !*name && !*other;
}

static void unset_alike(apr_table_t *headers, const char *name)
{
    const apr_array_header_t *all = apr_table_elts(headers);
    int i = 0;

    while (i < all->nelts) {
        const char *key = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        if (is_alike(name, key)) {
            apr_table_unset(headers, key);
            i = 0;
        }
        else {
            i++;
        }
    }
}

/* mod_proxy does not pass on what these name. */
static void keep_from_hop(request_rec *r, const char *field)
{
    const char *list = apr_table_get(r->headers_in, field);
    const char *kept = NULL, *token;
    char *copy, *rest;

    if (!list) {
        return;
    }
    copy = apr_pstrdup(r->pool, list);
    for (token = apr_strtok(copy, ", \t;\"", &rest); token;
         token = apr_strtok(NULL, ", \t;\"", &rest)) {
        if (!is_alike("X-Enrollment-ID", token)
            && !is_alike("X-Trace-ID", token)) {
            kept = kept ? apr_pstrcat(r->pool, kept, ", ", token, NULL)
                        : token;
        }
    }
    apr_table_unset(r->headers_in, field);
    if (kept) {
        apr_table_setn(r->headers_in, field, kept);
    }
}

static void unset_claims(request_rec *r)
{
    unset_alike(r->headers_in, "X-Enrollment-ID");
    unset_alike(r->headers_in, "X-Trace-ID");
}

/* A client that another Require lets in has no enrollment to speak for. What
 * an internal redirect brings along is ours. */
static int forget_claims(request_rec *r)
{
    if (nanomdm_conf(r)->guards_devices && !was_let_in(r)) {
        unset_claims(r);
    }
    return DECLINED;
}

static void introduce(request_rec *r, const nmdm_ctx_t *ctx, const char *id)
{
    const apr_array_header_t *sources = nanomdm_conf(r)->identity;
    int i;

    keep_from_hop(r, "Connection");
    keep_from_hop(r, "Proxy-Connection");
    apr_table_setn(r->headers_in, "X-Enrollment-ID", id);
    apr_table_setn(r->headers_in, "X-Trace-ID", ctx->trace_id);
    unset_alike(r->headers_in, "Mdm-Signature");
    for (i = 0; i < sources->nelts; i++) {
        const nanomdm_source_t *source = &APR_ARRAY_IDX(sources, i,
                                                        nanomdm_source_t);

        if (source->header) {
            unset_alike(r->headers_in, source->header);
        }
    }
}

static nmdm_err_t *find_device(const char **id, nmdm_ctx_t *ctx,
                               request_rec *r)
{
    NMDM_TRY(identify(ctx, r));
    NMDM_TRY(nmdm_service_device_of_cert(ctx, id));
    if (!nmdm_message_id_fits_header(*id)) {
        return nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1302)
                        "%s: this id cannot be sent in X-Enrollment-ID: white"
                        " space at an end, or control characters", *id);
    }
    return NULL;
}

/* httpd can only say 401 or 403 here; the firewall makes of it what the
 * verdict says. */
static authz_status admit(request_rec *r, const char *line,
                          const void *parsed)
{
    nanomdm_request_state_t *verdict = nanomdm_request_state(r);
    const char *id = NULL;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;

    (void)line;
    (void)parsed;
    if (was_let_in(r)) {
        return AUTHZ_GRANTED;
    }
    err = nanomdm_context(&ctx, r);
    if (!err) {
        err = find_device(&id, ctx, r);
        unset_claims(r);        /* again: MergeTrailers, if a body was read */
    }
    nmdm_db_release(ctx);
    nanomdm_reply_set_log_notes(r, ctx);
    verdict->asked_enrolled = 1;
    if (!err) {
        verdict->granted = 1;
        verdict->status = 0;
        introduce(r, ctx, id);
        return AUTHZ_GRANTED;
    }
    nanomdm_log_error(r, ctx, err);
    nanomdm_keep_error_documents_out(r);
    verdict->status = err->kind == NMDM_REFUSED ? HTTP_BAD_REQUEST
                                               : nanomdm_status_of(err);
    verdict->text = err->kind == NMDM_REFUSED ? "Unauthorized\n" : NULL;
    return AUTHZ_DENIED;
}

static const char *parse_require(cmd_parms *cmd, const char *line,
                                 const void **parsed)
{
    nanomdm_conf_t *conf = ap_get_module_config(cmd->context,
                                                &nanomdm_module);

    (void)parsed;
    if (!conf) {
        conf = nanomdm_create_dir_conf(cmd->pool, cmd->path);
        ap_set_module_config(cmd->context, &nanomdm_module, conf);
    }
    conf->guards_devices = 1;
    return *line ? apr_psprintf(cmd->pool, "Require nanomdm-enrolled \"%s\":"
                                " it takes no argument; leave that out",
                                line) : NULL;
}

static const authz_provider ENROLLED = { admit, parse_require };

/* ---- Registration ---- */

void nanomdm_auth_hooks(apr_pool_t *p)
{
    replay_filter = ap_register_input_filter(REPLAY, replay, NULL,
                                             AP_FTYPE_RESOURCE);
    private_filter = ap_register_output_filter(PRIVATE, keep_private, NULL,
                                               AP_FTYPE_CONTENT_SET + 1);
    ap_register_auth_provider(p, AUTHN_PROVIDER_GROUP, "nanomdm",
                              AUTHN_PROVIDER_VERSION, &PROVIDER,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_header_parser(forget_claims, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_insert_filter(replay_after_redirect, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    ap_hook_insert_filter(keep_out_of_cache, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    /* A redirect to a folder's name is answered before there is a handler. */
    ap_hook_insert_error_filter(keep_out_of_cache, NULL, NULL,
                                APR_HOOK_REALLY_FIRST);
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, "nanomdm-enrolled",
                              AUTHZ_PROVIDER_VERSION, &ENROLLED,
                              AP_AUTH_INTERNAL_PER_CONF);
}
