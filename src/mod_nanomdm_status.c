/* SPDX-License-Identifier: Apache-2.0 */
/* mod_nanomdm_status.c -- handler nanomdm-status: how things are, for people
 * (mod_nanomdm_page.c), as JSON and for Prometheus. All three show one struct
 * of figures. */

#include "mod_nanomdm.h"
#include "nmdm_admin.h"
#include "nmdm_count.h"
#include "nmdm_db.h"
#include "nmdm_json.h"
#include "nmdm_time.h"

#include <apr_network_io.h>
#include <apr_strings.h>
#include <http_protocol.h>

#include <stdarg.h>
#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define TYPE_HTML "text/html; charset=utf-8"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define U64 "%" APR_UINT64_T_FMT
#define I64 "%" APR_INT64_T_FMT

/* ---- Who may look ---- */

static int is_in(request_rec *r, const char *network, const char *mask)
{
    apr_ipsubnet_t *subnet;

    return apr_ipsubnet_create(&subnet, network, mask, r->pool) == APR_SUCCESS
        && apr_ipsubnet_test(subnet, r->connection->client_addr);
}

/* By the connection itself. What a proxy on this host passes on comes from
 * anywhere. */
static int is_from_here(request_rec *r)
{
    return (is_in(r, "127.0.0.0", "8") || is_in(r, "::1", NULL))
        && !apr_table_get(r->headers_in, "X-Forwarded-For")
        && !apr_table_get(r->headers_in, "Forwarded")
        && !apr_table_get(r->headers_in, "Via");
}

static int refuse(request_rec *r)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, NMDMNO(1902)
                  "-: %s: refused, because no authentication vouched for the"
                  " request and it does not come from this host; write for"
                  " this Location: AuthType Basic, AuthName nanomdm,"
                  " AuthBasicProvider nanomdm, Require valid-user", r->uri);
    return nanomdm_plain(r, HTTP_FORBIDDEN, "no authentication is configured"
                                            " for this URL\n");
}

/* ---- The figures ---- */

nmdm_amount_t nanomdm_status_enrolled(const nanomdm_status_t *status)
{
    nmdm_amount_t all = { 0, 0 };
    int i;

    for (i = 0; i < NMDM_FIGURES_TYPES; i++) {
        all.number += status->db.counted.enabled[i].number;
        all.is_least |= status->db.counted.enabled[i].is_least;
    }
    return all;
}

/* Without a database the rest is still worth a look. */
static void collect(request_rec *r, nmdm_ctx_t *ctx, nanomdm_status_t *status)
{
    nmdm_err_t *err = nmdm_figures(&status->db, ctx);

    nmdm_db_release(ctx);
    status->now = apr_time_now();
    status->counters = nanomdm_counters();
    nmdm_counters_tick(status->counters, status->now);
    if (err) {
        nanomdm_log_error(r, ctx, err);
        status->trouble = nmdm_err_text(err);
    }
}

/* ---- JSON ---- */

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

