/* SPDX-License-Identifier: Apache-2.0 */
/* status_prometheus.c -- the figures of the status handler in the text format
 * of Prometheus. */

#include "httpd/status_prometheus.h"
#include "base/counters.h"
#include "base/version.h"

#include <apr_strings.h>

#include <stdarg.h>
#include <string.h>

#define U64 "%" APR_UINT64_T_FMT
#define I64 "%" APR_INT64_T_FMT

typedef struct {
    apr_pool_t *pool;
    apr_array_header_t *lines;
} sheet_t;

static void put(sheet_t *sheet, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void put(sheet_t *sheet, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    APR_ARRAY_PUSH(sheet->lines, const char *) = apr_pvsprintf(
        sheet->pool, fmt, args);
    va_end(args);
}

static void put_head(sheet_t *sheet, const char *name, const char *type,
                     const char *help)
{
    put(sheet, "# HELP nanomdm_%s %s\n# TYPE nanomdm_%s %s\n", name, help,
        name, type);
}

static void put_gauge(sheet_t *sheet, const char *name, const char *help,
                      apr_int64_t value)
{
    put_head(sheet, name, "gauge", help);
    put(sheet, "nanomdm_%s " I64 "\n", name, value);
}

/* Of a label: topics are taken from certificates. */
static const char *escaped(apr_pool_t *p, const char *text)
{
    char *to = apr_palloc(p, 2 * strlen(text) + 1), *at = to;

    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || *text == '\n') {
            *at++ = '\\';
        }
        *at++ = *text == '\n' ? 'n' : *text;
    }
    *at = '\0';
    return to;
}

static void put_counters(sheet_t *sheet, const nanomdm_status_t *status,
                         nmdm_count_e which)
{
    const nmdm_family_t *f = nmdm_count_family(which);
    const char *name = apr_pstrcat(sheet->pool, f->name, "_total", NULL);
    int i, k;

    put_head(sheet, name, "counter", f->help);
    for (i = 0; i < f->n; i++) {
        for (k = 0; k < f->seconds; k++) {
            put(sheet, "nanomdm_%s", name);
            if (f->key) {
                put(sheet, "{%s=\"%s\"", f->key, f->values[i]);
                if (f->second_key) {
                    put(sheet, ",%s=\"%s\"", f->second_key,
                        f->second_values[k]);
                }
                put(sheet, "}");
            }
            put(sheet, " " U64 "\n", nmdm_counted(status->counters, which,
                                                  i, k));
        }
    }
}

/* Buckets that hold those before them as well. */
static void put_durations(sheet_t *sheet, const nanomdm_status_t *status)
{
    const nmdm_family_t *f = nmdm_count_family(NMDM_COUNT_DURATION);
    int i, k;

    put_head(sheet, f->name, "histogram", f->help);
    for (i = 0; i < f->n; i++) {
        apr_uint64_t sum = nmdm_counted(status->counters,
                                        NMDM_COUNT_MICROSECONDS, i, 0);
        apr_uint64_t below = 0;

        for (k = 0; k < f->seconds; k++) {
            below += nmdm_counted(status->counters, NMDM_COUNT_DURATION, i,
                                  k);
            put(sheet, "nanomdm_%s_bucket{%s=\"%s\",le=\"%s\"} " U64 "\n",
                f->name, f->key, f->values[i], f->second_values[k], below);
        }
        put(sheet, "nanomdm_%s_sum{%s=\"%s\"} " U64 ".%06d\n", f->name,
            f->key, f->values[i], sum / 1000000, (int)(sum % 1000000));
        put(sheet, "nanomdm_%s_count{%s=\"%s\"} " U64 "\n", f->name, f->key,
            f->values[i], below);
    }
}

