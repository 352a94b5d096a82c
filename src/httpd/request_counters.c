/* SPDX-License-Identifier: Apache-2.0 */
/* request_counters.c -- counters that all children share: their memory,
 * requests counted at their end, a section of mod_status. */

#include "httpd/request_counters.h"
#include "base/counters.h"
#include "base/version.h"
#include "config/config.h"
#include "config/handlers.h"
#include "crypto/digest.h"
#include "httpd/request_state.h"
#include "httpd/shared_memory.h"

#include <apr_optional.h>
#include <apr_optional_hooks.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_main.h>
#include <http_protocol.h>
#include <mod_status.h>

#include <string.h>

nmdm_counters_t *nanomdm_counters(const server_rec *s)
{
    return nanomdm_server(s)->counters;
}

/* ---- Their memory ---- */

/* A digest, since the parameters may hold a password. */
static const char *name_of(apr_pool_t *p, const nanomdm_server_t *server)
{
    const char *database = server->database ? server->database : "";

    return apr_pstrcat(p, "counters of ", nmdm_digest_sha256(
        p, (nmdm_bytes_t){ database, strlen(database) }), NULL);
}

static int find_memory(apr_pool_t *pconf, apr_pool_t *plog,
                       apr_pool_t *ptemp, server_rec *s)
{
    server_rec *each;
    int is_new;

    (void)plog;
    for (each = s; each; each = each->next) {
        nanomdm_server_t *server = nanomdm_server(each);

        if (!server->uses_database) {
            continue;
        }
        server->counters = nanomdm_shared_memory(
            pconf, s, name_of(ptemp, server), nmdm_counters_size(), &is_new);
        if (is_new) {
            nmdm_counters_make(server->counters, apr_time_now());
        }
    }
    return OK;
}

/* ---- Requests ---- */

static const char *class_of(int status)
{
    return status == HTTP_SERVICE_UNAVAILABLE ? "503"
        : status < 400 ? "2xx" : status < 500 ? "4xx" : "5xx";
}

static const char *outcome_of(int status)
{
    return status == HTTP_SERVICE_UNAVAILABLE ? "unavailable"
        : status < 300 ? "ok" : "refused";
}

static int is_checkin(const char *message)
{
    const nmdm_family_t *family = nmdm_count_family(NMDM_COUNT_CHECKINS);
    int i;

    for (i = 0; i < family->n; i++) {
        if (!strcmp(family->values[i], message)) {
            return 1;
        }
    }
    return 0;
}

/* Each certificate that ends soon, once. */
static void count_end(const request_rec *r)
{
    const nanomdm_request_state_t *verdict
        = ap_get_module_config(r->request_config, &nanomdm_module);

    if (verdict->cert_name
        && (apr_table_get(r->notes, "NANOMDM_IDENTITY_ENDS")
            || apr_table_get(r->notes, "NANOMDM_IDENTITY_EXPIRED"))) {
        nmdm_counters_see_ending(nanomdm_counters(r->server),
                                 verdict->cert_name, r->request_time);
    }
}

static void count_device(const request_rec *r, int status)
{
    nmdm_counters_t *counters = nanomdm_counters(r->server);
    const char *message = apr_table_get(r->notes, "NANOMDM_MESSAGE");
    const char *id = apr_table_get(r->notes, "NANOMDM_ID");
    const char *outcome = outcome_of(status);

    if (!message) {
        nmdm_count(counters, NMDM_COUNT_UNREAD, outcome, NULL, 1);
        return;
    }
    nmdm_count(counters, is_checkin(message) ? NMDM_COUNT_CHECKINS
                                             : NMDM_COUNT_REPORTS,
               message, outcome, 1);
    if (id && status == HTTP_OK) {
        nmdm_counters_see(counters, id, r->request_time);
        count_end(r);
    }
    if (apr_table_get(r->notes, "NANOMDM_NEXT_COMMAND_UUID")) {
        nmdm_count(counters, NMDM_COUNT_DELIVERED, NULL, NULL, 1);
    }
}

/* The end of any request; ours are known by their Location, so that those
 * which another module refused count as well. */
