/* SPDX-License-Identifier: Apache-2.0 */
/* httpd/enroll.c -- handler nanomdm-enroll: who asks for a profile, what a
 * device says of itself, and the answer. */

#include "httpd/enroll.h"
#include "api/answer.h"
#include "base/counters.h"
#include "config/enroll.h"
#include "config/handlers.h"
#include "db/db.h"
#include "httpd/access.h"
#include "httpd/location.h"
#include "httpd/log.h"
#include "httpd/rate_limiter.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "scep/scep.h"

#include <apr_strings.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_filter.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define TYPE_PROFILE "application/x-apple-aspen-config"
#define DEVICE_INFO_HEADER "x-apple-aspen-deviceinfo"

/* Characters of a link's token. */
#define TOKEN_LENGTH 43

typedef struct {
    request_rec *r;
    nmdm_ctx_t *ctx;
    const nanomdm_conf_t *conf;
    const nanomdm_enroll_site_t *site;
    nmdm_enroll_request_t request;
    nmdm_machine_info_t info;
    int has_info;               /* and it is verified */
    int is_link_preview;
} visit_t;

/* ---- Answers ---- */

static int wants_plist(request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    return accept && !strstr(accept, "application/json")
        && (ap_strcasestr(accept, "application/xml")
            || ap_strcasestr(accept, "text/xml")
            || ap_strcasestr(accept, "plist"));
}

static int refuse(visit_t *visit, int status, const char *why)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };

    nmdm_api_answer_error(&reply, visit->r->pool, why);
    return nanomdm_reply(visit->r, visit->ctx, &reply, status);
}

/* What Setup Assistant makes a text of, for who is not to be enrolled. */
static int refuse_device(visit_t *visit)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    nmdm_err_t *err = nmdm_gates_unrecognized(&reply, visit->r->pool, NULL,
                                              wants_plist(visit->r));

    return err ? nanomdm_fail_json(visit->r, visit->ctx, err)
               : nanomdm_reply(visit->r, visit->ctx, &reply, HTTP_FORBIDDEN);
}

static void count(const visit_t *visit, const char *result)
{
    nmdm_count(visit->ctx->services->counters, NMDM_COUNT_PROFILES, result,
               NULL, 1);
}

static void log_refusal(const visit_t *visit, const char *why)
{
    count(visit, "refused");
    nmdm_log(visit->ctx, NMDM_LOG_INFO, NMDMNO(2320)
             "-: %s gets no enrollment profile: %s [trace %s]",
             visit->r->useragent_ip, why, visit->ctx->trace_id);
}

/* ---- The URL ---- */

static int is_token(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789-_") == TOKEN_LENGTH
        && !text[TOKEN_LENGTH];
}

/* What follows the path of the Location: nothing, or the token of a link; 0
 * for anything else. */
static int read_path(visit_t *visit)
{
    const apr_array_header_t *paths = nanomdm_location_paths(visit->r);
    const char *rest = visit->r->uri
        + APR_ARRAY_IDX(paths, paths->nelts - 1, apr_size_t);

    if (*rest == '/') {
        rest++;
    }
    if (*rest) {
        visit->request.token = rest;
    }
    return !*rest || is_token(rest);
}

/* ---- MachineInfo ---- */

static nmdm_err_t *decode(nmdm_bytes_t *out, request_rec *r, const char *text)
{
    return strlen(text) <= 2 * NMDM_DEVICE_CMS_LONGEST
        && nmdm_scep_decode(out, r->pool, text) ? NULL
        : nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(2321)
                   DEVICE_INFO_HEADER " or deviceinfo is not base64");
}

/* From the body of Setup Assistant, the header of a web view's first load, or
 * the parameter that stands in for a header which a redirect lost. */
static nmdm_err_t *read_message(nmdm_bytes_t *message, request_rec *r)
{
    const char *text = apr_table_get(r->headers_in, DEVICE_INFO_HEADER);

    *message = (nmdm_bytes_t){ "", 0 };
    if (r->method_number == M_POST) {
        NMDM_TRY(nanomdm_body_of(message, r, NMDM_DEVICE_CMS_LONGEST));
    }
    if (message->len) {
        return NULL;
    }
    text = text ? text : nanomdm_parameter(r, "deviceinfo");
    return text && *text ? decode(message, r, text) : NULL;
}

