/* SPDX-License-Identifier: Apache-2.0 */
/* timeline_html.c -- the page of one enrollment. */

#include "httpd/status_html.h"
#include "base/time.h"
#include "httpd/html.h"
#include "httpd/why_html.h"

#include <apr_strings.h>
#include <httpd.h>

#include <string.h>

static void fact(nanomdm_html_t *sheet, const char *name, const char *value)
{
    if (value && *value) {
        nanomdm_html_put(sheet, "<dt>%s</dt><dd>%s</dd>\n", name, value);
    }
}

static void put_push(nanomdm_html_t *sheet, const nmdm_timeline_t *one)
{
    const nmdm_last_push_t *push = &one->push;

    if (push->found && atoi(push->status) >= 400) {
        fact(sheet, "Last push",
             apr_psprintf(sheet->pool,
                          "<span class=\"bad\">refused: %s %s</span>",
                          nanomdm_html_esc(sheet, push->status),
                          nanomdm_html_esc(sheet, push->reason)));
    }
    else if (push->found) {
        fact(sheet, "Last push", nanomdm_html_moment(sheet, push->pushed_at));
        fact(sheet, "Pushed again at", push->next_at
             ? nmdm_time_rfc3339(sheet->pool, push->next_at) : "");
    }
}

static void put_facts(nanomdm_html_t *sheet, const nmdm_timeline_t *one)
{
    const nmdm_enrollment_t *who = one->who;
    apr_time_t tokens = who->user_id ? who->user_token_at
                                     : who->device_token_at;

    nanomdm_html_put(sheet, "<section><h2>Enrollment</h2><dl>\n");
    fact(sheet, "Type", nanomdm_html_esc(sheet, who->type));
    fact(sheet, "State", who->enabled ? "enabled"
         : who->begun_at ? "<span class=\"warn\">pending: Authenticate, and no"
                           " TokenUpdate yet</span>"
         : "<span class=\"warn\">not enabled</span>");
    fact(sheet, "Serial number", nanomdm_html_esc(sheet, who->serial_number));
    fact(sheet, "User", nanomdm_html_esc(sheet, who->user_short_name));
    fact(sheet, "Name", nanomdm_html_esc(sheet, who->user_long_name));
    fact(sheet, "Device",
         who->user_id ? nanomdm_html_link(sheet, who->device_id) : "");
    fact(sheet, "Topic", nanomdm_html_esc(sheet, who->topic));
    fact(sheet, "Tokens received", nanomdm_html_esc(sheet, who->tally));
    fact(sheet, "Last token", tokens ? nanomdm_html_moment(sheet, tokens)
                                      : "");
    fact(sheet, "Last seen", nanomdm_html_moment(sheet, who->last_seen));
    fact(sheet, "Identity expires", one->cert_not_after
         ? nmdm_time_rfc3339(sheet->pool, one->cert_not_after) : "");
    fact(sheet, "Commands wait", apr_psprintf(
        sheet->pool, "%s%d", one->pending.pending >= NMDM_QUERIES_MOST ? "≥ "
        : "", one->pending.pending));
    fact(sheet, "Of these NotNow",
         one->pending.not_now
             ? apr_psprintf(sheet->pool, "%d, since %s", one->pending.not_now,
                            nanomdm_html_moment(sheet,
                                                one->pending.not_now_since))
             : "");
    put_push(sheet, one);
    nanomdm_html_put(sheet, "</dl></section>\n");
}

static void put_queue(nanomdm_html_t *sheet, const nmdm_timeline_t *one)
{
    int i;

    if (!one->queue->nelts) {
        return;
    }
    nanomdm_html_open_part(sheet, "Waits, in the order of delivery");
    for (i = 0; i < one->queue->nelts && i < 20; i++) {
        const nmdm_queued_t *q = &APR_ARRAY_IDX(one->queue, i,
                                                nmdm_queued_t);

        nanomdm_html_put(sheet,
                         "<tr><td>%s <span class=\"dim\">%s</span></td>"
                         "<td class=\"n\">%s</td></tr>\n",
                         nanomdm_html_esc(sheet, q->request_type),
                         nanomdm_html_esc(sheet, q->uuid),
                         nanomdm_html_esc(sheet, q->status));
    }
    if (one->queue->nelts > 20) {
        nanomdm_html_row(sheet, "<span class=\"dim\">and more</span>", "");
    }
    nanomdm_html_close_part(sheet);
}

/* ---- Declarations ---- */

#define MOST_DECLARATIONS 50

