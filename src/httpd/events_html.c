/* SPDX-License-Identifier: Apache-2.0 */
/* events_html.c -- webhooks as a page: receivers, what waits, what is dead. */

#include "httpd/events_html.h"
#include "db/db.h"
#include "httpd/html.h"
#include "httpd/status.h"

#include <apr_strings.h>
#include <httpd.h>

#include <string.h>

static const char *counted(const nanomdm_html_t *sheet, int number)
{
    nmdm_amount_t amount = { number, number >= NMDM_OUTBOX_COUNTED };

    return nanomdm_html_amount(sheet, amount);
}

static void put_receivers(nanomdm_html_t *sheet,
                          const apr_array_header_t *states)
{
    int i;

    nanomdm_html_put(sheet, "<section class=\"wide\"><h2>Receivers</h2>\n");
    nanomdm_html_put(sheet, states->nelts
                     ? "<div class=\"scroll\" tabindex=\"0\" role=\"region\""
                       " aria-label=\"Receivers\"><table class=\"list\">"
                       "<thead><tr><th scope=\"col\">Target</th>"
                       "<th scope=\"col\" class=\"n\">Wait</th>"
                       "<th scope=\"col\" class=\"n\">Dead</th>"
                       "<th scope=\"col\">Oldest</th></tr></thead>\n<tbody>\n"
                     : "<p>No webhook is configured here.</p>\n");
    for (i = 0; i < states->nelts; i++) {
        const nmdm_outbox_state_t *state = &APR_ARRAY_IDX(
            states, i, nmdm_outbox_state_t);

        nanomdm_html_put(sheet,
                         "<tr><td>%s</td>"
                         "<td class=\"n %s\" data-label=\"Wait\">%s</td>"
                         "<td class=\"n %s\" data-label=\"Dead\">%s</td>"
                         "<td data-label=\"Oldest\">%s</td></tr>\n",
                         nanomdm_html_esc(sheet, state->target),
                         state->waiting >= NANOMDM_LARGE_BACKLOG ? "warn" : "",
                         counted(sheet, state->waiting),
                         state->dead ? "bad" : "",
                         counted(sheet, state->dead),
                         nanomdm_html_moment(sheet, state->oldest));
    }
    nanomdm_html_put(sheet, states->nelts
                     ? "</tbody></table></div></section>\n"
                     : "</section>\n");
}

static void put_event(nanomdm_html_t *sheet, const nmdm_listed_event_t *event)
{
    nanomdm_html_put(
        sheet,
        "<tr><td>%s<br><span class=\"dim\">%s</span></td><td>%s</td>"
        "<td>%s<br><span class=\"%s\">%s</span></td>"
        "<td class=\"n\" data-label=\"Tries\">%" APR_INT64_T_FMT "</td>"
        "<td data-label=\"Created\">%s</td></tr>\n",
        nanomdm_html_esc(sheet, event->topic),
        nanomdm_html_esc(sheet, event->seq),
        nanomdm_html_link(sheet, event->device_id),
        nanomdm_html_esc(sheet, event->target),
        event->last_error ? "bad" : "dim",
        event->last_error ? nanomdm_html_esc(sheet, event->last_error)
                          : "not tried yet",
        event->tries,
        nanomdm_html_moment(sheet, apr_time_from_sec(event->created_at)));
}

static void put_events(nanomdm_html_t *sheet,
                       const nmdm_api_events_page_t *page, int dead)
{
    const apr_array_header_t *events = page->events;
    int i;

    nanomdm_html_put(sheet, "<section class=\"wide\"><h2>%s</h2>\n"
                     "<p class=\"dim\">%s</p>\n", dead ? "Dead" : "Waiting",
                     dead ? "Given up after a day.<br>"
                            "<code>nanomdmctl events replay</code> has them"
                            " tried again, <code>nanomdmctl events drop"
                            "</code> deletes them."
                          : "The oldest first.");
    if (!events->nelts) {
        nanomdm_html_put(sheet, "<p>There is none.</p></section>\n");
        return;
    }
    nanomdm_html_put(sheet,
                     "<div class=\"scroll\" tabindex=\"0\" role=\"region\""
                     " aria-label=\"Events\"><table class=\"list\"><thead><tr>"
                     "<th scope=\"col\">Event</th>"
                     "<th scope=\"col\">Device</th>"
                     "<th scope=\"col\">Target and reason</th>"
                     "<th scope=\"col\" class=\"n\">Tries</th>"
                     "<th scope=\"col\">Created</th></tr></thead>\n<tbody>\n");
    for (i = 0; i < events->nelts; i++) {
        put_event(sheet, &APR_ARRAY_IDX(events, i, nmdm_listed_event_t));
    }
    nanomdm_html_put(sheet, "</tbody></table></div></section>\n");
    if (events->nelts == NMDM_SQL_IDS) {
        nanomdm_html_put(
            sheet, "<p class=\"pages\"><a href=\"?events=%s&amp;after=%s\""
            " rel=\"next\">Next page</a></p>\n", dead ? "dead" : "pending",
            nanomdm_html_esc(sheet, APR_ARRAY_IDX(events, events->nelts - 1,
                                                  nmdm_listed_event_t).seq));
    }
}

nmdm_bytes_t nanomdm_events_html(apr_pool_t *p,
                                 const nmdm_api_events_page_t *page, int dead,
                                 apr_time_t now)
{
    nanomdm_html_t sheet = nanomdm_html_begin(p, now, "webhooks");

    nanomdm_html_crumbs(&sheet);
    nanomdm_html_put(&sheet, "<h1>Webhooks</h1>\n<p>%s</p>\n", dead
                     ? "Dead · <a href=\"?events=pending\">Waiting</a>"
                     : "<a href=\"?events=dead\">Dead</a> · Waiting");
    if (!page->has_outbox) {
        nanomdm_html_put(&sheet, "<p>The database has no table of events: run"
                         " the scripts of schema/upgrade.</p>\n");
        return nanomdm_html_end(&sheet);
    }
    nanomdm_html_put(&sheet, "<div class=\"parts\">\n");
    put_receivers(&sheet, page->states);
    put_events(&sheet, page, dead);
    nanomdm_html_put(&sheet, "</div>\n<p class=\"dim\">Events are kept and"
                     " repeated with <code>NanoMDMWebhookDelivery durable"
                     "</code>.</p>\n");
    return nanomdm_html_end(&sheet);
}
