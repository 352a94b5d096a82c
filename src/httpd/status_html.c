/* SPDX-License-Identifier: Apache-2.0 */
/* status_html.c -- the status page for people: HTML that needs nothing
 * from elsewhere, and no script.
 *
 * What a device or an operator may have chosen goes through
 * nanomdm_html_esc. */

#include "httpd/status_html.h"
#include "base/counters.h"
#include "base/text.h"
#include "base/time.h"
#include "base/version.h"
#include "httpd/html.h"
#include "httpd/identities_html.h"
#include "httpd/plot_html.h"
#include "httpd/reply.h"
#include "httpd/verdict_html.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define A_DAY (24 * 60 * 60)

/* ---- The server: tiles ---- */

static void put_age_tile(nanomdm_html_t *sheet, apr_time_t oldest)
{
    apr_interval_time_t age = sheet->now - oldest;

    nanomdm_html_tile(sheet, oldest && age > NANOMDM_OLD_COMMAND ? "warn" : "",
                      oldest ? nanomdm_html_duration(sheet->pool, age) : "–",
                      "oldest pending");
}

static void put_declaration_tiles(nanomdm_html_t *sheet,
                                  const nmdm_db_stats_t *db)
{
    nanomdm_html_tile(sheet, "", nanomdm_html_amount(sheet, db->declarations),
                      "declarations");
    nanomdm_html_tile(sheet, "",
                      nanomdm_html_amount(sheet, db->declaration_sets),
                      "sets of declarations");
    nanomdm_html_tile(sheet, "", nanomdm_html_amount(sheet, db->declarative),
                      "enrollments fetch declarations");
    nanomdm_html_tile(sheet, "",
                      nanomdm_html_amount(sheet, db->declaring_in_sync),
                      "of them in sync");
    nanomdm_html_tile(sheet, "",
                      nanomdm_html_amount(sheet, db->declaring_waiting),
                      "have to ask again");
    nanomdm_html_tile(sheet, db->declaring_invalid.number ? "warn" : "",
                      nanomdm_html_amount(sheet, db->declaring_invalid),
                      "have invalid declarations");
    nanomdm_html_tile(sheet,
                      db->oldest_change > NANOMDM_OLD_CHANGE ? "warn" : "",
                      nanomdm_html_amount(sheet, db->changes),
                      "changes to notify of");
}

static void put_event_tiles(nanomdm_html_t *sheet, const nmdm_db_stats_t *db)
{
    nanomdm_html_tile(sheet,
                      db->events_pending.number >= NANOMDM_LARGE_BACKLOG
                          ? "warn" : "",
                      nanomdm_html_amount(sheet, db->events_pending),
                      "webhook events wait");
    nanomdm_html_tile(sheet, db->events_dead.number ? "bad" : "",
                      nanomdm_html_amount(sheet, db->events_dead),
                      "webhook events dead");
}

/* Where they are too many to be counted, all of them by an estimate. */
static void put_enrolled_tile(nanomdm_html_t *sheet,
                              const nmdm_counted_t *counted)
{
    const char *number;

    if (counted->estimate) {
        number = nanomdm_html_number(sheet, (apr_uint64_t)counted->estimate);
        nanomdm_html_tile(sheet, "",
                          apr_pstrcat(sheet->pool, "≈ ", number, NULL),
                          "enrollments");
        return;
    }
    nanomdm_html_tile(sheet, "",
                      nanomdm_html_amount(sheet,
                                          nmdm_api_db_stats_enrolled(counted)),
                      "enabled enrollments");
}

static void put_seen_tiles(nanomdm_html_t *sheet,
                           const nanomdm_status_t *status)
{
    apr_uint64_t ending = nmdm_counters_seen(
        status->counters, NMDM_ENDING_LAST_DAY, status->now);

    nanomdm_html_tile(sheet, "",
                      nanomdm_html_number(sheet,
                                          nmdm_counters_seen(status->counters,
                                                             NMDM_LAST_HOUR,
                                                             status->now)),
                      "seen here in the last hour");
    nanomdm_html_tile(sheet, "",
                      nanomdm_html_number(sheet,
                                          nmdm_counters_seen(status->counters,
                                                             NMDM_LAST_DAY,
                                                             status->now)),
                      "seen here in the last day");
    nanomdm_html_tile(sheet, ending ? "warn" : "",
                      nanomdm_html_number(sheet, ending),
                      "of these: identity expires within 30 days");
}

