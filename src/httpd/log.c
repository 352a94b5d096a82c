/* SPDX-License-Identifier: Apache-2.0 */
/* log.c -- errors and remarks in the log of httpd. */

#include "httpd/log.h"
#include "config/config.h"

#include <http_log.h>

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

void nanomdm_log_error(request_rec *r, const nmdm_ctx_t *ctx,
                       const nmdm_err_t *err)
{
    ap_log_rerror(APLOG_MARK, KINDS[err->kind].level, err->rv, r,
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
    ap_log_rerror(APLOG_MARK, nanomdm_log_level(level), 0,
                  (request_rec *)ctx->log_baton, "%s", line);
}