static void put_certificates(sheet_t *sheet, const nanomdm_status_t *status)
{
    int i;

    put_head(sheet, "push_certificate_not_after_seconds", "gauge",
             "When a push certificate ends, in seconds since 1970.");
    for (i = 0; i < status->db.topics->nelts; i++) {
        const nmdm_topic_t *topic = &APR_ARRAY_IDX(status->db.topics, i,
                                                   nmdm_topic_t);

        put(sheet, "nanomdm_push_certificate_not_after_seconds{topic=\"%s\"}"
            " " I64 "\n", escaped(sheet->pool, topic->topic),
            apr_time_sec(topic->not_after));
    }
}

static void put_queue(sheet_t *sheet, const nanomdm_status_t *status)
{
    const nmdm_counted_t *counted = &status->db.counted;
    apr_time_t oldest = counted->oldest_pending;

    if (!counted->has_queue) {
        return;
    }
    put_gauge(sheet, "pending_commands", "Commands that wait, counted to"
              " 10000.", counted->pending.number);
    put_gauge(sheet, "oldest_pending_seconds", "Age of the oldest of"
              " these.", oldest ? apr_time_sec(status->now - oldest) : 0);
    put_gauge(sheet, "silent_enrollments", "Enrollments pushed to again"
              " and again without an answer, counted to 1000.",
              counted->silent.number);
    put_gauge(sheet, "put_off_enrollments", "Enrollments that have put a"
              " command off for more than a day, counted to 1000.",
              counted->put_off.number);
}

static void put_begun(sheet_t *sheet, const nanomdm_status_t *status)
{
    put_gauge(sheet, "pending_enrollments", "Devices that sent Authenticate"
              " and no TokenUpdate yet, of the first 50000.",
              status->db.counted.begun.number);
}

static void put_declarations(sheet_t *sheet, const nmdm_db_stats_t *db)
{
    if (!db->has_declarations) {
        return;
    }
    put_gauge(sheet, "declarations", "Declarations, counted to 10000.",
              db->declarations.number);
    put_gauge(sheet, "declaration_sets", "Sets that have declarations,"
              " counted to 10000.", db->declaration_sets.number);
    put_gauge(sheet, "declarative_enrollments", "Enrollments that fetch"
              " declarations, counted to 10000.", db->declarative.number);
    put_gauge(sheet, "declarations_in_sync", "Enrollments among these for"
              " which no DeclarativeManagement command waits.",
              db->declaring_in_sync.number);
    put_gauge(sheet, "declarations_waiting", "Enrollments among these for"
              " which one waits.", db->declaring_waiting.number);
    put_gauge(sheet, "enrollments_with_invalid_declarations", "Enrollments"
              " with invalid declarations, among the first 10000 states.",
              db->declaring_invalid.number);
    put_gauge(sheet, "declaration_changes", "Changes whose enrollments are"
              " still to be notified.", db->changes.number);
    put_gauge(sheet, "oldest_declaration_change_seconds", "Age of the oldest"
              " of them.", db->oldest_change);
}

static void put_labelled(sheet_t *sheet, const char *name, const char *key,
                         const char *value, nmdm_amount_t amount)
{
    put(sheet, "nanomdm_%s{%s=\"%s\"} " I64 "\n", name, key, value,
        amount.number);
}

static void put_identities(sheet_t *sheet, const nmdm_identity_stats_t *stats)
{
    int i;

    if (!stats->is_known) {
        return;
    }
    put_gauge(sheet, "identities_in_use", "Identities issued here that"
              " enrollments use, counted to 10000.", stats->in_use.number);
    put_head(sheet, "identities_in_use_ending", "gauge", "Those that end"
             " within so many days.");
    for (i = 0; i < NMDM_IDENTITY_STATS_ENDS; i++) {
        put_labelled(sheet, "identities_in_use_ending", "days",
                     apr_itoa(sheet->pool, NMDM_IDENTITY_STATS_DAYS[i]),
                     stats->ending[i]);
    }
    put_head(sheet, "identities_live", "gauge", "Certificates neither ended"
             " nor revoked, by SHA-256 of the issuer, among 10000 of each.");
    for (i = 0; i < stats->nissuers; i++) {
        put_labelled(sheet, "identities_live", "issuer",
                     stats->issuers[i].sha256, stats->issuers[i].live);
    }
    put_head(sheet, "scep_challenges", "gauge", "Challenges that are kept,"
             " counted to 10000.");
    put_labelled(sheet, "scep_challenges", "state", "open", stats->open);
    put_labelled(sheet, "scep_challenges", "state", "used", stats->used);
    put_labelled(sheet, "scep_challenges", "state", "expired",
                 stats->expired);
    put_head(sheet, "identity_renewals", "gauge", "Devices that were asked to"
             " renew, that are stuck, or whose profile was not served here,"
             " counted to 1000.");
    put_labelled(sheet, "identity_renewals", "state", "asked", stats->asked);
    put_labelled(sheet, "identity_renewals", "state", "stuck", stats->stuck);
    put_labelled(sheet, "identity_renewals", "state", "foreign",
                 stats->foreign);
}

