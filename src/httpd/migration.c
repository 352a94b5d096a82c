/* SPDX-License-Identifier: Apache-2.0 */
/* migration.c -- handlers nanomdm-migration and nanomdm-version. */

#include "httpd/migration.h"
#include "base/context.h"
#include "base/version.h"
#include "config/handlers.h"
#include "httpd/api.h"
#include "httpd/location.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "service/service.h"

#include <httpd.h>

#include <string.h>

/* Check-ins of another server's devices: no identity is asked for, because the
 * operator vouches for them (behaviour specification 6.7). */
int nanomdm_migration_handler(request_rec *r)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    nmdm_bytes_t body;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;
    int answer;

    if (strcmp(r->handler, "nanomdm-migration")) {
        return DECLINED;
    }
    if (nanomdm_api_is_refused(&answer, r)) {
        return answer;
    }
    if (nanomdm_is_below_path(r)) {
        return nanomdm_plain(r, HTTP_NOT_FOUND, "404 page not found\n");
    }
    err = nanomdm_context(&ctx, r);
    ctx->is_migration = 1;
    if (!err) {
        err = nanomdm_body_for_events(&body, ctx, r);
    }
    if (!err) {
        err = nmdm_service_checkin(ctx, &reply, body);
    }
    return err ? nanomdm_fail(r, ctx, err)
               : nanomdm_reply(r, ctx, &reply, HTTP_OK);
}

int nanomdm_version_handler(request_rec *r)
{
    static const char JSON[] = "{\"version\":\"" NMDM_VERSION "\"}";
    nmdm_reply_t reply = { NMDM_TYPE_JSON, { JSON, sizeof(JSON) - 1 },
                           NULL };

    if (strcmp(r->handler, "nanomdm-version")) {
        return DECLINED;
    }
    return nanomdm_reply(r, NULL, &reply, HTTP_OK);
}
