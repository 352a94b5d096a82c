/* SPDX-License-Identifier: Apache-2.0 */
/* rate_limiter.c -- NanoMDMRateLimit: how often a device may ask. */

#include "httpd/rate_limiter.h"
#include "base/counters.h"
#include "base/rate_limit.h"
#include "config/config.h"
#include "crypto/cert_encodings.h"
#include "crypto/digest.h"
#include "httpd/shared_memory.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#define IPV6_BYTES 16

static nmdm_rate_limits_t *shared;

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

/* `name` is what is counted, `shown` what the log says of it. */
static nmdm_err_t *check(nmdm_ctx_t *ctx, request_rec *r, const char *name,
                         const char *shown)
{
    const nmdm_rate_limit_t *limit = nanomdm_conf(r)->rate_limit;
    apr_interval_time_t wait;
    int is_news;

    if (!limit || nmdm_rate_limits_take(shared, &wait, &is_news,
                                        name, limit, ctx->now)) {
        return NULL;
    }
    nmdm_count(ctx->services->counters, NMDM_COUNT_LIMITED, NULL, NULL, 1);
    if (is_news) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(2101)
                 "-: the %s sends more requests than NanoMDMRateLimit allows;"
                 " it gets 503, which is logged once a minute", shown);
    }
    apr_table_setn(r->headers_out, "Retry-After", apr_psprintf(
        r->pool, "%" APR_TIME_T_FMT,
        apr_time_sec(wait + APR_USEC_PER_SEC - 1)));
    return nmdm_err(r->pool, NMDM_LIMITED, APR_SUCCESS, NMDMNO(2102)
                    "-: beyond NanoMDMRateLimit");
}

/* By the certificate alone: it is all that is proved. The id in a message is
 * what a device says, so it neither makes a bucket nor empties another's. */
nmdm_err_t *nanomdm_rate_limiter_check(nmdm_ctx_t *ctx, request_rec *r)
{
    return check(ctx, r, nmdm_cert_encodings_name(ctx->cert),
                 apr_pstrcat(r->pool, "device with certificate ",
                             ctx->cert->sha256, NULL));
}

/* An IPv4 address may be written as one of IPv6, which r->useragent_ip does
 * not. */
const char *nanomdm_rate_limiter_client(request_rec *r)
{
    const unsigned char *b = r->useragent_addr->ipaddr_ptr;

    return !strchr(r->useragent_ip, ':')
            || r->useragent_addr->ipaddr_len != IPV6_BYTES
        ? r->useragent_ip
        : apr_psprintf(r->pool, "%x:%x:%x:%x::/64", b[0] << 8 | b[1],
                       b[2] << 8 | b[3], b[4] << 8 | b[5], b[6] << 8 | b[7]);
}

nmdm_err_t *nanomdm_rate_limiter_check_client(nmdm_ctx_t *ctx,
                                              request_rec *r)
{
    const char *client = nanomdm_rate_limiter_client(r);
    nmdm_bytes_t name = { client, strlen(client) };

    return check(ctx, r, nmdm_digest_sha256(r->pool, name),
                 apr_pstrcat(r->pool, "client ", client, NULL));
}
