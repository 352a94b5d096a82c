/* SPDX-License-Identifier: Apache-2.0 */
/* site.c -- what a site gives to those who work for it. */

#include "httpd/site.h"
#include "config/config.h"
#include "httpd/log.h"

#include <http_log.h>

APLOG_USE_MODULE(nanomdm);

static void log_remark(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line)
{
    ap_log_error(APLOG_MARK, nanomdm_log_level(level), 0,
                 ((nanomdm_site_t *)ctx->log_baton)->server, "%s", line);
}

nmdm_ctx_t *nanomdm_site_context(nanomdm_site_t *site, apr_pool_t *p)
{
    nmdm_ctx_t *ctx = apr_pcalloc(p, sizeof(*ctx));

    ctx->pool = p;
    ctx->policy = &site->policy;
    ctx->services = &site->services;
    ctx->trace_id = "";
    ctx->now = apr_time_now();
    ctx->access_log = (nmdm_access_log_t){ "", "", "", "", "", "" };
    ctx->log = log_remark;
    ctx->log_baton = site;
    ctx->wants_debug = APLOG_IS_LEVEL(site->server, APLOG_DEBUG);
    return ctx;
}