static int count_request(request_rec *r)
{
    const nanomdm_request_state_t *verdict
        = ap_get_module_config(r->request_config, &nanomdm_module);
    const request_rec *last = r;
    const char *handler;

    if (!verdict || !verdict->is_ours) {
        return DECLINED;
    }
    while (last->next) {
        last = last->next;
    }
    handler = nanomdm_configured_handler(r);
    if (nanomdm_is_device_handler(handler)) {
        handler = "device";
        count_device(r, last->status);
    }
    else if (nanomdm_is_our_handler(handler)) {
        handler += strlen("nanomdm-");
    }
    else {
        return DECLINED;
    }
    nmdm_count(nanomdm_counters(r->server), NMDM_COUNT_REQUESTS, handler,
               class_of(last->status), 1);
    nmdm_count_duration(nanomdm_counters(r->server), handler,
                        apr_time_now() - r->request_time);
    return DECLINED;
}

/* ---- mod_status ---- */

static const struct {
    const char *key, *text;
    nmdm_count_e family;
} LINES[] = {
    { "CheckIns", "Check-ins", NMDM_COUNT_CHECKINS },
    { "Reports", "Polls and reports", NMDM_COUNT_REPORTS },
    { "CommandsDelivered", "Commands delivered", NMDM_COUNT_DELIVERED },
    { "Pushes", "Pushes", NMDM_COUNT_PUSHES },
    { "WebhookEvents", "Webhook events", NMDM_COUNT_EVENTS },
    { "DatabaseFailures", "Database failures", NMDM_COUNT_DATABASE },
    { "Limited", "Requests beyond the rate limit", NMDM_COUNT_LIMITED },
};

/* The counters of all databases, each once. */
static apr_array_header_t *all_counters(apr_pool_t *p, const server_rec *s)
{
    apr_array_header_t *all = apr_array_make(p, 2, sizeof(nmdm_counters_t *));
    int i;

    for (; s; s = s->next) {
        nmdm_counters_t *counters = nanomdm_counters(s);

        for (i = 0; i < all->nelts; i++) {
            if (APR_ARRAY_IDX(all, i, nmdm_counters_t *) == counters) {
                break;
            }
        }
        if (counters && i == all->nelts) {
            APR_ARRAY_PUSH(all, nmdm_counters_t *) = counters;
        }
    }
    return all;
}

static apr_uint64_t sum_of(const apr_array_header_t *all, nmdm_count_e family)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < all->nelts; i++) {
        sum += nmdm_counted_all(APR_ARRAY_IDX(all, i, nmdm_counters_t *),
                                family);
    }
    return sum;
}

static apr_uint64_t seen_by(const apr_array_header_t *all)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < all->nelts; i++) {
        sum += nmdm_counters_seen(APR_ARRAY_IDX(all, i, nmdm_counters_t *),
                                  NMDM_LAST_HOUR, apr_time_now());
    }
    return sum;
}

/* mod_status is about the whole server. */
static int show_on_status_page(request_rec *r, int flags)
{
    const apr_array_header_t *all = all_counters(r->pool, ap_server_conf);
    apr_size_t i;

    if (!all->nelts) {
        return DECLINED;
    }
    if (!(flags & AP_STATUS_SHORT)) {
        ap_rputs("<hr />\n<h2>mod_nanomdm " NMDM_VERSION "</h2>\n<dl>\n", r);
    }
    for (i = 0; i < sizeof(LINES) / sizeof(*LINES); i++) {
        ap_rprintf(r, flags & AP_STATUS_SHORT
                      ? "NanoMDM%s: %" APR_UINT64_T_FMT "\n"
                      : "<dt>%s: %" APR_UINT64_T_FMT "</dt>\n",
                   flags & AP_STATUS_SHORT ? LINES[i].key : LINES[i].text,
                   sum_of(all, LINES[i].family));
    }
    ap_rprintf(r, flags & AP_STATUS_SHORT
                  ? "NanoMDMSeenLastHour: %" APR_UINT64_T_FMT "\n"
                  : "<dt>Enrollments seen in the last hour: about %"
                    APR_UINT64_T_FMT "</dt>\n</dl>\n", seen_by(all));
    return OK;
}

void nanomdm_counters_hooks(void)
{
    ap_hook_post_config(find_memory, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(count_request, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, show_on_status_page, NULL, NULL,
                      APR_HOOK_MIDDLE);
}
