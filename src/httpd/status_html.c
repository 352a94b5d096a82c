/* SPDX-License-Identifier: Apache-2.0 */
/* status_html.c -- the status page for people: HTML that needs nothing
 * from elsewhere, and no script.
 *
 * What a device or an operator may have chosen goes through esc(). */

#include "httpd/status_html.h"
#include "base/counters.h"
#include "base/time.h"
#include "base/version.h"
#include "httpd/reply.h"

#include <apr_strings.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define A_DAY (24 * 60 * 60)
/* From then on something should be done. */
#define WORRYING_LATENCY apr_time_from_msec(250)
#define WORRYING_AGE apr_time_from_sec(7 * A_DAY)

static const char HEAD[] =
"<!DOCTYPE html>\n"
"<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
"<meta name=\"color-scheme\" content=\"light dark\">\n"
"<title>NanoMDM</title>\n<style>\n"
":root{--bg:#f5f6f8;--box:#fff;--ink:#1c2430;--dim:#5b6675;--line:#dde2e8;"
"--link:#0b5cad;--warn:#8a5300;--bad:#b3261e}\n"
"@media(prefers-color-scheme:dark){:root{--bg:#12161c;--box:#1b212a;"
"--ink:#e6eaf0;--dim:#9aa6b5;--line:#303946;--link:#7db7f5;--warn:#f0b35a;"
"--bad:#ff8a80}}\n"
"*{box-sizing:border-box}\n"
"body{margin:0 auto;padding:1rem;max-width:70rem;background:var(--bg);"
"color:var(--ink);font:16px/1.45 system-ui,sans-serif}\n"
"h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.05rem;margin:0 0 .5rem}\n"
"a{color:var(--link)}p{margin:.3rem 0}.dim,th,dt{color:var(--dim)}\n"
".tiles{display:grid;gap:.7rem;margin:1rem 0;"
"grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr))}\n"
".parts{display:grid;gap:.7rem;margin-top:.7rem;"
"grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr))}\n"
".tile,section{background:var(--box);border:1px solid var(--line);"
"border-radius:.6rem;padding:.8rem 1rem;min-width:0}\n"
".tile b{display:block;font-size:1.5rem;font-weight:600;line-height:1.2}\n"
".two{grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr))}\n"
".when{white-space:nowrap}@media(max-width:36rem){.access_log td{display:block}"
".access_log td+td{border:0;padding-top:0}}\n"
".wide{grid-column:1/-1}.warn{color:var(--warn)}.bad{color:var(--bad)}\n"
"table{border-collapse:collapse;width:100%}\n"
"th{font-weight:normal;text-align:left}\n"
"th,td{padding:.25rem .6rem .25rem 0;border-top:1px solid var(--line);"
"vertical-align:top;overflow-wrap:anywhere}\n"
"tr:first-child>*{border-top:0}"
".n{text-align:right;white-space:nowrap;width:1%;"
"font-variant-numeric:tabular-nums;padding-right:0}\n"
"dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;"
"margin:0}dd{margin:0;overflow-wrap:anywhere}\n"
"form{display:flex;gap:.5rem}input,button{font:inherit;padding:.4rem .6rem;"
"border:1px solid var(--line);border-radius:.4rem;background:var(--bg);"
"color:var(--ink);min-width:0}input{flex:1}\n"
"</style>\n</head>\n<body>\n";

/* ---- Writing ---- */

typedef struct {
    apr_pool_t *pool;
    apr_time_t now;
    apr_array_header_t *parts;
} sheet_t;

