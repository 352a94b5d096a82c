/* SPDX-License-Identifier: Apache-2.0 */
/* verdict_html.c -- the beginning of the status page: what needs attention. */

#include "httpd/verdict_html.h"
#include "base/counters.h"
#include "base/text.h"
#include "httpd/reply.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define A_DAY (24 * 60 * 60)

typedef struct {
    const char *mood;           /* "bad" or "warn" */
    const char *anchor;         /* "#" and an id of the page, or another
                                 * page */
    const char *what, *remedy;  /* HTML */
} finding_t;

typedef struct {
    const nanomdm_html_t *sheet;
    const nanomdm_status_t *status;
    apr_array_header_t *found;          /* of finding_t */
} verdict_t;

static void add(const verdict_t *verdict, const char *mood,
                const char *anchor, const char *what, const char *remedy)
{
    finding_t *finding = apr_array_push(verdict->found);

    finding->mood = mood;
    finding->anchor = anchor;
    finding->what = what;
    finding->remedy = remedy;
}

/* "1 thing" or "3 things". */
static const char *several(const verdict_t *verdict, nmdm_amount_t amount,
                           const char *one, const char *more)
{
    return apr_pstrcat(verdict->sheet->pool,
                       nanomdm_html_amount(verdict->sheet, amount),
                       amount.number == 1 && !amount.is_least ? one : more,
                       NULL);
}

static void judge_topic(const verdict_t *verdict, const nmdm_topic_t *topic)
{
    apr_pool_t *p = verdict->sheet->pool;
    apr_int64_t days = (apr_time_sec(topic->not_after)
                        - apr_time_sec(verdict->status->now)) / A_DAY;
    const char *name = nanomdm_html_esc(verdict->sheet, topic->topic);
    const char *remedy = "Renew it with the same Apple Account, then"
                         " <code>nanomdmctl pushcert upload</code>.";

    if (topic->not_after < verdict->status->now) {
        add(verdict, "bad", "#push-certificates",
            apr_psprintf(p, "The push certificate %s %s", name,
                         topic->not_after ? "has expired" : "cannot be read"),
            remedy);
    }
    else if (days < NANOMDM_WARN_BEFORE_DAYS) {
        add(verdict, "warn", "#push-certificates",
            apr_psprintf(p, "The push certificate %s expires in %d %s", name,
                         (int)days, nmdm_text_plural(days, "day", "days")),
            remedy);
    }
}

static void judge_topics(const verdict_t *verdict)
{
    const apr_array_header_t *topics = verdict->status->db.topics;
    int i;

    for (i = 0; i < topics->nelts; i++) {
        judge_topic(verdict, &APR_ARRAY_IDX(topics, i, nmdm_topic_t));
    }
    if (!topics->nelts) {
        add(verdict, "bad", "#push-certificates",
            "No push certificate is stored",
            "No device is woken up. <code>nanomdmctl pushcert request</code>"
            " begins.");
    }
}

static void judge_queue(const verdict_t *verdict,
                        const nmdm_counted_t *counted)
{
    if (counted->silent.number) {
        add(verdict, "warn", "#silent",
            several(verdict, counted->silent, " device does not answer pushes",
                    " devices do not answer pushes"),
            "<code>nanomdmctl why ID</code> looks for the cause.");
    }
    if (counted->put_off.number) {
        add(verdict, "warn", "#not-now",
            several(verdict, counted->put_off,
                    " device has put a command off for more than a day",
                    " devices have put a command off for more than a day"),
            "They may be locked, and answer once they are unlocked.");
    }
    if (counted->oldest_pending && verdict->status->now
                                    - counted->oldest_pending
                                       > NANOMDM_OLD_COMMAND) {
        add(verdict, "warn", "#queue-and-pushes", apr_pstrcat(
                verdict->sheet->pool, "A command has waited for ",
                nanomdm_html_duration(verdict->sheet->pool,
                                      verdict->status->now
                                          - counted->oldest_pending), NULL),
            "<code>nanomdmctl devices --pending</code> lists whose.");
    }
}

