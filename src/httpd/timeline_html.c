/* SPDX-License-Identifier: Apache-2.0 */
/* timeline_html.c -- the page of one enrollment. */

#include "httpd/status_html.h"
#include "base/time.h"
#include "httpd/html.h"

#include <apr_strings.h>

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
    fact(sheet, "Last seen", nanomdm_html_moment(sheet, who->last_seen));
    fact(sheet, "Identity ends", one->cert_not_after
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

static void put_moments(nanomdm_html_t *sheet, const nmdm_timeline_t *one)
{
    int i;

    nanomdm_html_put(sheet,
                     "<section class=\"wide\"><h2>What happened</h2>\n"
                     "<table class=\"story\">\n");
    for (i = 0; i < one->moments->nelts && i < NMDM_QUERIES_PAGE; i++) {
        const nmdm_timeline_entry_t *m = &APR_ARRAY_IDX(one->moments, i,
                                                        nmdm_timeline_entry_t);

        nanomdm_html_put(
            sheet,
            "<tr><td>%s <span class=\"dim\">%s</span></td><td>%s</td>"
            "</tr>\n",
            nanomdm_html_esc(sheet, m->what),
            nanomdm_html_esc(sheet, m->about),
            nanomdm_html_moment(sheet, m->at));
    }
    nanomdm_html_close_part(sheet);
}

nmdm_bytes_t nanomdm_status_html_enrollment(apr_pool_t *p,
                                            const nmdm_timeline_t *one,
                                            apr_time_t now)
{
    nanomdm_html_t sheet = nanomdm_html_begin(p, now, one->who->id);

    nanomdm_html_put(&sheet,
                     "<p><a href=\"?\">mod_nanomdm</a></p>\n<h1>%s</h1>\n"
                     "<div class=\"parts two\">\n",
                     nanomdm_html_esc(&sheet, one->who->id));
    put_facts(&sheet, one);
    put_queue(&sheet, one);
    put_moments(&sheet, one);
    nanomdm_html_put(&sheet, "</div>\n");
    return nanomdm_html_end(&sheet);
}