/* *why is what speaks against what a device sent. */
static nmdm_err_t *read_info(visit_t *visit, const char **why)
{
    const nmdm_device_cms_cas_t *cas = visit->site->device_cas;
    nmdm_bytes_t message, content = { "", 0 };

    *why = NULL;
    NMDM_TRY(read_message(&message, visit->r));
    if (!cas || !message.len) {
        return NULL;
    }
    NMDM_TRY(nmdm_device_cms_open(&content, why, visit->r->pool, cas,
                                  message));
    if (*why) {
        *why = apr_pstrcat(visit->r->pool, "its MachineInfo is not believed:"
                           " ", *why, NULL);
        return NULL;
    }
    NMDM_TRY(nmdm_machine_info_read(&visit->info, visit->r->pool, content));
    visit->has_info = 1;
    visit->request.binding.serial_number = visit->info.serial;
    visit->request.binding.udid = visit->info.udid;
    return NULL;
}

/* ---- Who asks ---- */

static int admits(const visit_t *visit, nmdm_enroll_by_e by)
{
    return (visit->conf->enroll_require & (int)by) != 0;
}

/* NULL where the request may have a profile, or why not; a link is judged by
 * the core. */
static const char *why_not(visit_t *visit)
{
    nmdm_enroll_request_t *request = &visit->request;

    if (nanomdm_access_is_vouched_for(visit->r)) {
        request->binding.user_name = visit->r->user;
    }
    if (request->token) {
        request->by = NMDM_ENROLL_LINK;
        return admits(visit, NMDM_ENROLL_LINK) ? NULL
            : "NanoMDMEnrollRequire takes no links here";
    }
    if (request->binding.user_name && admits(visit, NMDM_ENROLL_USER)) {
        request->by = NMDM_ENROLL_USER;
        return NULL;
    }
    if (visit->has_info && admits(visit, NMDM_ENROLL_MACHINE_INFO)) {
        request->by = NMDM_ENROLL_MACHINE_INFO;
        return NULL;
    }
    request->by = NMDM_ENROLL_OPEN;
    return visit->conf->enroll_open ? NULL
        : "neither a user, nor a link, nor MachineInfo vouches for it, as"
          " NanoMDMEnrollRequire asks";
}

static void set(request_rec *r, const char *name, const char *value)
{
    if (value && *value) {
        apr_table_setn(r->subprocess_env, name, value);
        apr_table_setn(r->notes, name, value);
    }
}

static void set_environment(const visit_t *visit)
{
    request_rec *r = visit->r;

    set(r, "NANOMDM_ENROLL", nmdm_enroll_by_name(visit->request.by));
    if (visit->has_info) {
        set(r, "NANOMDM_UDID", visit->info.udid);
        set(r, "NANOMDM_SERIAL", visit->info.serial);
        set(r, "NANOMDM_PRODUCT", visit->info.product);
        set(r, "NANOMDM_OS_VERSION", visit->info.os_version);
    }
}

/* ---- Gates ---- */

/* One that cannot be evaluated keeps out. */
static int is_excluded(const visit_t *visit)
{
    const nanomdm_enroll_if_t *gate = visit->conf->enroll_if;
    const char *problem = NULL;
    int result;

    if (!gate) {
        return 0;
    }
    result = ap_expr_exec(visit->r, gate->expr, &problem);
    if (result < 0 || problem) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, visit->r, NMDMNO(2322)
                      "-: NanoMDMEnrollIf \"%s\": %s; the device is kept out",
                      gate->text, problem ? problem : "cannot be evaluated");
    }
    return result <= 0;
}