static const char *names_of(const nanomdm_html_t *sheet,
                            const apr_array_header_t *names)
{
    apr_array_header_t *parts = apr_array_make(sheet->pool, 4,
                                               sizeof(const char *));
    int i;

    for (i = 0; i < names->nelts && i < MOST_DECLARATIONS; i++) {
        APR_ARRAY_PUSH(parts, const char *) = nanomdm_html_esc(
            sheet, APR_ARRAY_IDX(names, i, const char *));
    }
    if (i < names->nelts) {
        APR_ARRAY_PUSH(parts, const char *) = "and more";
    }
    return !i ? "none" : apr_array_pstrcat(sheet->pool, parts, ' ');
}

static void put_declaration(nanomdm_html_t *sheet,
                            const nmdm_declarations_state_t *state)
{
    int is_invalid = !strcmp(state->valid, "invalid");

    nanomdm_html_put(sheet,
                     "<tr><td>%s</td><td class=\"n\"><span class=\"%s\">%s,"
                     " %s</span></td></tr>\n",
                     nanomdm_html_esc(sheet, state->identifier),
                     is_invalid ? "bad" : "",
                     nanomdm_html_esc(sheet, state->valid),
                     state->is_active ? "active" : "not active");
}

static void put_declarations(nanomdm_html_t *sheet, const nmdm_timeline_t *one)
{
    int i;

    if (!one->declarations) {
        return;
    }
    nanomdm_html_put(sheet,
                     "<section id=\"declarations\"><h2>Declarations</h2>\n"
                     "<p>Sets: %s.</p>\n<p class=\"dim\">Reported: %s</p>\n"
                     "<table>\n", names_of(sheet, one->sets),
                     one->declared_at
                         ? nanomdm_html_moment(sheet, one->declared_at)
                         : "never");
    for (i = 0; i < one->declarations->nelts && i < MOST_DECLARATIONS; i++) {
        put_declaration(sheet, &APR_ARRAY_IDX(one->declarations, i,
                                              nmdm_declarations_state_t));
    }
    if (i < one->declarations->nelts) {
        nanomdm_html_row(sheet, "<span class=\"dim\">and more</span>", "");
    }
    nanomdm_html_close_part(sheet);
}

/* ---- What happened ---- */

/* The result is the API's to show: it has rights of its own. */
static const char *link_to_result(const nanomdm_html_t *sheet,
                                  const nmdm_timeline_t *one,
                                  const char *api_path,
                                  const nmdm_timeline_entry_t *m)
{
    const char *what = nanomdm_html_esc(sheet, m->what);

    if (!m->answered || !api_path) {
        return what;
    }
    return apr_psprintf(
        sheet->pool, "<a href=\"%s/results/%s?command_uuid=%s\">%s</a>",
        nanomdm_html_esc(sheet, ap_os_escape_path(sheet->pool, api_path, 1)),
        nanomdm_html_esc(sheet, ap_escape_urlencoded(sheet->pool,
                                                     one->who->id)),
        nanomdm_html_esc(sheet, ap_escape_urlencoded(sheet->pool,
                                                     m->answered)), what);
}

static void put_moments(nanomdm_html_t *sheet, const nmdm_timeline_t *one,
                        const char *api_path)
{
    int i;

    nanomdm_html_put(sheet,
                     "<section class=\"wide\"><h2>What happened</h2>\n"
                     "<table class=\"timeline\">\n");
    for (i = 0; i < one->entries->nelts && i < NMDM_QUERIES_PAGE; i++) {
        const nmdm_timeline_entry_t *m = &APR_ARRAY_IDX(one->entries, i,
                                                        nmdm_timeline_entry_t);

        nanomdm_html_put(
            sheet,
            "<tr><td>%s <span class=\"dim\">%s</span></td><td>%s</td>"
            "</tr>\n",
            link_to_result(sheet, one, api_path, m),
            nanomdm_html_esc(sheet, m->about),
            nanomdm_html_moment(sheet, m->at));
    }
    nanomdm_html_close_part(sheet);
}

nmdm_bytes_t nanomdm_status_html_enrollment(apr_pool_t *p,
                                            const nmdm_timeline_t *one,
                                            const char *api_path,
                                            apr_time_t now)
{
    nanomdm_html_t sheet = nanomdm_html_begin(p, now, one->who->id);

    nanomdm_html_crumbs(&sheet);
    nanomdm_html_put(&sheet,
                     "<h1>%s</h1>\n<p class=\"dim\">%s · times are UTC ·"
                     " refreshed every minute</p>\n"
                     "<div class=\"parts two\">\n",
                     nanomdm_html_esc(&sheet, one->who->id),
                     nmdm_time_rfc3339(p, now));
    nanomdm_why_html_put(&sheet, one);
    put_facts(&sheet, one);
    put_queue(&sheet, one);
    put_declarations(&sheet, one);
    put_moments(&sheet, one, api_path);
    nanomdm_html_put(&sheet, "</div>\n");
    return nanomdm_html_end(&sheet);
}
