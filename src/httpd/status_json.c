/* SPDX-License-Identifier: Apache-2.0 */
/* status_json.c -- the status as JSON. */

#include "httpd/status_json.h"
#include "api/enqueue.h"
#include "base/counters.h"
#include "base/time.h"
#include "base/version.h"
#include "codec/json.h"
#include "db/db.h"

#include <apr_strings.h>

static void add_amount(nmdm_json_t *object, const char *key,
                       nmdm_amount_t amount)
{
    nmdm_json_t *part = nmdm_json_add_object(object, key);

    nmdm_json_add_integer(part, "number", amount.number);
    nmdm_json_add_bool(part, "or_more", amount.is_least);
}

static void add_time(nmdm_json_t *object, const char *key, apr_pool_t *p,
                     apr_time_t t)
{
    if (t) {
        nmdm_json_add_string(object, key, nmdm_time_rfc3339(p, t));
    }
}

static void add_stuck(nmdm_json_t *out, apr_pool_t *p,
                      const apr_array_header_t *stuck)
{
    nmdm_json_t *list = nmdm_json_add_array(out, "stuck_enrollments");
    int i;

    for (i = 0; i < stuck->nelts; i++) {
        const nmdm_stuck_t *one = &APR_ARRAY_IDX(stuck, i, nmdm_stuck_t);
        nmdm_json_t *entry = nmdm_json_add_object(list, NULL);

        nmdm_json_add_string(entry, "id", one->id);
        nmdm_json_add_integer(entry, "tries", one->tries);
        if (*one->error) {
            nmdm_json_add_string(entry, "error", one->error);
        }
        add_time(entry, "not_after", p, one->not_after);
    }
}

static void add_issuers(nmdm_json_t *out, const nanomdm_status_t *status)
{
    const nmdm_identity_stats_t *stats = &status->db.counted.identities;
    nmdm_json_t *list = nmdm_json_add_array(out, "issuers");
    int i;

    for (i = 0; i < stats->nissuers; i++) {
        const char *sha256 = stats->issuers[i].sha256;
        const char *what = nanomdm_status_issuer(status, sha256);
        nmdm_json_t *entry = nmdm_json_add_object(list, NULL);

        nmdm_json_add_string(entry, "sha256", sha256);
        if (what) {
            nmdm_json_add_string(entry, "what", what);
        }
        add_amount(entry, "live", stats->issuers[i].live);
    }
}

static void add_identities(nmdm_json_t *out, apr_pool_t *p,
                           const nanomdm_status_t *status)
{
    const nmdm_db_stats_t *db = &status->db;
    const nmdm_identity_stats_t *stats = &db->counted.identities;
    nmdm_json_t *part, *ending;
    int i;

    if (!stats->is_known) {
        return;
    }
    part = nmdm_json_add_object(out, "identities");
    add_amount(part, "in_use", stats->in_use);
    ending = nmdm_json_add_object(part, "ending_within_days");
    for (i = 0; i < NMDM_IDENTITY_STATS_ENDS; i++) {
        add_amount(ending, apr_itoa(p, NMDM_IDENTITY_STATS_DAYS[i]),
                   stats->ending[i]);
    }
    add_issuers(part, status);
    part = nmdm_json_add_object(out, "scep_challenges");
    add_amount(part, "open", stats->open);
    add_amount(part, "used", stats->used);
    add_amount(part, "expired", stats->expired);
    part = nmdm_json_add_object(out, "identity_renewals");
    add_amount(part, "asked", stats->asked);
    add_amount(part, "stuck", stats->stuck);
    add_amount(part, "foreign", stats->foreign);
    add_stuck(part, p, db->stuck);
}

static void add_topics(nmdm_json_t *object, apr_pool_t *p,
                       const nanomdm_status_t *status)
{
    nmdm_json_t *list = nmdm_json_add_array(object, "push_certificates");
    int i;

    for (i = 0; i < status->db.topics->nelts; i++) {
        const nmdm_topic_t *topic = &APR_ARRAY_IDX(status->db.topics, i,
                                                   nmdm_topic_t);
        nmdm_json_t *entry = nmdm_json_add_object(list, NULL);

        nmdm_json_add_string(entry, "topic", topic->topic);
        add_time(entry, "not_after", p, topic->not_after);
    }
}