/* Whether a gate has answered; *status is what the handler returns then. */
static int stops_at_gate(visit_t *visit, int *status)
{
    nmdm_gates_t gates = {
        .is_excluded = is_excluded(visit),
        .excluded = visit->conf->enroll_if ? &visit->conf->enroll_if->texts
                                           : NULL,
        .minimum_os = visit->conf->enroll_minimum,
        .platform_sso = visit->conf->enroll_sso };
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    const char *code = NULL;
    nmdm_err_t *err = nmdm_gates_judge(&code, &reply, visit->r->pool, &gates,
                                       visit->has_info ? &visit->info : NULL,
                                       wants_plist(visit->r));

    if (!err && !code) {
        return 0;
    }
    if (err) {
        *status = nanomdm_fail_json(visit->r, visit->ctx, err);
        return 1;
    }
    count(visit, "gate");
    nmdm_log(visit->ctx, NMDM_LOG_INFO, NMDMNO(2323)
             "-: %s (%s, %s %s) is not enrolled: %s [trace %s]",
             visit->r->useragent_ip, visit->has_info ? visit->info.serial : "",
             visit->has_info ? visit->info.product : "",
             visit->has_info ? visit->info.os_version : "", code,
             visit->ctx->trace_id);
    *status = nanomdm_reply(visit->r, visit->ctx, &reply, HTTP_FORBIDDEN);
    return 1;
}

/* ---- The profile ---- */

/* Programs that fetch what is written in a message, or a browser that fetches
 * ahead: they would use up a link that is meant for another device. */
static int is_preview(request_rec *r)
{
    static const char *const HEADERS[] = { "Sec-Purpose", "Purpose",
                                           "X-Purpose", "X-Moz", NULL };
    static const char *const AGENTS[] = { "bot", "preview", "crawler",
                                          "spider", "facebookexternalhit",
                                          "whatsapp", NULL };
    const char *agent = apr_table_get(r->headers_in, "User-Agent");
    const char *range = apr_table_get(r->headers_in, "Range");
    int i;

    for (i = 0; HEADERS[i]; i++) {
        const char *value = apr_table_get(r->headers_in, HEADERS[i]);

        if (value && (ap_strcasestr(value, "prefetch")
                      || ap_strcasestr(value, "preview"))) {
            return 1;
        }
    }
    for (i = 0; agent && AGENTS[i]; i++) {
        if (ap_strcasestr(agent, AGENTS[i])) {
            return 1;
        }
    }
    return range && strcmp(range, "bytes=0-");
}

static int answer_preview(visit_t *visit)
{
    return nanomdm_plain(visit->r, HTTP_OK, "Open this link on the device that"
                                            " is to be enrolled.\n");
}

/* Whether the last byte went out: the answer is written before this
 * returns. */
static int was_sent(request_rec *r)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, alloc);
    apr_status_t rv;

    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(alloc));
    rv = ap_pass_brigade(r->output_filters, brigade);
    return rv == APR_SUCCESS && !r->connection->aborted;
}

static void give_back_unsent(visit_t *visit, const nmdm_enroll_t *given)
{
    nmdm_err_t *err;

    if (visit->request.by != NMDM_ENROLL_LINK || visit->request.is_head
        || was_sent(visit->r)) {
        return;
    }
    err = nmdm_enroll_give_back(visit->ctx, given, &visit->request);
    nmdm_db_release(visit->ctx);        /* the answer was sent before */
    if (err) {
        nanomdm_log_error(visit->r, visit->ctx, err);
    }
}

static int send_profile(visit_t *visit, const nmdm_enroll_t *given)
{
    nmdm_reply_t reply = { TYPE_PROFILE, given->profile.body, NULL };
    request_rec *r = visit->r;
    int status;

    if (!visit->request.is_head) {
        count(visit, nmdm_enroll_by_name(visit->request.by));
    }

    apr_table_setn(r->headers_out, "Content-Disposition",
                   "attachment; filename=\"enroll.mobileconfig\"");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    nmdm_log(visit->ctx, NMDM_LOG_INFO, NMDMNO(2324)
             "-: enrollment profile %s by %s for %s, %s [trace %s]",
             visit->request.is_head ? "looked at" : "given",
             nmdm_enroll_by_name(visit->request.by), r->useragent_ip,
             nmdm_binding_text(r->pool, &given->binding),
             visit->ctx->trace_id);
    status = nanomdm_reply(r, visit->ctx, &reply, HTTP_OK);
    give_back_unsent(visit, given);
    return status;
}

