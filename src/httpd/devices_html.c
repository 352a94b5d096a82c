/* SPDX-License-Identifier: Apache-2.0 */
/* devices_html.c -- lists of enrollments as pages. */

#include "httpd/devices_html.h"
#include "api/db_stats.h"
#include "httpd/html.h"

#include <apr_strings.h>
#include <httpd.h>

#include <string.h>

static const struct {
    const char *name, *title;
} STATES[] = {
    [NMDM_LIST_ANY_STATE] = { "", "any state" },
    [NMDM_LIST_ENABLED] = { "enabled", "enabled" },
    [NMDM_LIST_DISABLED] = { "disabled", "not enabled" },
    [NMDM_LIST_PENDING] = { "pending", "not complete" },
};
#define COUNT_OF_STATES ((int)(sizeof(STATES) / sizeof(*STATES)))

nmdm_api_enrollment_state_e nanomdm_devices_html_state(const char *name)
{
    int i;

    for (i = COUNT_OF_STATES - 1; i > 0; i--) {
        if (name && !strcmp(name, STATES[i].name)) {
            break;
        }
    }
    return (nmdm_api_enrollment_state_e)i;
}

const char *nanomdm_devices_html_type(const char *name)
{
    int i;

    for (i = 0; name && i < NMDM_DB_STATS_TYPES; i++) {
        if (!strcmp(name, NMDM_DB_STATS_NAMES[i])) {
            return NMDM_DB_STATS_NAMES[i];
        }
    }
    return NULL;
}

/* ---- Rows ---- */

static const char *state_of(const nmdm_enrollment_t *e)
{
    return e->begun_at ? "<span class=\"warn\">not complete</span>"
        : e->enabled ? "enabled" : "<span class=\"warn\">not enabled</span>";
}

static const char *name_of(const nanomdm_html_t *sheet,
                           const nmdm_enrollment_t *e)
{
    const char *name = !e->user_id ? e->serial_number
        : e->user_short_name && *e->user_short_name ? e->user_short_name
                                                    : e->user_long_name;

    return name && *name ? nanomdm_html_esc(sheet, name) : "–";
}

static void put_row(nanomdm_html_t *sheet, const nmdm_enrollment_t *e)
{
    apr_time_t seen = e->begun_at ? e->begun_at : e->last_seen;

    nanomdm_html_put(sheet,
                     "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td>"
                     "<td data-label=\"Last seen\">%s</td></tr>\n",
                     nanomdm_html_link(sheet, e->id), name_of(sheet, e),
                     nanomdm_html_esc(sheet, e->type && *e->type ? e->type
                                                                 : "–"),
                     state_of(e), nanomdm_html_moment(sheet, seen));
}

static void put_rows(nanomdm_html_t *sheet, const apr_array_header_t *rows)
{
    int i;

    if (!rows->nelts) {
        return;
    }
    nanomdm_html_put(sheet,
                     "<div class=\"scroll\" tabindex=\"0\" role=\"region\""
                     " aria-label=\"Enrollments\"><table class=\"list\">"
                     "<thead><tr><th scope=\"col\">Enrollment</th>"
                     "<th scope=\"col\">Serial number or user</th>"
                     "<th scope=\"col\">Type</th><th scope=\"col\">State</th>"
                     "<th scope=\"col\">Last seen</th></tr></thead>\n"
                     "<tbody>\n");
    for (i = 0; i < rows->nelts; i++) {
        put_row(sheet, &APR_ARRAY_IDX(rows, i, nmdm_enrollment_t));
    }
    nanomdm_html_put(sheet, "</tbody></table></div>\n");
}

/* ---- The list ---- */

static void put_option(nanomdm_html_t *sheet, const char *value,
                       const char *title, int is_selected)
{
    nanomdm_html_put(sheet, "<option value=\"%s\"%s>%s</option>",
                     nanomdm_html_esc(sheet, value),
                     is_selected ? " selected" : "",
                     nanomdm_html_esc(sheet, title));
}