static void judge_events(const verdict_t *verdict, const nmdm_db_stats_t *db)
{
    if (db->events_dead.number) {
        add(verdict, "bad", "?events=dead",
            several(verdict, db->events_dead, " webhook event was given up",
                    " webhook events were given up"),
            "<code>nanomdmctl events</code> shows target and reason; then"
            " <code>nanomdmctl events replay</code>.");
    }
    if (db->events_pending.number >= NANOMDM_LARGE_BACKLOG) {
        add(verdict, "warn", "?events=pending",
            several(verdict, db->events_pending, " webhook event waits",
                    " webhook events wait"),
            "The receiver is away or slow: <code>nanomdmctl events --state"
            " pending</code>.");
    }
}

static void judge_renewals(const verdict_t *verdict,
                           const nmdm_identity_stats_t *stats)
{
    if (stats->stuck.number) {
        add(verdict, "warn", "#stuck",
            several(verdict, stats->stuck, " device does not renew its"
                    " identity", " devices do not renew their identities"),
            "The reason is beside the device.");
    }
    if (stats->foreign.number) {
        add(verdict, "warn", "#renewals",
            several(verdict, stats->foreign, " identity is due and not"
                    " renewed", " identities are due and not renewed"),
            "Their profile was not served here: name its identifier with"
            " <code>NanoMDMRenewIdentifier</code>.");
    }
}

static void judge_declarations(const verdict_t *verdict,
                               const nmdm_db_stats_t *db)
{
    if (db->declaring_invalid.number) {
        add(verdict, "warn", "#declarations",
            several(verdict, db->declaring_invalid,
                    " enrollment has invalid declarations",
                    " enrollments have invalid declarations"),
            "<code>nanomdmctl declarations enrollments IDENTIFIER</code> lists"
            " whose, <code>nanomdmctl declarations why ID</code> has the"
            " reason that the device gave.");
    }
    if (db->oldest_change > NANOMDM_OLD_CHANGE) {
        add(verdict, "warn", "#declarations",
            apr_pstrcat(verdict->sheet->pool, "A change of declarations has"
                        " waited for ",
                        nanomdm_html_duration(
                            verdict->sheet->pool,
                            apr_time_from_sec(db->oldest_change)), NULL),
            "Its devices do not know of it yet; the error log has the"
            " cause.");
    }
}

static void judge_database(const verdict_t *verdict)
{
    const nmdm_db_stats_t *db = &verdict->status->db;

    if (verdict->status->failure) {
        add(verdict, "bad", "#database", "The database does not answer",
            "Devices get 503 and come again by themselves; the error log has"
            " the cause.");
        return;
    }
    judge_topics(verdict);
    judge_events(verdict, db);
    if (db->refused.number) {
        add(verdict, "warn", "#refused",
            several(verdict, db->refused, " push was refused by APNs",
                    " pushes were refused by APNs"),
            "The reason is beside the device.");
    }
    judge_renewals(verdict, &db->counted.identities);
    judge_declarations(verdict, db);
    if (db->latency > NANOMDM_HIGH_LATENCY) {
        add(verdict, "warn", "#server",
            apr_psprintf(verdict->sheet->pool, "The database took %.0f ms for"
                         " a row", (double)db->latency / 1000),
            "See what else it does, and how far it is away.");
    }
    if (db->counted.has_queue) {
        judge_queue(verdict, &db->counted);
    }
}

static void judge_identities(const verdict_t *verdict)
{
    nmdm_amount_t ending = { 0, 0 };

    ending.number = (apr_int64_t)nmdm_counters_seen(
        verdict->status->counters, NMDM_ENDING_LAST_DAY,
        verdict->status->now);
    if (ending.number) {
        add(verdict, "warn", "#devices",
            several(verdict, ending, " identity expires within 30 days",
                    " identities expire within 30 days"),
            "Renew them before that: <code>NanoMDMRenewIdentity</code>, or"
            " enroll again.");
    }
}

/* Of the last hour. */
static apr_int64_t lately(const verdict_t *verdict, nmdm_count_e which, int i,
                          int k)
{
    return (apr_int64_t)nmdm_counted_lately(verdict->status->counters, which,
                                            i, k, verdict->status->now);
}

/* Beyond a fifth it is more than some devices that left, or a restart. */
static int is_many(apr_int64_t failed, apr_int64_t all)
{
    return failed && failed * 5 >= all;
}

