/* SPDX-License-Identifier: Apache-2.0 */
/* rate_limiter.c -- NanoMDMRateLimit: how often a device may come. */

#include "httpd/mod_nanomdm.h"
#include "base/counters.h"
#include "base/rate_limit.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* More of one device would be no limit. */
#define MAX_RATE 1000
#define MAX_BURST 100000

static nmdm_rate_limits_t *shared;

/* ---- The directive ---- */

static apr_interval_time_t unit_of(const char *name)
{
    return !strcmp(name, "/s") ? APR_USEC_PER_SEC
        : !strcmp(name, "/m") ? 60 * APR_USEC_PER_SEC
        : !strcmp(name, "/h") ? 3600 * APR_USEC_PER_SEC : 0;
}

/* A number from 1 to `most`, and what follows it; 0 when there is none. */
static int number_of(const char *word, char **end, int most)
{
    apr_int64_t number = apr_isdigit(*word) ? apr_strtoi64(word, end, 10) : 0;

    return number >= 1 && number <= most ? (int)number : 0;
}

const char *nanomdm_set_rate_limit(cmd_parms *cmd, void *conf,
                                   const char *rate, const char *burst)
{
    nmdm_rate_limit_t *limit = apr_pcalloc(cmd->pool, sizeof(*limit));
    char *end = NULL;
    int number = number_of(rate, &end, MAX_RATE);
    apr_interval_time_t unit = number ? unit_of(end) : 0;

    ((nanomdm_conf_t *)conf)->rate_limit = limit;
    limit->text = "Off";
    if (!strcasecmp(rate, "Off")) {
        return burst ? nanomdm_wrong(cmd, burst,
                                     "Off takes no BURST; leave that out")
                     : NULL;
    }
    if (!unit) {
        return nanomdm_wrong(cmd, rate,
                             "write Off, or requests per second, minute or"
                             " hour, such as 10/s or 60/m: a number from 1 to"
                             " 1000, then /s, /m or /h");
    }
    limit->each = unit / number;
    limit->burst = number;
    if (burst) {
        limit->burst = number_of(burst, &end, MAX_BURST);
        if (!limit->burst || *end) {
            return nanomdm_wrong(cmd, burst,
                                 "write how many requests may come at once,"
                                 " from 1 to 100000");
        }
    }
    limit->text = apr_psprintf(cmd->pool, "%s %d", rate, limit->burst);
    return NULL;
}

const char *nanomdm_rate_limit_text(const nanomdm_conf_t *conf)
{
    const nmdm_rate_limit_t *limit = conf->rate_limit;

    return limit ? limit->text : "Off";
}

/* ---- The memory ---- */

/* One and a half megabytes, whether or not a limit is written. */
static int find_memory(apr_pool_t *pconf, apr_pool_t *plog,
                       apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    (void)ptemp;
    shared = nanomdm_shared_memory(pconf, s, "limits", nmdm_rate_limits_size(),
                                   NULL);
    return OK;
}

void nanomdm_rate_limiter_hooks(void)
{
    ap_hook_post_config(find_memory, NULL, NULL, APR_HOOK_MIDDLE);
}

/* ---- Each request ---- */

/* By the certificate alone: it is all that is proved. The id in a message is
 * what a device says, so it neither makes a bucket nor empties another's. */
nmdm_err_t *nanomdm_rate_limiter_check(nmdm_ctx_t *ctx, request_rec *r)
{
    const nmdm_rate_limit_t *limit = nanomdm_conf(r)->rate_limit;
    apr_interval_time_t wait;
    int is_news;

    if (!limit || nmdm_rate_limits_take(shared, &wait, &is_news,
                                        ctx->cert->sha256, limit, ctx->now)) {
        return NULL;
    }
    nmdm_count(ctx->counters, NMDM_COUNT_LIMITED, NULL, NULL, 1);
    if (is_news) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(2101)
                 "-: the device with certificate %s comes more often than"
                 " NanoMDMRateLimit allows; it gets 503, which is said once a"
                 " minute", ctx->cert->sha256);
    }
    apr_table_setn(r->headers_out, "Retry-After", apr_psprintf(
        r->pool, "%" APR_TIME_T_FMT,
        apr_time_sec(wait + APR_USEC_PER_SEC - 1)));
    return nmdm_err(r->pool, NMDM_LIMITED, APR_SUCCESS, NMDMNO(2102)
                    "-: beyond NanoMDMRateLimit");
}
