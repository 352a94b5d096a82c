/* SPDX-License-Identifier: Apache-2.0 */
/* status.c -- handler nanomdm-status: how things are, for people
 * (httpd/status_html.c), as JSON and for Prometheus
 * (httpd/status_prometheus.c). All three show one struct of figures. */

#include "httpd/status.h"
#include "api/enqueue.h"
#include "base/counters.h"
#include "base/time.h"
#include "base/version.h"
#include "codec/json.h"
#include "config/config.h"
#include "config/handlers.h"
#include "db/db.h"
#include "httpd/access.h"
#include "httpd/location.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "httpd/request_counters.h"
#include "httpd/status_html.h"
#include "httpd/status_prometheus.h"

#include <apr_network_io.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define TYPE_HTML "text/html; charset=utf-8"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

/* ---- Who may look ---- */

static int is_in(apr_sockaddr_t *address, apr_pool_t *p, const char *network,
                 const char *mask)
{
    apr_ipsubnet_t *subnet;

    return apr_ipsubnet_create(&subnet, network, mask, p) == APR_SUCCESS
        && apr_ipsubnet_test(subnet, address);
}

static int is_loopback(apr_sockaddr_t *address, apr_pool_t *p)
{
    return is_in(address, p, "127.0.0.0", "8") || is_in(address, p, "::1",
                                                        NULL);
}

/* By the connection itself. What a proxy on this host passes on comes from
 * anywhere; mod_remoteip knows from where, and takes the header away that said
 * so. */
static int is_from_here(request_rec *r)
{
    return is_loopback(r->connection->client_addr, r->pool)
        && is_loopback(r->useragent_addr, r->pool)
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

/* Without a database the rest is still worth a look. */
static void collect(request_rec *r, nmdm_ctx_t *ctx, nanomdm_status_t *status)
{
    nmdm_err_t *err = nmdm_api_db_stats(&status->db, ctx);

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
    const nmdm_db_stats_t *db = &status->db;
    nmdm_json_t *part = nmdm_json_add_object(out, "database");
    int i;

    nmdm_json_add_bool(part, "answers", !status->trouble);
    if (status->trouble) {
        nmdm_json_add_string(part, "error", status->trouble);
        return;
    }
    nmdm_json_add_real(part, "latency_seconds", (double)db->latency / 1e6);
    part = nmdm_json_add_object(out, "enabled_enrollments");
    for (i = 0; i < NMDM_DB_STATS_TYPES; i++) {
        add_amount(part, NMDM_DB_STATS_NAMES[i], db->counted.enabled[i]);
    }
    if (db->counted.estimate) {
        nmdm_json_add_integer(out, "enrollments_estimate",
                              db->counted.estimate);
    }
    if (db->counted.has_queue) {
        add_amount(out, "pending_commands", db->counted.pending);
        add_time(out, "oldest_pending", p, db->counted.oldest_pending);
        add_amount(out, "silent_enrollments", db->counted.silent);
        add_amount(out, "put_off_enrollments", db->counted.put_off);
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
    nmdm_json_add_string(out, "type", who->type);
    nmdm_json_add_bool(out, "enabled", who->enabled);
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

static nmdm_bytes_t write_json_of_one(apr_pool_t *p,
                                      const nmdm_timeline_t *one)
{
    nmdm_json_t *out = nmdm_json_object(p), *list, *entry;
    int i;

    add_who(out, p, one);
    add_push(out, p, one);
    add_queue(out, p, one);
    list = nmdm_json_add_array(out, "moments");
    for (i = 0; i < one->moments->nelts && i < NMDM_QUERIES_PAGE; i++) {
        const nmdm_timeline_entry_t *m = &APR_ARRAY_IDX(one->moments, i,
                                                        nmdm_timeline_entry_t);

        entry = nmdm_json_add_object(list, NULL);
        add_time(entry, "time", p, m->at);
        nmdm_json_add_string(entry, "what", m->what);
        nmdm_json_add_string(entry, "about", m->about);
    }
    return nmdm_json_write(p, out);
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
    nmdm_timeline_t one;
    nmdm_err_t *err = nmdm_api_timeline(&one, ctx, id);
    int status, as_json = nanomdm_parameter(r, "json") != NULL;

    if (as_json) {
        apr_table_setn(r->headers_out, "Cache-Control", "no-store");
        return err ? nanomdm_fail_json(r, ctx, err)
                   : answer(r, ctx, HTTP_OK, NMDM_TYPE_JSON,
                            write_json_of_one(r->pool, &one));
    }
    if (!err) {
        return answer(
            r, ctx, HTTP_OK, TYPE_HTML,
            nanomdm_status_html_enrollment(r->pool, &one, apr_time_now()));
    }
    status = nanomdm_status_of(err);
    nanomdm_log_error(r, ctx, err);
    return answer(r, ctx, status, TYPE_HTML,
                  nanomdm_status_html_problem(r->pool,
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
                      nanomdm_status_prometheus(r->pool, &status));
    }
    return answer(r, ctx, HTTP_OK, TYPE_HTML,
                  nanomdm_status_html_server(r->pool, &status));
}

int nanomdm_status_handler(request_rec *r)
{
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;
    int error;

    if (strcmp(r->handler, "nanomdm-status")) {
        return DECLINED;
    }
    error = nanomdm_access_error_before(r);
    if (error) {
        return nanomdm_plain(r, error, apr_pstrcat(
            r->pool, ap_get_status_line(error) + 4, "\n", NULL));
    }
    if (!nanomdm_access_is_vouched_for(r) && !is_from_here(r)) {
        return refuse(r);
    }
    if (nanomdm_location_is_below(r)) {
        return nanomdm_plain(r, HTTP_NOT_FOUND, "404 page not found\n");
    }
    if (r->method_number != M_GET) {    /* which HEAD is too */
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return nanomdm_plain(r, HTTP_METHOD_NOT_ALLOWED,
                             "Method Not Allowed\n");
    }
    err = nanomdm_context(&ctx, r);
    return err ? nanomdm_fail(r, ctx, err) : show(r, ctx);
}