/* What every value of a family but the good one means. */
static void judge_outcomes(const verdict_t *verdict, nmdm_count_e which,
                           const char *good, const char *anchor,
                           const char *one, const char *more,
                           const char *remedy)
{
    const nmdm_family_t *f = nmdm_count_family(which);
    nmdm_amount_t failed = { 0, 0 };
    apr_int64_t all = 0;
    int i;

    for (i = 0; i < f->n; i++) {
        apr_int64_t n = lately(verdict, which, i, 0);

        all += n;
        failed.number += strcmp(f->values[i], good) ? n : 0;
    }
    if (is_many(failed.number, all)) {
        add(verdict, "warn", anchor, several(verdict, failed, one, more),
            remedy);
    }
}

/* Of a database that answers now; tries of the server's own among them. */
static void judge_failures(const verdict_t *verdict)
{
    const nmdm_family_t *f = nmdm_count_family(NMDM_COUNT_DATABASE);
    nmdm_amount_t failed = { 0, 0 };
    int i, k;

    for (i = 0; i < f->n; i++) {
        for (k = 0; k < f->seconds; k++) {
            failed.number += strcmp(f->second_values[k], "failed") ? 0
                : lately(verdict, NMDM_COUNT_DATABASE, i, k);
        }
    }
    if (failed.number && !verdict->status->failure) {
        add(verdict, "warn", "#database-failures-last-hour",
            several(verdict, failed, " use of the database failed in the last"
                    " hour", " uses of the database failed in the last hour"),
            "What devices asked then got 503 or 500; the error log has the"
            " cause (NMDM1501, NMDM0101).");
    }
}

static void judge_last_hour(const verdict_t *verdict)
{
    judge_outcomes(verdict, NMDM_COUNT_PUSHES, "ok", "#pushes-last-hour",
                   " push of the last hour was not accepted",
                   " pushes of the last hour were not accepted",
                   "<code>nanomdmctl doctor</code> looks at APNs, certificate"
                   " and topic.");
    judge_outcomes(verdict, NMDM_COUNT_EVENTS, "taken",
                   "#webhook-deliveries-last-hour",
                   " delivery to a webhook failed in the last hour",
                   " deliveries to webhooks failed in the last hour",
                   "The receiver is away, slow, or refuses events; the error"
                   " log has its answer.");
    judge_failures(verdict);
}

/* Errors first. */
static int by_mood(const void *a, const void *b)
{
    return strcmp(((const finding_t *)a)->mood, ((const finding_t *)b)->mood);
}

static const char *headline(const verdict_t *verdict)
{
    int n = verdict->found->nelts;

    return !n ? "All is well"
        : n == 1 ? "1 thing needs you"
        : apr_psprintf(verdict->sheet->pool, "%d things need you", n);
}

void nanomdm_verdict_html_put(nanomdm_html_t *sheet,
                              const nanomdm_status_t *status)
{
    verdict_t verdict = { sheet, status, NULL };
    int i;

    verdict.found = apr_array_make(sheet->pool, 8, sizeof(finding_t));
    judge_database(&verdict);
    judge_last_hour(&verdict);
    judge_identities(&verdict);
    qsort(verdict.found->elts, (size_t)verdict.found->nelts,
          sizeof(finding_t), by_mood);
    nanomdm_html_put(sheet, "<section class=\"verdict\"><h2>%s</h2>\n",
                     headline(&verdict));
    if (verdict.found->nelts) {
        nanomdm_html_put(sheet, "<ul>\n");
    }
    for (i = 0; i < verdict.found->nelts; i++) {
        const finding_t *f = &APR_ARRAY_IDX(verdict.found, i, finding_t);

        nanomdm_html_put(
            sheet, "<li><b class=\"%s\">%s</b> <a href=\"%s\">%s</a>."
            " %s</li>\n", f->mood, f->mood[0] == 'b' ? "Error:" : "Warning:",
            f->anchor, f->what, f->remedy);
    }
    if (verdict.found->nelts) {
        nanomdm_html_put(sheet, "</ul>\n");
    }
    nanomdm_html_put(sheet, "</section>\n");
}