static void add_enrollments(nmdm_json_t *out, const nmdm_counted_t *counted)
{
    nmdm_json_t *part = nmdm_json_add_object(out, "enabled_enrollments");
    int i;

    for (i = 0; i < NMDM_DB_STATS_TYPES; i++) {
        add_amount(part, NMDM_DB_STATS_NAMES[i], counted->enabled[i]);
    }
    if (counted->estimate) {
        nmdm_json_add_integer(out, "enrollments_estimate",
                              counted->estimate);
    }
    add_amount(out, "pending_enrollments", counted->begun);
}

static void add_declarations(nmdm_json_t *out, const nmdm_db_stats_t *db)
{
    add_amount(out, "declarations", db->declarations);
    add_amount(out, "declaration_sets", db->declaration_sets);
    add_amount(out, "declarative_enrollments", db->declarative);
    add_amount(out, "declarations_in_sync", db->declaring_in_sync);
    add_amount(out, "declarations_waiting", db->declaring_waiting);
    add_amount(out, "enrollments_with_invalid_declarations",
               db->declaring_invalid);
    add_amount(out, "declaration_changes", db->changes);
    nmdm_json_add_integer(out, "oldest_declaration_change_seconds",
                          db->oldest_change);
}

static void add_database(nmdm_json_t *out, apr_pool_t *p,
                         const nanomdm_status_t *status)
{
    const nmdm_db_stats_t *db = &status->db;
    nmdm_json_t *part = nmdm_json_add_object(out, "database");

    nmdm_json_add_bool(part, "answers", !status->failure);
    if (status->failure) {
        nmdm_json_add_string(part, "error", status->failure);
        return;
    }
    nmdm_json_add_real(part, "latency_seconds", (double)db->latency / 1e6);
    add_enrollments(out, &db->counted);
    if (db->counted.has_queue) {
        add_amount(out, "pending_commands", db->counted.pending);
        add_time(out, "oldest_pending", p, db->counted.oldest_pending);
        add_amount(out, "silent_enrollments", db->counted.silent);
        add_amount(out, "put_off_enrollments", db->counted.put_off);
    }
    add_time(out, "counted_at", p, db->counted.counted_at);
    add_topics(out, p, status);
    add_amount(out, "refused_pushes", db->refused);
    if (db->has_declarations) {
        add_declarations(out, db);
    }
    if (db->has_outbox) {
        add_amount(out, "webhook_events_pending", db->events_pending);
        add_amount(out, "webhook_events_dead", db->events_dead);
    }
}

/* One value of a family, of this time and of the last hour. */
static void add_counter(nmdm_json_t *object, const char *key,
                        const nanomdm_status_t *status, nmdm_count_e family,
                        int value, int second)
{
    nmdm_json_t *part = nmdm_json_add_object(object, key);

    nmdm_json_add_integer(part, "total", (apr_int64_t)nmdm_counted(
        status->counters, family, value, second));
    nmdm_json_add_integer(part, "last_hour",
                          (apr_int64_t)nmdm_counted_lately(
                              status->counters, family, value, second,
                              status->now));
}

static void add_family(nmdm_json_t *counters, const nanomdm_status_t *status,
                       nmdm_count_e which)
{
    const nmdm_family_t *family = nmdm_count_family(which);
    nmdm_json_t *object, *part;
    int i, k;

    if (!family->key) {
        add_counter(counters, family->name, status, which, 0, 0);
        return;
    }
    object = nmdm_json_add_object(counters, family->name);
    for (i = 0; i < family->n; i++) {
        if (!family->second_key) {
            add_counter(object, family->values[i], status, which, i, 0);
            continue;
        }
        part = nmdm_json_add_object(object, family->values[i]);
        for (k = 0; k < family->seconds; k++) {
            add_counter(part, family->second_values[k], status, which, i, k);
        }
    }
}

nmdm_bytes_t nanomdm_status_json_server(apr_pool_t *p,
                                        const nanomdm_status_t *status)
{
    nmdm_json_t *out = nmdm_json_object(p), *part;
    int i;

    nmdm_json_add_string(out, "version", NMDM_VERSION);
    add_time(out, "time", p, status->now);
    add_time(out, "counting_since", p,
             nmdm_counters_since(status->counters));
    add_database(out, p, status);
    if (!status->failure) {
        add_identities(out, p, status);
    }
    part = nmdm_json_add_object(out, "seen_here");
    nmdm_json_add_integer(part, "last_hour", (apr_int64_t)nmdm_counters_seen(
        status->counters, NMDM_LAST_HOUR, status->now));
    nmdm_json_add_integer(part, "last_day", (apr_int64_t)nmdm_counters_seen(
        status->counters, NMDM_LAST_DAY, status->now));
    nmdm_json_add_integer(part, "identities_ending",
                          (apr_int64_t)nmdm_counters_seen(
                              status->counters, NMDM_ENDING_LAST_DAY,
                              status->now));
    part = nmdm_json_add_object(out, "counters");
    for (i = 0; i < NMDM_COUNT_FAMILIES; i++) {
        add_family(part, status, i);
    }
    return nmdm_json_write(p, out);
}