static void put_filter(nanomdm_html_t *sheet,
                       const nmdm_api_enrollment_list_query_t *query)
{
    int i;

    nanomdm_html_put(sheet, "<form method=\"get\"><input type=\"hidden\""
                     " name=\"devices\" value=\"1\">"
                     "<select name=\"type\" aria-label=\"Type\">");
    put_option(sheet, "", "any type", !query->type);
    for (i = 0; i < NMDM_DB_STATS_TYPES; i++) {
        put_option(sheet, NMDM_DB_STATS_NAMES[i], NMDM_DB_STATS_NAMES[i],
                   query->type && !strcmp(query->type,
                                          NMDM_DB_STATS_NAMES[i]));
    }
    nanomdm_html_put(sheet, "</select><select name=\"state\""
                     " aria-label=\"State\">");
    for (i = 0; i < COUNT_OF_STATES; i++) {
        put_option(sheet, STATES[i].name, STATES[i].title,
                   i == (int)query->state);
    }
    nanomdm_html_put(sheet, "</select><button>Show</button></form>\n");
}

static const char *encoded(const nanomdm_html_t *sheet, const char *text)
{
    return nanomdm_html_esc(sheet, ap_escape_urlencoded(sheet->pool, text));
}

static const char *url_of(const nanomdm_html_t *sheet,
                          const nmdm_api_enrollment_list_query_t *query,
                          const char *after)
{
    return apr_psprintf(sheet->pool, "?devices=1&amp;type=%s&amp;state=%s"
                        "&amp;after=%s",
                        encoded(sheet, query->type ? query->type : ""),
                        STATES[query->state].name, encoded(sheet, after));
}

nmdm_bytes_t nanomdm_devices_html(
    apr_pool_t *p, const nmdm_api_enrollment_list_t *list,
    const nmdm_api_enrollment_list_query_t *query, apr_time_t now)
{
    nanomdm_html_t sheet = nanomdm_html_begin(p, now, "devices");

    nanomdm_html_crumbs(&sheet);
    nanomdm_html_put(&sheet, "<h1>Devices and users</h1>\n");
    put_filter(&sheet, query);
    if (!list->rows->nelts) {
        nanomdm_html_put(&sheet, "<p>%s</p>\n", list->next
                         ? "None of those looked at for this page."
                         : "There is none.");
    }
    put_rows(&sheet, list->rows);
    nanomdm_html_put(&sheet, "<p class=\"pages\">");
    if (*query->after) {
        nanomdm_html_put(&sheet, "<a href=\"%s\">First page</a> ",
                         url_of(&sheet, query, ""));
    }
    if (list->next) {
        nanomdm_html_put(&sheet, "<a href=\"%s\" rel=\"next\">Next page</a>",
                         url_of(&sheet, query, list->next));
    }
    nanomdm_html_put(&sheet, "</p>\n");
    return nanomdm_html_end(&sheet);
}

/* ---- A search ---- */

nmdm_bytes_t nanomdm_devices_html_found(apr_pool_t *p,
                                        const nmdm_api_enrollment_list_t *list,
                                        const char *text, apr_time_t now)
{
    nanomdm_html_t sheet = nanomdm_html_begin(p, now, "search");

    nanomdm_html_crumbs(&sheet);
    nanomdm_html_put(&sheet, "<h1>Search</h1>\n");
    nanomdm_html_search(&sheet, text);
    if (!list->rows->nelts) {
        nanomdm_html_put(&sheet, "<p>Nothing has this serial number, this name"
                         " or an id that is this or begins so.</p>\n");
    }
    put_rows(&sheet, list->rows);
    if (list->has_more) {
        nanomdm_html_put(&sheet, "<p>There may be more: write more of the"
                         " id.</p>\n");
    }
    return nanomdm_html_end(&sheet);
}