static void put_database(sheet_t *sheet, const nanomdm_status_t *status)
{
    const nmdm_db_stats_t *db = &status->db;
    int i;

    put_gauge(sheet, "database_up", "Whether the database answers.",
              !status->failure);
    if (status->failure) {
        return;
    }
    put_head(sheet, "database_latency_seconds", "gauge",
             "What a trivial statement took.");
    put(sheet, "nanomdm_database_latency_seconds %d.%06d\n",
        (int)apr_time_sec(db->latency), (int)apr_time_usec(db->latency));
    put_head(sheet, "enrollments", "gauge", "Enabled enrollments, of the"
             " first 10000 of each type.");
    for (i = 0; i < NMDM_DB_STATS_TYPES; i++) {
        put(sheet, "nanomdm_enrollments{type=\"%s\"} " I64 "\n",
            NMDM_DB_STATS_NAMES[i], db->counted.enabled[i].number);
    }
    if (db->counted.estimate) {
        put_gauge(sheet, "enrollments_estimate", "Enrollments of all types,"
                  " by the database's own estimate.", db->counted.estimate);
    }
    put_begun(sheet, status);
    put_queue(sheet, status);
    put_gauge(sheet, "refused_pushes", "Enrollments whose last push APNs"
              " refused, counted to 1000.", db->refused.number);
    put_identities(sheet, &db->counted.identities);
    put_declarations(sheet, db);
    if (db->has_outbox) {
        put_gauge(sheet, "webhook_events_pending", "Durable events that"
                  " wait, counted to 1000.", db->events_pending.number);
        put_gauge(sheet, "webhook_events_dead", "Durable events given up,"
                  " counted to 1000.", db->events_dead.number);
    }
    put_certificates(sheet, status);
}

nmdm_bytes_t nanomdm_status_prometheus(apr_pool_t *p,
                                       const nanomdm_status_t *status)
{
    sheet_t sheet = { p, apr_array_make(p, 256, sizeof(const char *)) };
    nmdm_bytes_t bytes;
    int i;

    put_head(&sheet, "info", "gauge", "The version of mod_nanomdm.");
    put(&sheet, "nanomdm_info{version=\"" NMDM_VERSION "\"} 1\n");
    put_database(&sheet, status);
    put_gauge(&sheet, "seen_last_hour", "Enrollments that this server heard"
              " of in the last hour, within two percent.",
              (apr_int64_t)nmdm_counters_seen(status->counters,
                                              NMDM_LAST_HOUR, status->now));
    put_gauge(&sheet, "seen_last_day", "The same of the last day.",
              (apr_int64_t)nmdm_counters_seen(status->counters,
                                              NMDM_LAST_DAY, status->now));
    put_gauge(&sheet, "identities_ending", "Identity certificates seen in the"
              " last day that end within 30 days, within two percent.",
              (apr_int64_t)nmdm_counters_seen(
                  status->counters, NMDM_ENDING_LAST_DAY, status->now));
    for (i = 0; i < NMDM_COUNT_DURATION; i++) {
        put_counters(&sheet, status, i);
    }
    put_durations(&sheet, status);
    bytes.data = apr_array_pstrcat(p, sheet.lines, 0);
    bytes.len = strlen(bytes.data);
    return bytes;
}
