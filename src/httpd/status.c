/* SPDX-License-Identifier: Apache-2.0 */
/* status.c -- handler nanomdm-status: how things are, for people
 * (httpd/status_html.c), as JSON and for Prometheus
 * (httpd/status_prometheus.c). All three show one struct of figures. */

#include "httpd/status.h"
#include "api/enqueue.h"
#include "api/enrollment_list.h"
#include "api/events.h"
#include "base/text.h"
#include "base/counters.h"
#include "base/time.h"
#include "base/version.h"
#include "codec/json.h"
#include "config/config.h"
#include "config/handlers.h"
#include "config/scep.h"
#include "db/db.h"
#include "httpd/access.h"
#include "httpd/devices_html.h"
#include "httpd/events_html.h"
#include "httpd/health.h"
#include "httpd/location.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "httpd/request_counters.h"
#include "httpd/status_html.h"
#include "httpd/status_json.h"
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

/* By the connection itself. A proxy on this host passes on requests from
 * anywhere; mod_remoteip knows their source, and removes the header that named
 * it. */
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
    const nanomdm_scep_keys_t *keys = nanomdm_server(r->server)->scep_keys;
    nmdm_err_t *err = nmdm_api_db_stats(&status->db, ctx);

    if (keys) {
        status->issuer = keys->issuer->cert.sha256;
        status->former = keys->former ? keys->former->cert.sha256 : NULL;
    }
    nmdm_db_release(ctx);
    status->now = apr_time_now();
    status->counters = nanomdm_counters(r->server);
    if (!err && status->db.counted.has_queue) {
        nmdm_counters_note_depth(status->counters,
                                 status->db.counted.pending.number,
                                 status->db.counted.counted_at);
    }
    nmdm_counters_tick(status->counters, status->now);
    if (err) {
        nanomdm_log_error(r, ctx, err);
        status->failure = nmdm_err_text(err);
    }
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

/* Figures are of now. */
static void look_again(request_rec *r)
{
    apr_table_setn(r->headers_out, "Refresh", "60");
}

static int show_problem(request_rec *r, nmdm_ctx_t *ctx, nmdm_err_t *err)
{
    int status = nanomdm_status_of(err);

    nanomdm_log_error(r, ctx, err);
    return answer(r, ctx, status, TYPE_HTML,
                  nanomdm_status_html_problem(r->pool,
                                              ap_get_status_line(status),
                                              nmdm_err_text(err)));
}

static int show_one(request_rec *r, nmdm_ctx_t *ctx, const char *id)
{
    nmdm_timeline_t one;
    nmdm_err_t *err = nmdm_api_timeline(&one, ctx, id);

    if (nanomdm_parameter(r, "json")) {
        apr_table_setn(r->headers_out, "Cache-Control", "no-store");
        return err ? nanomdm_fail_json(r, ctx, err)
                   : answer(r, ctx, HTTP_OK, NMDM_TYPE_JSON,
                            nanomdm_status_json_enrollment(r->pool, &one));
    }
    if (err) {
        return show_problem(r, ctx, err);
    }
    look_again(r);
    return answer(r, ctx, HTTP_OK, TYPE_HTML,
                  nanomdm_status_html_enrollment(
                      r->pool, &one, nanomdm_server(r->server)->api_path,
                      apr_time_now()));
}

/* ---- Lists ---- */

/* One that is found alone is shown. What is no text finds nothing, and is not
 * repeated on the page. */
static int show_found(request_rec *r, nmdm_ctx_t *ctx, const char *text)
{
    nmdm_api_enrollment_list_t list;
    nmdm_err_t *err;

    text = nmdm_utf8_valid(text, strlen(text)) ? text : "";
    err = nmdm_api_enrollment_list_search(&list, ctx, text);
    if (err) {
        return show_problem(r, ctx, err);
    }
    if (list.rows->nelts == 1) {
        return show_one(r, ctx, APR_ARRAY_IDX(list.rows, 0,
                                              nmdm_enrollment_t).id);
    }
    return answer(r, ctx, HTTP_OK, TYPE_HTML,
                  nanomdm_devices_html_found(r->pool, &list, text,
                                             apr_time_now()));
}

/* What is no text begins the list. */
static const char *place_of(request_rec *r)
{
    const char *after = nanomdm_parameter(r, "after");

    return after && nmdm_utf8_valid(after, strlen(after)) ? after : "";
}

static int show_devices(request_rec *r, nmdm_ctx_t *ctx)
{
    nmdm_api_enrollment_list_query_t query = {
        nanomdm_devices_html_type(nanomdm_parameter(r, "type")),
        nanomdm_devices_html_state(nanomdm_parameter(r, "state")),
        place_of(r)
    };
    nmdm_api_enrollment_list_t list;
    nmdm_err_t *err = nmdm_api_enrollment_list(&list, ctx, &query);

    return err ? show_problem(r, ctx, err)
               : answer(r, ctx, HTTP_OK, TYPE_HTML,
                        nanomdm_devices_html(r->pool, &list, &query,
                                             apr_time_now()));
}

static int show_events(request_rec *r, nmdm_ctx_t *ctx, const char *state)
{
    int dead = strcmp(state, "pending") != 0;
    nmdm_api_events_page_t page;
    nmdm_err_t *err = nmdm_api_events_page(&page, ctx, dead,
                                           nanomdm_parameter(r, "after"));

    if (err) {
        return show_problem(r, ctx, err);
    }
    look_again(r);
    return answer(r, ctx, HTTP_OK, TYPE_HTML,
                  nanomdm_events_html(r->pool, &page, dead, apr_time_now()));
}

/* ---- All of them ---- */

static int show_server(request_rec *r, nmdm_ctx_t *ctx)
{
    nanomdm_status_t status = { 0 };

    collect(r, ctx, &status);
    if (nanomdm_parameter(r, "json")) {
        return answer(r, ctx, HTTP_OK, NMDM_TYPE_JSON,
                      nanomdm_status_json_server(r->pool, &status));
    }
    if (nanomdm_parameter(r, "prometheus")) {
        return answer(r, ctx, HTTP_OK, TYPE_PROMETHEUS,
                      nanomdm_status_prometheus(r->pool, &status));
    }
    look_again(r);
    return answer(r, ctx, HTTP_OK, TYPE_HTML,
                  nanomdm_status_html_server(r->pool, &status));
}

static int show(request_rec *r, nmdm_ctx_t *ctx)
{
    const char *id = nanomdm_parameter(r, "id");
    const char *text = nanomdm_parameter(r, "q");
    const char *events = nanomdm_parameter(r, "events");

    return id && *id ? show_one(r, ctx, id)
        : text ? show_found(r, ctx, text)
        : events ? show_events(r, ctx, events)
        : nanomdm_parameter(r, "devices") ? show_devices(r, ctx)
                                          : show_server(r, ctx);
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
    if (nanomdm_parameter(r, "health") && !nanomdm_location_is_below(r)) {
        return nanomdm_health_answer(r);
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
