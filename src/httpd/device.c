/* SPDX-License-Identifier: Apache-2.0 */
/* device.c -- handlers nanomdm, nanomdm-checkin, nanomdm-command:
 * the URLs that devices ask. */

#include "httpd/device.h"
#include "config/handlers.h"
#include "httpd/identity.h"
#include "httpd/rate_limiter.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "httpd/traffic_dump.h"
#include "service/service.h"

#include <http_protocol.h>
#include <util_filter.h>

#include <string.h>

/* Of a client that is refused, what NanoMDMDump shows. */
#define SHOWN 65536

#define CHECKIN_TYPE "application/x-apple-aspen-mdm-checkin"

/* On one URL the Content-Type distinguishes a check-in from a report; on two,
 * the URL does (behaviour specification 1.4). */
static int is_checkin(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");

    if (!strcmp(r->handler, "nanomdm-checkin")) {
        return 1;
    }
    return !strcmp(r->handler, "nanomdm") && type
        && !strncasecmp(type, CHECKIN_TYPE, strlen(CHECKIN_TYPE));
}

/* Do not read the body of an unidentified or rate-limited client, unless
 * NanoMDMDump is on. Only a signature needs the body to be verified. */
static nmdm_err_t *admit_and_read(nmdm_bytes_t *body, nmdm_ctx_t *ctx,
                                  request_rec *r)
{
    nmdm_err_t *err = nanomdm_identity(ctx, r, NULL), *unread = NULL;

    if (!err && ctx->cert) {
        err = nanomdm_rate_limiter_check(ctx, r);
    }
    if (err && nanomdm_traffic_dump_is_on(r)) {
        unread = nanomdm_body_of(body, r, SHOWN);
    }
    if (unread && unread->rv == AP_FILTER_ERROR) {
        return unread;          /* httpd's filters have answered */
    }
    NMDM_TRY(err);
    NMDM_TRY(nanomdm_body_for_events(body, ctx, r));
    if (ctx->cert) {
        return NULL;
    }
    NMDM_TRY(nanomdm_identity(ctx, r, body));
    return nanomdm_rate_limiter_check(ctx, r);
}

int nanomdm_device_handler(request_rec *r)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    nmdm_bytes_t body;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;

    if (!nanomdm_is_device_handler(r->handler)) {
        return DECLINED;
    }
    if (nanomdm_is_below_path(r)) {
        return nanomdm_plain(r, HTTP_NOT_FOUND, "404 page not found\n");
    }
    err = nanomdm_context(&ctx, r);
    if (!err) {
        err = admit_and_read(&body, ctx, r);
    }
    if (!err) {
        err = is_checkin(r) ? nmdm_service_checkin(ctx, &reply, body)
                            : nmdm_service_report(ctx, &reply, body);
    }
    return err ? nanomdm_fail(r, ctx, err)
               : nanomdm_reply(r, ctx, &reply, HTTP_OK);
}