static int answer_outcome(visit_t *visit, const nmdm_enroll_t *given)
{
    switch (given->outcome) {
    case NMDM_ENROLL_GIVEN:
        return send_profile(visit, given);
    case NMDM_ENROLL_REFUSED:
        log_refusal(visit, given->why);
        return admits(visit, NMDM_ENROLL_MACHINE_INFO)
            ? refuse_device(visit)
            : refuse(visit, HTTP_FORBIDDEN, "this link is not known, has"
                     " expired or was used; ask for another");
    case NMDM_ENROLL_LIMITED:
        count(visit, "limited");
        nmdm_log(visit->ctx, NMDM_LOG_WARNING, NMDMNO(2327)
                 "-: %s gets no enrollment profile: %s [trace %s]",
                 visit->r->useragent_ip, given->why, visit->ctx->trace_id);
        return refuse(visit, HTTP_TOO_MANY_REQUESTS, given->why);
    case NMDM_ENROLL_NO_TOPIC:
        break;
    }
    nmdm_log(visit->ctx, NMDM_LOG_ERROR, NMDMNO(2325)
             "-: no enrollment profile can be made: %s", given->why);
    return refuse(visit, HTTP_SERVICE_UNAVAILABLE, given->why);
}

static int give_profile(visit_t *visit)
{
    const char *flaw = nmdm_binding_flaw(&visit->request.binding);
    nmdm_enroll_conf_t conf;
    nmdm_enroll_t given;
    nmdm_err_t *err;

    if (flaw) {
        log_refusal(visit, flaw);
        return refuse(visit, HTTP_BAD_REQUEST, flaw);
    }
    nanomdm_enroll_conf(&conf, visit->r->pool, visit->conf, visit->site);
    err = nmdm_enroll_give(visit->ctx, &given, &conf, &visit->request);
    return err ? nanomdm_fail_json(visit->r, visit->ctx, err)
               : answer_outcome(visit, &given);
}

/* ---- The handler ---- */

static int serve(visit_t *visit)
{
    const char *why = NULL;
    nmdm_err_t *err;
    int status;

    why = nanomdm_access_embedded(visit->r);
    if (why) {
        log_refusal(visit, why);
        return refuse(visit, HTTP_FORBIDDEN, why);
    }
    err = nanomdm_rate_limiter_check_client(visit->ctx, visit->r);
    if (!err) {
        err = read_info(visit, &why);
    }
    if (err) {
        return nanomdm_fail_json(visit->r, visit->ctx, err);
    }
    if (why) {
        log_refusal(visit, why);
        return refuse_device(visit);
    }
    why = why_not(visit);
    if (why) {
        log_refusal(visit, why);
        return admits(visit, NMDM_ENROLL_MACHINE_INFO) ? refuse_device(visit)
            : refuse(visit, HTTP_FORBIDDEN, "an enrollment profile is given to"
                     " a user who has logged in, or for a link");
    }
    set_environment(visit);
    if (visit->request.by == NMDM_ENROLL_LINK && is_preview(visit->r)) {
        return answer_preview(visit);
    }
    return stops_at_gate(visit, &status) ? status : give_profile(visit);
}

static int is_method(const request_rec *r)
{
    return r->method_number == M_GET || r->method_number == M_POST;
}

int nanomdm_enroll_handler(request_rec *r)
{
    visit_t visit = { .r = r };
    nmdm_err_t *err;
    int status;

    if (strcmp(r->handler, "nanomdm-enroll")) {
        return DECLINED;
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    status = nanomdm_access_error_before(r);
    if (status) {
        return refuse(&visit, status, ap_get_status_line(status) + 4);
    }
    if (!is_method(r)) {
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD, POST");
        return refuse(&visit, HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed");
    }
    if (!read_path(&visit)) {
        return refuse(&visit, HTTP_NOT_FOUND, "there is nothing below this"
                      " URL but links");
    }
    err = nanomdm_context(&visit.ctx, r);
    visit.conf = nanomdm_conf(r);
    visit.site = nanomdm_server(r->server)->enroll;
    if (!err && !visit.site) {
        err = nmdm_err(r->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(2326)
                       "-: the handler nanomdm-enroll has to be named by"
                       " SetHandler");
    }
    if (err) {
        return nanomdm_fail_json(r, visit.ctx, err);
    }
    visit.request.client = r->useragent_ip;
    visit.request.network = nanomdm_rate_limiter_client(r);
    visit.request.is_head = r->header_only;
    return serve(&visit);
}
