/* SPDX-License-Identifier: Apache-2.0 */
/* context.c -- enrollment types, pools of a thread's own, remarks. */

#include "base/context.h"

#include <apr_strings.h>

const char NMDM_DEVICE[] = "Device";
const char NMDM_USER[] = "User";
const char NMDM_SHARED_IPAD[] = "Shared iPad";
const char NMDM_USER_ENROLLMENT_DEVICE[] = "User Enrollment (Device)";
const char NMDM_USER_ENROLLMENT[] = "User Enrollment";

void nmdm_log(nmdm_ctx_t *ctx, nmdm_log_e level, const char *fmt, ...)
{
    va_list args;

    if (!ctx->log || (level == NMDM_LOG_DEBUG && !ctx->wants_debug)) {
        return;
    }
    va_start(args, fmt);
    ctx->log(ctx, level, apr_pvsprintf(ctx->pool, fmt, args));
    va_end(args);
}

/* Pools share their parent's allocator, which has no lock. */
apr_status_t nmdm_own_pool(apr_pool_t **out, apr_pool_t *parent)
{
    apr_allocator_t *allocator;
    apr_status_t rv = apr_allocator_create(&allocator);

    if (rv == APR_SUCCESS) {
        rv = apr_pool_create_ex(out, parent, NULL, allocator);
    }
    if (rv == APR_SUCCESS) {
        apr_allocator_owner_set(allocator, *out);
    }
    return rv;
}