static void add_database(nmdm_json_t *out, apr_pool_t *p,
                         const nanomdm_status_t *status)
{
    const nmdm_figures_t *db = &status->db;
    nmdm_json_t *part = nmdm_json_add_object(out, "database");
    int i;

    nmdm_json_add_bool(part, "answers", !status->trouble);
    if (status->trouble) {
        nmdm_json_add_string(part, "error", status->trouble);
        return;
    }
    nmdm_json_add_real(part, "latency_seconds", (double)db->latency / 1e6);
    part = nmdm_json_add_object(out, "enabled_enrollments");
    for (i = 0; i < NMDM_FIGURES_TYPES; i++) {
        add_amount(part, NMDM_FIGURES_NAMES[i], db->counted.enabled[i]);
    }
    if (db->counted.has_queue) {
        add_amount(out, "pending_commands", db->counted.pending);
        add_time(out, "oldest_pending", p, db->counted.oldest_pending);
    }
    add_time(out, "counted_at", p, db->counted.counted_at);
    add_topics(out, p, status);
    add_amount(out, "refused_pushes", db->refused);
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

static nmdm_bytes_t write_json(apr_pool_t *p, const nanomdm_status_t *status)
{
    nmdm_json_t *out = nmdm_json_object(p), *part;
    int i;

    nmdm_json_add_string(out, "version", NMDM_VERSION);
    add_time(out, "time", p, status->now);
    add_time(out, "counting_since", p,
             nmdm_counters_since(status->counters));
    add_database(out, p, status);
    part = nmdm_json_add_object(out, "seen_here");
    nmdm_json_add_integer(part, "last_hour", (apr_int64_t)nmdm_counters_seen(
        status->counters, NMDM_LAST_HOUR, status->now));
    nmdm_json_add_integer(part, "last_day", (apr_int64_t)nmdm_counters_seen(
        status->counters, NMDM_LAST_DAY, status->now));
    part = nmdm_json_add_object(out, "counters");
    for (i = 0; i < NMDM_COUNT_FAMILIES; i++) {
        add_family(part, status, i);
    }
    return nmdm_json_write(p, out);
}

/* ---- Prometheus ---- */

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

/* Of a label: topics come from certificates. */
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

static void put_database(sheet_t *sheet, const nanomdm_status_t *status)
{
    const nmdm_figures_t *db = &status->db;
    apr_time_t oldest = db->counted.oldest_pending;
    int i;

    put_gauge(sheet, "database_up", "Whether the database answers.",
              !status->trouble);
    if (status->trouble) {
        return;
    }
    put_head(sheet, "database_latency_seconds", "gauge",
             "What a trivial statement took.");
    put(sheet, "nanomdm_database_latency_seconds %d.%06d\n",
        (int)apr_time_sec(db->latency), (int)apr_time_usec(db->latency));
    put_head(sheet, "enrollments", "gauge", "Enabled enrollments, of the"
             " first 10000 of each type.");
    for (i = 0; i < NMDM_FIGURES_TYPES; i++) {
        put(sheet, "nanomdm_enrollments{type=\"%s\"} " I64 "\n",
            NMDM_FIGURES_NAMES[i], db->counted.enabled[i].number);
    }
    if (db->counted.has_queue) {
        put_gauge(sheet, "pending_commands", "Commands that wait, counted to"
                  " 10000.", db->counted.pending.number);
        put_gauge(sheet, "oldest_pending_seconds", "Age of the oldest of"
                  " these.", oldest ? apr_time_sec(status->now - oldest) : 0);
    }
    put_gauge(sheet, "refused_pushes", "Enrollments whose last push APNs"
              " refused, counted to 1000.", db->refused.number);
    if (db->has_outbox) {
        put_gauge(sheet, "webhook_events_pending", "Durable events that"
                  " wait, counted to 1000.", db->events_pending.number);
        put_gauge(sheet, "webhook_events_dead", "Durable events given up,"
                  " counted to 1000.", db->events_dead.number);
    }
    put_certificates(sheet, status);
}

static nmdm_bytes_t write_prometheus(apr_pool_t *p,
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
    for (i = 0; i < NMDM_COUNT_DURATION; i++) {
        put_counters(&sheet, status, i);
    }
    put_durations(&sheet, status);
    bytes.data = apr_array_pstrcat(p, sheet.lines, 0);
    bytes.len = strlen(bytes.data);
    return bytes;
}

/* ---- The handler ---- */

static int answer(request_rec *r, nmdm_ctx_t *ctx, int status,
                  const char *type, nmdm_bytes_t body)
{
    nmdm_reply_t reply = { type, body, NULL };

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    if (!strcmp(type, TYPE_HTML)) {
        apr_table_setn(r->headers_out, "Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline';"
                       " form-action 'self'; frame-ancestors 'none';"
                       " base-uri 'none'");
        apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
    }
    return nanomdm_reply(r, ctx, &reply, status);
}

static int show_one(request_rec *r, nmdm_ctx_t *ctx, const char *id)
{
    nmdm_portrait_t one;
    nmdm_err_t *err = nmdm_portrait(&one, ctx, id);
    int status;

    if (!err) {
        return answer(r, ctx, HTTP_OK, TYPE_HTML,
                      nanomdm_page_of_one(r->pool, &one, apr_time_now()));
    }
    status = nanomdm_status_of(err);
    nanomdm_log_error(r, ctx, err);
    return answer(r, ctx, status, TYPE_HTML,
                  nanomdm_page_of_problem(r->pool,
                                          ap_get_status_line(status),
                                          nmdm_err_text(err)));
}

static int show(request_rec *r, nmdm_ctx_t *ctx)
{
    nanomdm_status_t status = { 0 };
    const char *id = nanomdm_parameter(r, "id");

    if (id && *id) {
        return show_one(r, ctx, id);
    }
    collect(r, ctx, &status);
    if (nanomdm_parameter(r, "json")) {
        return answer(r, ctx, HTTP_OK, NMDM_TYPE_JSON,
                      write_json(r->pool, &status));
    }
    if (nanomdm_parameter(r, "prometheus")) {
        return answer(r, ctx, HTTP_OK, TYPE_PROMETHEUS,
                      write_prometheus(r->pool, &status));
    }
    return answer(r, ctx, HTTP_OK, TYPE_HTML,
                  nanomdm_page_of_server(r->pool, &status));
}

int nanomdm_status_handler(request_rec *r)
{
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;

    if (strcmp(r->handler, "nanomdm-status")) {
        return DECLINED;
    }
    if (!r->user && !is_from_here(r)) {
        return refuse(r);
    }
    if (r->method_number != M_GET) {    /* which HEAD is too */
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return nanomdm_plain(r, HTTP_METHOD_NOT_ALLOWED,
                             "Method Not Allowed\n");
    }
    err = nanomdm_context(&ctx, r);
    return err ? nanomdm_fail(r, ctx, err) : show(r, ctx);
}
