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
#include "config/scep.h"
#include "db/db.h"
#include "httpd/access.h"
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
    nmdm_counters_tick(status->counters, status->now);
    if (err) {
        nanomdm_log_error(r, ctx, err);
        status->trouble = nmdm_err_text(err);
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

static int show_one(request_rec *r, nmdm_ctx_t *ctx, const char *id)
{
    nmdm_timeline_t one;
    nmdm_err_t *err = nmdm_api_timeline(&one, ctx, id);
    int status, as_json = nanomdm_parameter(r, "json") != NULL;

    if (as_json) {
        apr_table_setn(r->headers_out, "Cache-Control", "no-store");
        return err ? nanomdm_fail_json(r, ctx, err)
                   : answer(r, ctx, HTTP_OK, NMDM_TYPE_JSON,
                            nanomdm_status_json_enrollment(r->pool, &one));
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
                      nanomdm_status_json_server(r->pool, &status));
    }
    if (nanomdm_parameter(r, "prometheus")) {
        return answer(r, ctx, HTTP_OK, TYPE_PROMETHEUS,
                      nanomdm_status_prometheus(r->pool, &status));
    }
    /* Figures are of now. */
    apr_table_setn(r->headers_out, "Refresh", "60");
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
    if (r->args && !strcmp(r->args, "health")) {
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