/* ---- One enrollment in JSON ---- */

static void add_text(nmdm_json_t *object, const char *key, const char *text)
{
    if (text) {
        nmdm_json_add_string(object, key, text);
    }
}

static void add_number(nmdm_json_t *object, const char *key,
                       const char *digits)
{
    nmdm_json_add_integer(object, key, digits ? apr_atoi64(digits) : 0);
}

static void add_who(nmdm_json_t *out, apr_pool_t *p,
                    const nmdm_timeline_t *one)
{
    const nmdm_enrollment_t *who = one->who;
    nmdm_json_t *part;

    nmdm_json_add_string(out, "id", who->id);
    nmdm_json_add_string(out, "device_id", who->device_id);
    if (!who->begun_at) {
        nmdm_json_add_string(out, "type", who->type);
    }
    nmdm_json_add_bool(out, "enabled", who->enabled);
    if (who->begun_at) {
        nmdm_json_add_bool(out, "pending", 1);
        add_time(out, "authenticate_at", p, who->begun_at);
    }
    add_number(out, "token_update_tally", who->tally);
    add_time(out, "last_seen", p, who->last_seen);
    part = nmdm_json_add_object(out, who->user_id ? "user" : "device");
    if (who->user_id) {
        add_text(part, "user_short_name", who->user_short_name);
        add_text(part, "user_long_name", who->user_long_name);
    }
    else {
        add_text(part, "serial_number", who->serial_number);
    }
    part = nmdm_json_add_object(out, "identity");
    add_time(part, "not_after", p, one->cert_not_after);
}

static void add_push(nmdm_json_t *out, apr_pool_t *p,
                     const nmdm_timeline_t *one)
{
    nmdm_json_t *part = nmdm_json_add_object(out, "push");
    const nmdm_last_push_t *push = &one->push;

    add_text(part, "topic", one->who->topic);
    if (push->found) {
        add_number(part, "status", push->status);
        add_text(part, "reason", push->reason);
        add_number(part, "tries", push->tries);
        add_time(part, "next_at", p, push->next_at);
        add_time(part, "pushed_at", p, push->pushed_at);
    }
}

static void add_queue(nmdm_json_t *out, apr_pool_t *p,
                      const nmdm_timeline_t *one)
{
    nmdm_json_t *part = nmdm_json_add_object(out, "queue"), *list, *entry;
    int i;

    nmdm_json_add_integer(part, "pending", one->pending.pending);
    if (one->pending.pending >= NMDM_QUERIES_MOST) {
        nmdm_json_add_bool(part, "or_more", 1);
    }
    nmdm_json_add_integer(part, "not_now", one->pending.not_now);
    add_time(part, "not_now_since", p, one->pending.not_now_since);
    list = nmdm_json_add_array(part, "commands");
    for (i = 0; i < one->queue->nelts; i++) {
        const nmdm_queued_t *q = &APR_ARRAY_IDX(one->queue, i,
                                                nmdm_queued_t);

        entry = nmdm_json_add_object(list, NULL);
        nmdm_json_add_string(entry, "command_uuid", q->uuid);
        add_text(entry, "request_type", q->request_type);
        add_text(entry, "status", q->status);
        add_time(entry, "created_at", p, q->created);
    }
}

nmdm_bytes_t nanomdm_status_json_enrollment(apr_pool_t *p,
                                            const nmdm_timeline_t *one)
{
    nmdm_json_t *out = nmdm_json_object(p), *list, *entry;
    int i;

    add_who(out, p, one);
    add_push(out, p, one);
    add_queue(out, p, one);
    list = nmdm_json_add_array(out, "moments");
    for (i = 0; i < one->entries->nelts && i < NMDM_QUERIES_PAGE; i++) {
        const nmdm_timeline_entry_t *m = &APR_ARRAY_IDX(one->entries, i,
                                                        nmdm_timeline_entry_t);

        entry = nmdm_json_add_object(list, NULL);
        add_time(entry, "time", p, m->at);
        nmdm_json_add_string(entry, "what", m->what);
        nmdm_json_add_string(entry, "about", m->about);
    }
    return nmdm_json_write(p, out);
}
