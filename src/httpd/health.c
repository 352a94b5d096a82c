/* SPDX-License-Identifier: Apache-2.0 */
/* health.c -- whether this server can serve devices now, for a balancer that
 * asks every few seconds. */

#include "httpd/health.h"
#include "db/db.h"
#include "httpd/log.h"
#include "httpd/reply.h"
#include "httpd/request.h"
#include "storage/enrollment_queries.h"

#include <ap_mpm.h>
#include <apr_strings.h>

#include <string.h>

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_enrollment_queries_is_enrolled(ctx, baton, "");
}

static int is_stopping(void)
{
    int state = 0;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
        && state == AP_MPMQ_STOPPING;
}

static int answer(request_rec *r, nmdm_ctx_t *ctx, int status,
                  const char *word)
{
    nmdm_reply_t reply = { "text/plain; charset=utf-8",
                           { apr_pstrcat(r->pool, word, "\n", NULL), 0 },
                           NULL };

    reply.body.len = strlen(reply.body.data);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    return nanomdm_reply(r, ctx, &reply, status);
}

int nanomdm_health_answer(request_rec *r)
{
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;
    int yes;

    if (is_stopping()) {
        return answer(r, NULL, HTTP_SERVICE_UNAVAILABLE, "stopping");
    }
    err = nanomdm_context(&ctx, r);
    if (!err) {
        err = nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, &yes);
    }
    if (!err) {
        return answer(r, ctx, HTTP_OK, "ok");
    }
    nanomdm_log_error(r, ctx, err);
    /* Tags of the hundred 08 are of db/schema.c. */
    return answer(r, ctx, HTTP_SERVICE_UNAVAILABLE,
                  strncmp(err->msg, "NMDM08", 6) ? "database" : "schema");
}

int nanomdm_health_handler(request_rec *r)
{
    return strcmp(r->handler, "nanomdm-health") ? DECLINED
                                                : nanomdm_health_answer(r);
}
