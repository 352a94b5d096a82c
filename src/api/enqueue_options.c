/* SPDX-License-Identifier: Apache-2.0 */
/* enqueue_options.c -- how a command is to be queued: priority, expiry. */

#include "api/enqueue_options.h"
#include "base/time.h"

#include <apr_strings.h>

#include <string.h>

/* What the narrowest of the three databases holds: MySQL's TINYINT and
 * TIMESTAMP. */
#define LOWEST_PRIORITY (-128)
#define HIGHEST_PRIORITY 127
#define LAST_SECOND 2147483647

static nmdm_err_t *set_priority(nmdm_enqueue_options_t *options,
                                nmdm_ctx_t *ctx, const char *text)
{
    apr_size_t len = strlen(text), sign = *text == '-';
    apr_int64_t number = len < 6 ? apr_atoi64(text) : HIGHEST_PRIORITY + 1;

    if (len == sign || strspn(text + sign, "0123456789") != len - sign
        || number < LOWEST_PRIORITY || number > HIGHEST_PRIORITY) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1740)
                        "\"priority\" is \"%.40s\", not a number from %d to"
                        " %d", text, LOWEST_PRIORITY, HIGHEST_PRIORITY);
    }
    options->priority = (int)number;
    return NULL;
}

static nmdm_err_t *set_expires(nmdm_enqueue_options_t *options,
                               nmdm_ctx_t *ctx, const char *text)
{
    apr_time_t when = 0;

    if (strlen(text) < 11 && *text && strspn(text, "0123456789")
                                      == strlen(text)) {
        when = ctx->now + apr_time_from_sec(apr_atoi64(text));
    }
    else if (!nmdm_time_read(&when, text)) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1741)
                        "\"expires\" is \"%.40s\", neither seconds from now"
                        " nor a time like 2026-06-01T12:00:00Z", text);
    }
    if (when <= ctx->now || apr_time_sec(when) > LAST_SECOND) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1742)
                        "\"expires\" is \"%.40s\", not between now and"
                        " 2038-01-19T03:14:07Z", text);
    }
    options->expires = when;
    return NULL;
}

nmdm_err_t *nmdm_api_enqueue_options_read(nmdm_enqueue_options_t *options,
                                          nmdm_ctx_t *ctx,
                                          const char *priority,
                                          const char *expires)
{
    *options = (nmdm_enqueue_options_t){ 0, 0 };
    if (priority && *priority) {
        NMDM_TRY(set_priority(options, ctx, priority));
    }
    return expires && *expires ? set_expires(options, ctx, expires) : NULL;
}

static const char *digits_of(nmdm_ctx_t *ctx, const nmdm_json_t *integer)
{
    return apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                        nmdm_json_number(integer));
}

nmdm_err_t *nmdm_api_enqueue_options_json(nmdm_enqueue_options_t *options,
                                          nmdm_ctx_t *ctx,
                                          const nmdm_json_t *json)
{
    nmdm_json_t *priority, *expires = nmdm_json_get(json, "expires");
    const char *when = NULL;

    NMDM_TRY(nmdm_json_typed(&priority, json, "priority",
                             NMDM_JSON_INTEGER));
    if (expires && nmdm_json_type(expires) == NMDM_JSON_INTEGER) {
        when = digits_of(ctx, expires);
    }
    else {
        NMDM_TRY(nmdm_json_typed(&expires, json, "expires",
                                 NMDM_JSON_STRING));
        when = expires ? nmdm_json_text(expires) : NULL;
    }
    return nmdm_api_enqueue_options_read(
        options, ctx, priority ? digits_of(ctx, priority) : NULL, when);
}
