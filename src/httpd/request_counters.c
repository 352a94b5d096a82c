/* SPDX-License-Identifier: Apache-2.0 */
/* request_counters.c -- counters that all children share: their memory,
 * requests counted at their end, a section of mod_status. */

#include "httpd/request_counters.h"
#include "base/counters.h"
#include "base/version.h"
#include "config/config.h"
#include "config/handlers.h"
#include "httpd/request_state.h"
#include "httpd/shared_memory.h"

#include <apr_optional.h>
#include <apr_optional_hooks.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <mod_status.h>

#include <string.h>

static nmdm_counters_t *shared;

nmdm_counters_t *nanomdm_counters(void)
{
    return shared;
}

/* ---- Their memory ---- */

static int find_memory(apr_pool_t *pconf, apr_pool_t *plog,
                       apr_pool_t *ptemp, server_rec *s)
{
    int is_new;

    (void)plog;
    (void)ptemp;
    shared = nanomdm_shared_memory(pconf, s, "counters",
                                   nmdm_counters_size(), &is_new);
    if (is_new) {
        nmdm_counters_make(shared, apr_time_now());
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
        nmdm_counters_see_ending(shared, verdict->cert_name,
                                 r->request_time);
    }
}

static void count_device(const request_rec *r, int status)
{
    const char *message = apr_table_get(r->notes, "NANOMDM_MESSAGE");
    const char *id = apr_table_get(r->notes, "NANOMDM_ID");
    const char *outcome = outcome_of(status);

    if (!message) {
        nmdm_count(shared, NMDM_COUNT_UNREAD, outcome, NULL, 1);
        return;
    }
    nmdm_count(shared, is_checkin(message) ? NMDM_COUNT_CHECKINS
                                           : NMDM_COUNT_REPORTS,
               message, outcome, 1);
    if (id && status == HTTP_OK) {
        nmdm_counters_see(shared, id, r->request_time);
        count_end(r);
    }
    if (apr_table_get(r->notes, "NANOMDM_NEXT_COMMAND_UUID")) {
        nmdm_count(shared, NMDM_COUNT_DELIVERED, NULL, NULL, 1);
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
    nmdm_count(shared, NMDM_COUNT_REQUESTS, handler, class_of(last->status),
               1);
    nmdm_count_duration(shared, handler, apr_time_now() - r->request_time);
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

static int show_on_status_page(request_rec *r, int flags)
{
    apr_uint64_t seen;
    apr_size_t i;

    if (!shared) {
        return DECLINED;
    }
    seen = nmdm_counters_seen(shared, NMDM_LAST_HOUR, apr_time_now());
    if (!(flags & AP_STATUS_SHORT)) {
        ap_rputs("<hr />\n<h2>mod_nanomdm " NMDM_VERSION "</h2>\n<dl>\n", r);
    }
    for (i = 0; i < sizeof(LINES) / sizeof(*LINES); i++) {
        ap_rprintf(r, flags & AP_STATUS_SHORT
                      ? "NanoMDM%s: %" APR_UINT64_T_FMT "\n"
                      : "<dt>%s: %" APR_UINT64_T_FMT "</dt>\n",
                   flags & AP_STATUS_SHORT ? LINES[i].key : LINES[i].text,
                   nmdm_counted_all(shared, LINES[i].family));
    }
    ap_rprintf(r, flags & AP_STATUS_SHORT
                  ? "NanoMDMSeenLastHour: %" APR_UINT64_T_FMT "\n"
                  : "<dt>Enrollments seen in the last hour: about %"
                    APR_UINT64_T_FMT "</dt>\n</dl>\n", seen);
    return OK;
}

void nanomdm_counters_hooks(void)
{
    ap_hook_post_config(find_memory, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(count_request, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, show_on_status_page, NULL, NULL,
                      APR_HOOK_MIDDLE);
}