static void put(sheet_t *sheet, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void put(sheet_t *sheet, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    APR_ARRAY_PUSH(sheet->parts, const char *) = apr_pvsprintf(
        sheet->pool, fmt, args);
    va_end(args);
}

static sheet_t begin(apr_pool_t *p, apr_time_t now)
{
    sheet_t sheet = { p, now, apr_array_make(p, 128, sizeof(const char *)) };

    APR_ARRAY_PUSH(sheet.parts, const char *) = HEAD;
    return sheet;
}

static nmdm_bytes_t end(sheet_t *sheet)
{
    nmdm_bytes_t bytes;

    put(sheet, "</body>\n</html>\n");
    bytes.data = apr_array_pstrcat(sheet->pool, sheet->parts, 0);
    bytes.len = strlen(bytes.data);
    return bytes;
}

/* For text and for values in double quotes. */
static const char *esc(const sheet_t *sheet, const char *text)
{
    return text ? ap_escape_html2(sheet->pool, text, 0) : "";
}

static const char *duration(apr_pool_t *p, apr_interval_time_t d)
{
    apr_int64_t s = apr_time_sec(d < 0 ? 0 : d);

    return s < 120 ? apr_psprintf(p, "%d s", (int)s)
        : s < 120 * 60 ? apr_psprintf(p, "%d min", (int)(s / 60))
        : s < 2 * A_DAY ? apr_psprintf(p, "%d h", (int)(s / 3600))
        : apr_psprintf(p, "%" APR_INT64_T_FMT " days", s / A_DAY);
}

/* Both for who reads and for who compares. */
static const char *moment(const sheet_t *sheet, apr_time_t t)
{
    return t ? apr_psprintf(sheet->pool, "%s ago <span class=\"dim when\">%s"
                            "</span>", duration(sheet->pool, sheet->now - t),
                            nmdm_time_rfc3339(sheet->pool, t))
             : "–";
}

/* 10,000 rather than 10000. */
static const char *number(const sheet_t *sheet, apr_uint64_t n)
{
    const char *rest = n >= 1000 ? apr_psprintf(sheet->pool, ",%03d",
                                                (int)(n % 1000)) : "";

    return n >= 1000 ? apr_pstrcat(sheet->pool, number(sheet, n / 1000), rest,
                                   NULL)
                     : apr_itoa(sheet->pool, (int)n);
}

static const char *amount(const sheet_t *sheet, nmdm_amount_t a)
{
    return apr_pstrcat(sheet->pool, a.is_least ? "≥ " : "",
                       number(sheet, (apr_uint64_t)a.number), NULL);
}

static void tile(sheet_t *sheet, const char *mood, const char *value,
                 const char *what)
{
    put(sheet, "<div class=\"tile\"><b class=\"%s\">%s</b>%s</div>\n", mood,
        value, what);
}

static void open_part(sheet_t *sheet, const char *title)
{
    put(sheet, "<section><h2>%s</h2>\n<table>\n", title);
}

static void close_part(sheet_t *sheet)
{
    put(sheet, "</table></section>\n");
}

static void row(sheet_t *sheet, const char *name, const char *value)
{
    put(sheet, "<tr><td>%s</td><td class=\"n\">%s</td></tr>\n", name, value);
}

/* ---- The server: tiles ---- */

static void put_age_tile(sheet_t *sheet, apr_time_t oldest)
{
    apr_interval_time_t age = sheet->now - oldest;

    tile(sheet, oldest && age > WORRYING_AGE ? "warn" : "",
         oldest ? duration(sheet->pool, age) : "–", "oldest pending");
}

static void put_event_tiles(sheet_t *sheet, const nmdm_db_stats_t *db)
{
    if (db->has_outbox) {
        tile(sheet, db->events_pending.number >= 100 ? "warn" : "",
             amount(sheet, db->events_pending), "webhook events wait");
        tile(sheet, db->events_dead.number ? "bad" : "",
             amount(sheet, db->events_dead), "webhook events dead");
    }
}

/* Where they are too many to be counted, all of them by an estimate. */
static void put_enrolled_tile(sheet_t *sheet, const nmdm_counted_t *counted)
{
    if (counted->estimate) {
        tile(sheet, "", apr_pstrcat(sheet->pool, "≈ ", number(
            sheet, (apr_uint64_t)counted->estimate), NULL), "enrollments");
        return;
    }
    tile(sheet, "", amount(sheet, nmdm_api_db_stats_enrolled(counted)),
         "enabled enrollments");
}

static void put_seen_tiles(sheet_t *sheet, const nanomdm_status_t *status)
{
    apr_uint64_t ending = nmdm_counters_seen(
        status->counters, NMDM_ENDING_LAST_DAY, status->now);

    tile(sheet, "", number(sheet, nmdm_counters_seen(
        status->counters, NMDM_LAST_HOUR, status->now)),
        "seen here in the last hour");
    tile(sheet, "", number(sheet, nmdm_counters_seen(
        status->counters, NMDM_LAST_DAY, status->now)),
        "seen here in the last day");
    tile(sheet, ending ? "warn" : "", number(sheet, ending),
         "of these: identity ends within 30 days");
}

static void put_queue_tiles(sheet_t *sheet, const nmdm_counted_t *counted)
{
    nmdm_amount_t slow = {
        counted->silent.number + counted->put_off.number,
        counted->silent.is_least || counted->put_off.is_least
    };

    tile(sheet, "", amount(sheet, counted->pending), "commands wait");
    put_age_tile(sheet, counted->oldest_pending);
    tile(sheet, slow.number ? "warn" : "", amount(sheet, slow),
         "slow devices");
}

static void put_tiles(sheet_t *sheet, const nanomdm_status_t *status)
{
    const nmdm_db_stats_t *db = &status->db;

    put(sheet, "<div class=\"tiles\">\n");
    if (!status->trouble) {
        put_enrolled_tile(sheet, &db->counted);
    }
    put_seen_tiles(sheet, status);
    if (!status->trouble) {
        if (db->counted.has_queue) {
            put_queue_tiles(sheet, &db->counted);
        }
        put_event_tiles(sheet, db);
        tile(sheet, db->latency > WORRYING_LATENCY ? "warn" : "",
             apr_psprintf(sheet->pool, "%.2f ms",
                          (double)db->latency / 1000), "database latency");
    }
    put(sheet, "</div>\n");
}

/* ---- The server: tables ---- */

static void put_types(sheet_t *sheet, const nanomdm_status_t *status)
{
    int i;

    open_part(sheet, "Enabled enrollments");
    for (i = 0; i < NMDM_DB_STATS_TYPES; i++) {
        row(sheet, NMDM_DB_STATS_NAMES[i],
            amount(sheet, status->db.counted.enabled[i]));
    }
    close_part(sheet);
}

static void put_topics(sheet_t *sheet, const nanomdm_status_t *status)
{
    int i;

    open_part(sheet, "Push certificates");
    for (i = 0; i < status->db.topics->nelts; i++) {
        const nmdm_topic_t *topic = &APR_ARRAY_IDX(status->db.topics, i,
                                                   nmdm_topic_t);
        int days = (int)(apr_time_sec(topic->not_after - status->now)
                         / A_DAY);
        const char *left = !topic->not_after ? "cannot be read"
            : topic->not_after < status->now ? "has expired"
            : apr_psprintf(sheet->pool, "%d days left", days);
        int is_bad = topic->not_after < status->now;

        put(sheet, "<tr><td>%s<br><span class=\"%s\">%s</span></td></tr>\n",
            esc(sheet, topic->topic),
            is_bad ? "bad" : days < NANOMDM_WARN_BEFORE_DAYS ? "warn" : "dim",
            left);
    }
    if (!status->db.topics->nelts) {
        row(sheet, "None is stored: nobody can be pushed to.", "");
    }
    close_part(sheet);
}

/* Those of a family that happened in the last hour. */
static void put_lately(sheet_t *sheet, const nanomdm_status_t *status,
                       nmdm_count_e which, const char *title)
{
    const nmdm_family_t *f = nmdm_count_family(which);
    int i, k, rows = 0;

    open_part(sheet, title);
    for (i = 0; i < f->n; i++) {
        for (k = 0; k < f->seconds; k++) {
            apr_uint64_t n = nmdm_counted_lately(status->counters, which, i,
                                                 k, status->now);
            const char *name = f->second_key
                ? apr_psprintf(sheet->pool, "%s <span class=\"dim\">%s"
                               "</span>", f->values[i], f->second_values[k])
                : f->values ? f->values[i] : "all";

            if (n) {
                row(sheet, name, number(sheet, n));
                rows++;
            }
        }
    }
    if (!rows) {
        row(sheet, "<span class=\"dim\">none</span>", "");
    }
    close_part(sheet);
}

static const char *link_to(const sheet_t *sheet, const char *id)
{
    return apr_psprintf(sheet->pool, "<a href=\"?id=%s\">%s</a>",
                        esc(sheet, ap_escape_urlencoded(sheet->pool, id)),
                        esc(sheet, id));
}

static void put_slow(sheet_t *sheet, const char *title, const char *what,
                     nmdm_amount_t all, const apr_array_header_t *slowest)
{
    int i;

    if (!all.number) {
        return;
    }
    put(sheet, "<section><h2>%s: %s</h2>\n<p class=\"dim\">%s</p>\n<table>\n",
        title, amount(sheet, all), what);
    for (i = 0; i < slowest->nelts; i++) {
        const nmdm_slow_t *slow = &APR_ARRAY_IDX(slowest, i, nmdm_slow_t);

        row(sheet, link_to(sheet, slow->id),
            duration(sheet->pool, sheet->now - slow->since));
    }
    close_part(sheet);
}

static void put_refusals(sheet_t *sheet, const nmdm_db_stats_t *db)
{
    int i;

    put(sheet, "<section><h2>Pushes refused: %s</h2>\n"
        "<p class=\"dim\">Until the device sends a new token. The newest"
        " 20:</p>\n<table>\n", amount(sheet, db->refused));
    for (i = 0; i < db->refusals->nelts; i++) {
        const nmdm_refused_push_t *push = &APR_ARRAY_IDX(
            db->refusals, i, nmdm_refused_push_t);

        put(sheet, "<tr><td>%s<br><span class=\"dim\">%s %s</span></td>"
            "<td class=\"n\">%s ago</td></tr>\n",
            link_to(sheet, push->id), esc(sheet, push->status),
            esc(sheet, push->reason),
            duration(sheet->pool, sheet->now - push->at));
    }
    close_part(sheet);
}

/* What somebody may want to do something about. */
static void put_trouble(sheet_t *sheet, const nmdm_db_stats_t *db)
{
    put(sheet, "<div class=\"parts two\">\n");
    put_slow(sheet, "Silent", "Have a command, were pushed to five times and"
             " more, and were not heard of. For how long, the longest:",
             db->counted.silent, db->silent);
    put_slow(sheet, "Not now", "Put a command off more than a day ago and"
             " have not answered it. For how long, the longest:",
             db->counted.put_off, db->put_off);
    if (db->refused.number) {
        put_refusals(sheet, db);
    }
    put(sheet, "</div>\n");
}

static void put_legend(sheet_t *sheet, const nanomdm_status_t *status)
{
    apr_time_t since = nmdm_counters_since(status->counters);

    put(sheet, "<p class=\"dim\">Counted since %s, by all children of this"
        " server together; a graceful restart does not begin anew.",
        nmdm_time_rfc3339(sheet->pool, since));
    if (!status->trouble) {
        put(sheet, " Enrollments and commands were counted %s ago, up to"
            " 10,000 of each kind (≥: there may be more; ≈: the database's own"
            " estimate).",
            duration(sheet->pool, status->now
                                  - status->db.counted.counted_at));
    }
    put(sheet, " Seen are enrollments that were answered here, each once,"
        " within two percent; other servers on the database have"
        " their own.</p>\n"
        "<p><a href=\"?json\">JSON</a> · <a href=\"?prometheus\">Prometheus"
        "</a></p>\n");
}

nmdm_bytes_t nanomdm_status_html_server(apr_pool_t *p,
                                        const nanomdm_status_t *status)
{
    sheet_t sheet = begin(p, status->now);

    put(&sheet, "<h1>NanoMDM</h1>\n<p class=\"dim\">mod_nanomdm "
        NMDM_VERSION " · %s</p>\n", nmdm_time_rfc3339(p, status->now));
    if (status->trouble) {
        put(&sheet, "<section><h2 class=\"bad\">The database does not"
            " answer</h2><p>%s</p></section>\n",
            esc(&sheet, status->trouble));
    }
    put_tiles(&sheet, status);
    put(&sheet, "<form method=\"get\"><input name=\"id\" aria-label=\""
        "Enrollment ID\" placeholder=\"Enrollment ID\" required>"
        "<button>Look up</button></form>\n");
    if (!status->trouble) {
        put_trouble(&sheet, &status->db);
    }
    put(&sheet, "<div class=\"parts\">\n");
    if (!status->trouble) {
        put_types(&sheet, status);
        put_topics(&sheet, status);
    }
    put_lately(&sheet, status, NMDM_COUNT_PUSHES, "Pushes, last hour");
    put_lately(&sheet, status, NMDM_COUNT_CHECKINS, "Check-ins, last hour");
    put_lately(&sheet, status, NMDM_COUNT_REPORTS,
               "Polls and reports, last hour");
    put_lately(&sheet, status, NMDM_COUNT_REQUESTS,
               "Requests, last hour");
    put_lately(&sheet, status, NMDM_COUNT_EVENTS,
               "Webhook deliveries, last hour");
    put_lately(&sheet, status, NMDM_COUNT_DATABASE,
               "Database failures, last hour");
    put_lately(&sheet, status, NMDM_COUNT_LIMITED,
               "Beyond the rate limit, last hour");
    put(&sheet, "</div>\n");
    put_legend(&sheet, status);
    return end(&sheet);
}

/* ---- One enrollment ---- */

static void fact(sheet_t *sheet, const char *name, const char *value)
{
    if (value && *value) {
        put(sheet, "<dt>%s</dt><dd>%s</dd>\n", name, value);
    }
}

static void put_push(sheet_t *sheet, const nmdm_timeline_t *one)
{
    const nmdm_last_push_t *push = &one->push;

    if (push->found && atoi(push->status) >= 400) {
        fact(sheet, "Last push", apr_psprintf(
            sheet->pool, "<span class=\"bad\">refused: %s %s</span>",
            esc(sheet, push->status), esc(sheet, push->reason)));
    }
    else if (push->found) {
        fact(sheet, "Last push", moment(sheet, push->pushed_at));
        fact(sheet, "Pushed again at", push->next_at
             ? nmdm_time_rfc3339(sheet->pool, push->next_at) : "");
    }
}

static void put_facts(sheet_t *sheet, const nmdm_timeline_t *one)
{
    const nmdm_enrollment_t *who = one->who;

    put(sheet, "<section><h2>Enrollment</h2><dl>\n");
    fact(sheet, "Type", esc(sheet, who->type));
    fact(sheet, "State", who->enabled ? "enabled"
         : "<span class=\"warn\">not enabled</span>");
    fact(sheet, "Serial number", esc(sheet, who->serial_number));
    fact(sheet, "User", esc(sheet, who->user_short_name));
    fact(sheet, "Name", esc(sheet, who->user_long_name));
    fact(sheet, "Device", who->user_id ? link_to(sheet, who->device_id)
                                       : "");
    fact(sheet, "Topic", esc(sheet, who->topic));
    fact(sheet, "Tokens received", esc(sheet, who->tally));
    fact(sheet, "Last seen", moment(sheet, who->last_seen));
    fact(sheet, "Identity ends", one->cert_not_after
         ? nmdm_time_rfc3339(sheet->pool, one->cert_not_after) : "");
    fact(sheet, "Commands wait", apr_psprintf(
        sheet->pool, "%s%d", one->pending.pending >= NMDM_QUERIES_MOST ? "≥ "
        : "", one->pending.pending));
    fact(sheet, "Of these NotNow", one->pending.not_now
         ? apr_psprintf(sheet->pool, "%d, since %s", one->pending.not_now,
                        moment(sheet, one->pending.not_now_since)) : "");
    put_push(sheet, one);
    put(sheet, "</dl></section>\n");
}

static void put_queue(sheet_t *sheet, const nmdm_timeline_t *one)
{
    int i;

    if (!one->queue->nelts) {
        return;
    }
    open_part(sheet, "Waits, in the order of delivery");
    for (i = 0; i < one->queue->nelts && i < 20; i++) {
        const nmdm_queued_t *q = &APR_ARRAY_IDX(one->queue, i,
                                                nmdm_queued_t);

        put(sheet, "<tr><td>%s <span class=\"dim\">%s</span></td>"
            "<td class=\"n\">%s</td></tr>\n", esc(sheet, q->request_type),
            esc(sheet, q->uuid), esc(sheet, q->status));
    }
    if (one->queue->nelts > 20) {
        row(sheet, "<span class=\"dim\">and more</span>", "");
    }
    close_part(sheet);
}

static void put_moments(sheet_t *sheet, const nmdm_timeline_t *one)
{
    int i;

    put(sheet, "<section class=\"wide\"><h2>What happened</h2>\n"
        "<table class=\"story\">\n");
    for (i = 0; i < one->moments->nelts && i < NMDM_QUERIES_PAGE; i++) {
        const nmdm_timeline_entry_t *m = &APR_ARRAY_IDX(one->moments, i,
                                                        nmdm_timeline_entry_t);

        put(sheet, "<tr><td>%s <span class=\"dim\">%s</span></td><td>%s</td>"
            "</tr>\n", esc(sheet, m->what), esc(sheet, m->about),
            moment(sheet, m->at));
    }
    close_part(sheet);
}

nmdm_bytes_t nanomdm_status_html_enrollment(apr_pool_t *p,
                                            const nmdm_timeline_t *one,
                                            apr_time_t now)
{
    sheet_t sheet = begin(p, now);

    put(&sheet, "<p><a href=\"?\">NanoMDM</a></p>\n<h1>%s</h1>\n"
        "<div class=\"parts two\">\n",
        esc(&sheet, one->who->id));
    put_facts(&sheet, one);
    put_queue(&sheet, one);
    put_moments(&sheet, one);
    put(&sheet, "</div>\n");
    return end(&sheet);
}

nmdm_bytes_t nanomdm_status_html_problem(apr_pool_t *p, const char *title,
                                         const char *text)
{
    sheet_t sheet = begin(p, 0);

    put(&sheet, "<p><a href=\"?\">NanoMDM</a></p>\n<h1>%s</h1>\n<p>%s</p>\n",
        esc(&sheet, title), esc(&sheet, text));
    return end(&sheet);
}
