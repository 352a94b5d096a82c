/* SPDX-License-Identifier: Apache-2.0 */
/* retention_rules.c -- a pass is due at once when NanoMDMRetention changed. */

#include "jobs/retention_rules.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "jobs/retention.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

static const char *text_of(apr_pool_t *p, const char *type,
                           const nmdm_retention_rule_t *rule)
{
    return apr_psprintf(p, "%s %d %d %d\n", type, rule->days, rule->keep,
                        rule->is_dry);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The order in which the rules are written makes no difference. */
static const char *digest_of(apr_pool_t *p, const nmdm_retention_t *all)
{
    apr_array_header_t *lines = apr_array_make(p, 8, sizeof(const char *));
    apr_hash_index_t *at;
    const char *text;

    for (at = apr_hash_first(p, all->by_type); at; at = apr_hash_next(at)) {
        APR_ARRAY_PUSH(lines, const char *)
            = text_of(p, apr_hash_this_key(at), apr_hash_this_val(at));
    }
    if (all->others) {
        APR_ARRAY_PUSH(lines, const char *) = text_of(p, "", all->others);
    }
    qsort(lines->elts, (size_t)lines->nelts, sizeof(const char *), by_text);
    text = apr_array_pstrcat(p, lines, 0);
    return nmdm_digest_sha256(p, (nmdm_bytes_t){ text, strlen(text) });
}

static nmdm_err_t *do_record(nmdm_ctx_t *ctx, void *baton)
{
    const char *digest = baton;
    int rows;

    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_RETENTION_RULES_ADD, NULL, 0));
    NMDM_TRY(nmdm_db_exec(ctx, &rows, STMT_RETENTION_RULES_SET,
                          NMDM_ARGS(digest, digest)));
    return rows > 0 ? nmdm_db_exec(ctx, NULL, STMT_RETENTION_DUE, NULL, 0)
                    : NULL;
}

nmdm_err_t *nmdm_retention_rules_record(nmdm_ctx_t *ctx)
{
    const char *digest;

    if (ctx->services->has_recorded_retention) {
        return NULL;
    }
    digest = digest_of(ctx->pool, ctx->policy->retention);
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_record,
                          (void *)digest));
    ctx->services->has_recorded_retention = 1;
    return NULL;
}