static void put_queue_tiles(nanomdm_html_t *sheet,
                            const nmdm_counted_t *counted)
{
    nmdm_amount_t slow = {
        counted->silent.number + counted->put_off.number,
        counted->silent.is_least || counted->put_off.is_least
    };

    nanomdm_html_tile(sheet, "", nanomdm_html_amount(sheet, counted->pending),
                      "commands wait");
    put_age_tile(sheet, counted->oldest_pending);
    nanomdm_html_tile(sheet, slow.number ? "warn" : "",
                      nanomdm_html_amount(sheet, slow), "slow devices");
}

/* Of the database, or of the shared counters. */
static void put_device_tiles(nanomdm_html_t *sheet,
                             const nanomdm_status_t *status)
{
    nanomdm_html_open_tiles(sheet, "Devices");
    if (!status->failure) {
        put_enrolled_tile(sheet, &status->db.counted);
    }
    put_seen_tiles(sheet, status);
    nanomdm_html_close_tiles(sheet);
}

static void put_server_tiles(nanomdm_html_t *sheet,
                             const nanomdm_status_t *status)
{
    nanomdm_html_open_tiles(sheet, "Server");
    if (!status->failure) {
        nanomdm_html_tile(sheet, status->db.latency > NANOMDM_HIGH_LATENCY
                                     ? "warn" : "",
                          apr_psprintf(sheet->pool, "%.2f ms",
                                       (double)status->db.latency / 1000),
                          "database latency");
    }
    nanomdm_html_tile(sheet, "", nanomdm_plot_html_latency(sheet, status),
                      "50th and 99th percentile of device requests");
    nanomdm_html_close_tiles(sheet);
}

static void put_tiles(nanomdm_html_t *sheet, const nanomdm_status_t *status)
{
    const nmdm_db_stats_t *db = &status->db;

    put_device_tiles(sheet, status);
    if (!status->failure && db->counted.has_queue) {
        nanomdm_html_open_tiles(sheet, "Queue and pushes");
        put_queue_tiles(sheet, &db->counted);
        nanomdm_html_tile(sheet, db->refused.number ? "bad" : "",
                          nanomdm_html_amount(sheet, db->refused),
                          "pushes refused by APNs");
        nanomdm_html_close_tiles(sheet);
    }
    if (!status->failure && db->has_declarations) {
        nanomdm_html_open_tiles(sheet, "Declarations");
        put_declaration_tiles(sheet, db);
        nanomdm_html_close_tiles(sheet);
    }
    if (!status->failure && db->has_outbox) {
        nanomdm_html_open_tiles(sheet, "Webhooks");
        put_event_tiles(sheet, db);
        nanomdm_html_close_tiles(sheet);
    }
    put_server_tiles(sheet, status);
}

/* ---- The server: tables ---- */

static void put_types(nanomdm_html_t *sheet, const nanomdm_status_t *status)
{
    int i;

    nanomdm_html_open_part(sheet, "Enabled enrollments");
    for (i = 0; i < NMDM_DB_STATS_TYPES; i++) {
        nanomdm_html_row(sheet, NMDM_DB_STATS_NAMES[i],
                         nanomdm_html_amount(sheet,
                                             status->db.counted.enabled[i]));
    }
    nanomdm_html_row(sheet, "Pending: Authenticate, no TokenUpdate yet",
                     nanomdm_html_amount(sheet, status->db.counted.begun));
    nanomdm_html_close_part(sheet);
}

static void put_topics(nanomdm_html_t *sheet, const nanomdm_status_t *status)
{
    int i;

    nanomdm_html_open_part(sheet, "Push certificates");
    for (i = 0; i < status->db.topics->nelts; i++) {
        const nmdm_topic_t *topic = &APR_ARRAY_IDX(status->db.topics, i,
                                                   nmdm_topic_t);
        int days = (int)(apr_time_sec(topic->not_after - status->now)
                         / A_DAY);
        const char *left = !topic->not_after ? "cannot be read"
            : topic->not_after < status->now ? "has expired"
            : apr_psprintf(sheet->pool, "%d %s left", days,
                           nmdm_text_plural(days, "day", "days"));
        int is_bad = topic->not_after < status->now;

        nanomdm_html_put(
            sheet, "<tr><td>%s<br><span class=\"%s\">%s</span></td></tr>\n",
            nanomdm_html_esc(sheet, topic->topic),
            is_bad                                ? "bad"
                : days < NANOMDM_WARN_BEFORE_DAYS ? "warn"
                                                  : "dim",
            left);
    }
    if (!status->db.topics->nelts) {
        nanomdm_html_row(sheet, "None is stored: no device can be pushed to.",
                         "");
    }
    nanomdm_html_close_part(sheet);
}

