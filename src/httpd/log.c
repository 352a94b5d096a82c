/* SPDX-License-Identifier: Apache-2.0 */
/* log.c -- errors and remarks in the log of httpd. */

#include "httpd/log.h"
#include "config/config.h"
#include "config/handlers.h"
#include "httpd/shared_memory.h"

#include <apr_atomic.h>
#include <http_config.h>
#include <http_log.h>

#include <stdlib.h>
#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* No kind becomes 401 or 403: a device would take either as the end of its
 * enrollment (behaviour specification 1.10). */
static const struct {
    int status;
    int level;
} KINDS[] = {
    [NMDM_INVALID] = { HTTP_BAD_REQUEST, APLOG_INFO },
    [NMDM_REFUSED] = { HTTP_INTERNAL_SERVER_ERROR, APLOG_INFO },
    [NMDM_GONE] = { HTTP_GONE, APLOG_INFO },
    [NMDM_TOO_LARGE] = { HTTP_REQUEST_ENTITY_TOO_LARGE, APLOG_INFO },
    [NMDM_NOT_FOUND] = { HTTP_NOT_FOUND, APLOG_INFO },
    [NMDM_UPSTREAM] = { HTTP_INTERNAL_SERVER_ERROR, APLOG_WARNING },
    [NMDM_UNAVAILABLE] = { HTTP_SERVICE_UNAVAILABLE, APLOG_ERR },
    [NMDM_LIMITED] = { HTTP_SERVICE_UNAVAILABLE, APLOG_DEBUG },
    [NMDM_INTERNAL] = { HTTP_INTERNAL_SERVER_ERROR, APLOG_ERR },
};

int nanomdm_status_of(const nmdm_err_t *err)
{
    return KINDS[err->kind].status;
}

/* ---- The first refusal of a minute ---- */

#define MAX_TAGS 4096

/* By tag, in seconds since 1970: when it was last at level notice. Shared by
 * all children, atomic. */
static apr_uint32_t *noticed;

static int find_memory(apr_pool_t *pconf, apr_pool_t *plog,
                       apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    (void)ptemp;
    noticed = nanomdm_shared_memory(pconf, s, "notices",
                                    MAX_TAGS * sizeof(*noticed), NULL);
    return OK;
}

void nanomdm_log_hooks(void)
{
    ap_hook_post_config(find_memory, NULL, NULL, APR_HOOK_MIDDLE);
}

int nanomdm_log_is_first_of_a_minute(int tag, apr_time_t when)
{
    apr_uint32_t now = (apr_uint32_t)apr_time_sec(when);
    apr_uint32_t *last, before;

    if (!noticed || tag <= 0 || tag >= MAX_TAGS) {
        return 0;
    }
    last = &noticed[tag];
    before = apr_atomic_read32(last);
    /* A clock that was set back is a new minute too. */
    return (now >= before + 60 || now + 60 < before)
        && apr_atomic_cas32(last, now, before) == before;
}

/* LogLevel warn, which is common, still shows level notice: so an
 * administrator sees that devices are refused and why, and strangers do not
 * fill the log. */
static int level_of(const request_rec *r, const nmdm_err_t *err)
{
    int is_refusal = err->kind == NMDM_INVALID || err->kind == NMDM_REFUSED
        || err->kind == NMDM_TOO_LARGE;

    if (err->is_repeated) {
        return APLOG_DEBUG;
    }
    return is_refusal && nanomdm_is_device_handler(r->handler)
        && nanomdm_log_is_first_of_a_minute(atoi(err->msg + strlen("NMDM")),
                                            r->request_time)
        ? APLOG_NOTICE : KINDS[err->kind].level;
}

void nanomdm_log_error(request_rec *r, const nmdm_ctx_t *ctx,
                       const nmdm_err_t *err)
{
    int level = level_of(r, err);       /* the macro asks more than once */

    ap_log_rerror(APLOG_MARK, level, err->rv, r,
                  ctx ? "%s [trace %s]" : "%s%s", err->msg,
                  ctx ? ctx->trace_id : "");
}

int nanomdm_log_level(nmdm_log_e level)
{
    static const int LEVELS[] = {
        [NMDM_LOG_ERROR] = APLOG_ERR, [NMDM_LOG_WARNING] = APLOG_WARNING,
        [NMDM_LOG_NOTICE] = APLOG_NOTICE,
        [NMDM_LOG_INFO] = APLOG_INFO, [NMDM_LOG_DEBUG] = APLOG_DEBUG
    };

    return LEVELS[level];
}

void nanomdm_log_remark(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line)
{
    request_rec *r = ctx->log_baton;
    int is_operators = r->user && r->handler
        && !nanomdm_is_device_handler(r->handler);

    ap_log_rerror(APLOG_MARK, nanomdm_log_level(level), 0, r, "%s%s%s", line,
                  is_operators ? " by " : "", is_operators ? r->user : "");
}
