/* SPDX-License-Identifier: Apache-2.0 */
/* scep.c -- handler nanomdm-scep: the URL that devices ask for an identity
 * (RFC 8894 section 4). Clients have no credentials yet. */

#include "httpd/scep.h"
#include "base/counters.h"
#include "config/handlers.h"
#include "config/scep.h"
#include "httpd/rate_limiter.h"
#include "httpd/reply.h"
#include "httpd/request.h"

#include <http_protocol.h>

#include <string.h>

static int refuse_method(request_rec *r, const char *allowed)
{
    apr_table_setn(r->headers_out, "Allow", allowed);
    return nanomdm_plain(r, HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed\n");
}

/* The body of a POST whatever else is there, else the parameter of the URL. */
static nmdm_err_t *read_message(nmdm_bytes_t *message, request_rec *r)
{
    const char *text;

    if (r->method_number == M_POST) {
        return nanomdm_body_of(message, r, NMDM_SCEP_LONGEST);
    }
    text = nanomdm_parameter(r, "message");
    return text && nmdm_scep_decode(message, r->pool, text) ? NULL
        : nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(2210)
                   "PKIOperation by GET needs a message in base64");
}

static nmdm_err_t *operate(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                           request_rec *r, nmdm_reply_t *reply)
{
    nmdm_bytes_t message;
    nmdm_err_t *err;

    NMDM_TRY(nanomdm_rate_limiter_check_client(ctx, r));
    NMDM_TRY(read_message(&message, r));
    err = nmdm_scep_operation(ctx, conf, reply, message);
    if (err && err->kind == NMDM_INVALID) {
        nmdm_count(ctx->services->counters, NMDM_COUNT_SCEP, "unreadable",
                   NULL, 1);
    }
    return err;
}

static nmdm_err_t *answer(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                          request_rec *r, nmdm_reply_t *reply)
{
    const char *operation = nanomdm_parameter(r, "operation");

    if (operation && !strcmp(operation, "GetCACaps")) {
        nmdm_scep_capabilities(reply);
        return NULL;
    }
    if (operation && !strcmp(operation, "GetCACert")) {
        return nmdm_scep_ca_certs(ctx, conf, reply);
    }
    if (operation && !strcmp(operation, "PKIOperation") && !r->header_only) {
        return operate(ctx, conf, r, reply);
    }
    return nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(2211)
                    "SCEP: the operation is none of GetCACaps, GetCACert and"
                    " PKIOperation");
}

int nanomdm_scep_handler(request_rec *r)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    nmdm_scep_conf_t *conf;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;

    if (strcmp(r->handler, "nanomdm-scep")) {
        return DECLINED;
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (nanomdm_is_below_path(r)) {
        return nanomdm_plain(r, HTTP_NOT_FOUND, "404 page not found\n");
    }
    if (r->method_number != M_GET && r->method_number != M_POST) {
        return refuse_method(r, "GET, HEAD, POST");
    }
    err = nanomdm_context(&ctx, r);
    conf = nanomdm_scep_conf(r->pool, nanomdm_conf(r),
                             nanomdm_server(r->server)->scep_keys);
    if (!err && !conf) {
        err = nmdm_err(r->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(2212)
                       "-: no issuer for this server: the handler nanomdm-scep"
                       " has to be named by SetHandler");
    }
    if (!err) {
        conf->client = r->useragent_ip;
        err = answer(ctx, conf, r, &reply);
    }
    return err ? nanomdm_fail(r, ctx, err)
              : nanomdm_reply(r, ctx, &reply, HTTP_OK);
}