static int is_failure(nmdm_count_e which, const nmdm_family_t *f, int i,
                      int k)
{
    return which == NMDM_COUNT_PUSHES ? strcmp(f->values[i], "ok") != 0
        : which == NMDM_COUNT_EVENTS ? strcmp(f->values[i], "taken") != 0
        : which == NMDM_COUNT_DATABASE
          && !strcmp(f->second_values[k], "failed");
}

/* Those of a family that happened in the last hour. */
static void put_lately(nanomdm_html_t *sheet, const nanomdm_status_t *status,
                       nmdm_count_e which, const char *title)
{
    const nmdm_family_t *f = nmdm_count_family(which);
    int i, k, rows = 0;

    nanomdm_html_open_part(sheet, title);
    for (i = 0; i < f->n; i++) {
        for (k = 0; k < f->seconds; k++) {
            apr_uint64_t n = nmdm_counted_lately(status->counters, which, i,
                                                 k, status->now);
            const char *name = f->second_key
                ? apr_psprintf(sheet->pool, "%s <span class=\"dim\">%s"
                               "</span>", f->values[i], f->second_values[k])
                : f->values ? f->values[i] : "all";

            if (n) {
                const char *number = nanomdm_html_number(sheet, n);

                nanomdm_html_row(sheet, name, is_failure(which, f, i, k)
                                 ? apr_pstrcat(sheet->pool,
                                               "<span class=\"bad\">",
                                               number, "</span>", NULL)
                                 : number);
                rows++;
            }
        }
    }
    if (!rows) {
        nanomdm_html_row(sheet, "<span class=\"dim\">none</span>", "");
    }
    nanomdm_html_close_part(sheet);
}

static void put_slow(nanomdm_html_t *sheet, const char *id,
                     const char *title, const char *what, nmdm_amount_t all,
                     const apr_array_header_t *slowest)
{
    int i;

    if (!all.number) {
        return;
    }
    nanomdm_html_put(
        sheet, "<section id=\"%s\"><h2>%s: %s</h2>\n<p class=\"dim\">%s</p>\n"
        "<table>\n", id, title, nanomdm_html_amount(sheet, all), what);
    for (i = 0; i < slowest->nelts; i++) {
        const nmdm_slow_t *slow = &APR_ARRAY_IDX(slowest, i, nmdm_slow_t);

        nanomdm_html_row(sheet, nanomdm_html_link(sheet, slow->id),
                         nanomdm_html_duration(sheet->pool,
                                               sheet->now - slow->since));
    }
    nanomdm_html_close_part(sheet);
}

static void put_refusals(nanomdm_html_t *sheet, const nmdm_db_stats_t *db)
{
    int i;

    nanomdm_html_put(
        sheet,
        "<section id=\"refused\"><h2>Pushes refused: %s</h2>\n"
        "<p class=\"dim\">Until the device sends a new token. The newest"
        " 20:</p>\n<table>\n",
        nanomdm_html_amount(sheet, db->refused));
    for (i = 0; i < db->refusals->nelts; i++) {
        const nmdm_refused_push_t *push = &APR_ARRAY_IDX(
            db->refusals, i, nmdm_refused_push_t);

        nanomdm_html_put(sheet,
                         "<tr><td>%s<br><span class=\"dim\">%s %s</span></td>"
                         "<td class=\"n\">%s ago</td></tr>\n",
                         nanomdm_html_link(sheet, push->id),
                         nanomdm_html_esc(sheet, push->status),
                         nanomdm_html_esc(sheet, push->reason),
                         nanomdm_html_duration(sheet->pool,
                                               sheet->now - push->at));
    }
    nanomdm_html_close_part(sheet);
}

/* What an operator may want to act on. */
static void put_failures(nanomdm_html_t *sheet, const nmdm_db_stats_t *db)
{
    nanomdm_html_put(sheet, "<div class=\"parts two\">\n");
    put_slow(sheet, "silent", "Silent",
             "Have a command, were pushed to five times and"
             " more, and were not heard of. For how long, the longest:",
             db->counted.silent, db->silent);
    put_slow(sheet, "not-now", "Not now",
             "Put a command off more than a day ago and"
             " have not answered it. For how long, the longest:",
             db->counted.put_off, db->put_off);
    if (db->refused.number) {
        put_refusals(sheet, db);
    }
    nanomdm_identities_html_put_stuck(sheet, db);
    nanomdm_html_put(sheet, "</div>\n");
}

static void put_tables(nanomdm_html_t *sheet, const nanomdm_status_t *status)
{
    nanomdm_html_put(sheet, "<div class=\"parts\">\n");
    if (!status->failure) {
        put_types(sheet, status);
        put_topics(sheet, status);
        nanomdm_identities_html_put(sheet, status);
    }
    put_lately(sheet, status, NMDM_COUNT_PUSHES, "Pushes, last hour");
    put_lately(sheet, status, NMDM_COUNT_CHECKINS, "Check-ins, last hour");
    put_lately(sheet, status, NMDM_COUNT_REPORTS,
               "Polls and reports, last hour");
    put_lately(sheet, status, NMDM_COUNT_REQUESTS,
               "Requests, last hour");
    put_lately(sheet, status, NMDM_COUNT_EVENTS,
               "Webhook deliveries, last hour");
    put_lately(sheet, status, NMDM_COUNT_DATABASE,
               "Database failures, last hour");
    put_lately(sheet, status, NMDM_COUNT_LIMITED,
               "Beyond the rate limit, last hour");
    put_lately(sheet, status, NMDM_COUNT_SCEP, "SCEP answers, last hour");
    put_lately(sheet, status, NMDM_COUNT_PROFILES,
               "Enrollment profiles, last hour");
    nanomdm_html_put(sheet, "</div>\n");
}

static void put_legend(nanomdm_html_t *sheet, const nanomdm_status_t *status)
{
    apr_time_t since = nmdm_counters_since(status->counters);

    nanomdm_html_put(
        sheet,
        "<p class=\"dim\">Counted since %s, by all children of this"
        " server together; a graceful restart does not begin anew.",
        nmdm_time_rfc3339(sheet->pool, since));
    if (!status->failure) {
        nanomdm_html_put(
            sheet,
            " Enrollments and commands were counted %s ago, up to"
            " 10,000 of each kind (≥: there may be more; ≈: the database's own"
            " estimate).",
            nanomdm_html_duration(sheet->pool,
                                  status->now
                                      - status->db.counted.counted_at));
    }
    nanomdm_html_put(
        sheet,
        " Seen are enrollments that were answered here, each once,"
        " within two percent; other servers on the database have"
        " their own.</p>\n"
        "<p><a href=\"?json\">JSON</a> · <a href=\"?prometheus\">Prometheus"
        "</a></p>\n");
}

/* The age of what is not counted anew for each look. */
static const char *counted_ago(const nanomdm_html_t *sheet,
                               const nanomdm_status_t *status)
{
    return status->failure ? ""
        : apr_pstrcat(sheet->pool, ", figures of ",
                      nanomdm_html_duration(sheet->pool, status->now
                                            - status->db.counted.counted_at),
                      " ago", NULL);
}

nmdm_bytes_t nanomdm_status_html_server(apr_pool_t *p,
                                        const nanomdm_status_t *status)
{
    nanomdm_html_t sheet = nanomdm_html_begin(p, status->now, "status");

    nanomdm_html_put(
        &sheet,
        "<h1>mod_nanomdm</h1>\n<p class=\"dim\">" NMDM_VERSION " · %s%s ·"
        " times are UTC · refreshed every minute</p>\n",
        nmdm_time_rfc3339(p, status->now), counted_ago(&sheet, status));
    nanomdm_html_crumbs(&sheet);
    nanomdm_verdict_html_put(&sheet, status);
    if (status->failure) {
        nanomdm_html_put(&sheet,
                         "<section id=\"database\"><h2 class=\"bad\">"
                         "The database does not"
                         " answer</h2><p>%s</p></section>\n",
                         nanomdm_html_esc(&sheet, status->failure));
    }
    nanomdm_html_search(&sheet, "");
    put_tiles(&sheet, status);
    nanomdm_plot_html_put(&sheet, status);
    if (!status->failure) {
        put_failures(&sheet, &status->db);
    }
    put_tables(&sheet, status);
    put_legend(&sheet, status);
    return nanomdm_html_end(&sheet);
}

nmdm_bytes_t nanomdm_status_html_problem(apr_pool_t *p, const char *title,
                                         const char *text)
{
    nanomdm_html_t sheet = nanomdm_html_begin(p, 0, title);

    nanomdm_html_put(
        &sheet, "<p><a href=\"?\">mod_nanomdm</a></p>\n<h1>%s</h1>\n"
        "<p>%s</p>\n",
        nanomdm_html_esc(&sheet, title), nanomdm_html_esc(&sheet, text));
    return nanomdm_html_end(&sheet);
}
