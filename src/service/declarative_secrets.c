/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_secrets.c -- secrets in status reports, as they are stored. A
 * device reports them again, so that a key that is lost loses nothing: what
 * cannot be opened is sealed anew with the next report. */

#include "service/declarative_secrets.h"
#include "crypto/seal.h"
#include "mdm/status_items.h"
#include "storage/declarations_status.h"

#include <apr_strings.h>

#include <string.h>

#define REDACTED "redacted"

/* The name of the item that a value is of when it is secret, or NULL. */
static const char *secret_item(const nmdm_declarations_value_t *value)
{
    const char *name = value->path + strlen(NMDM_DECLARATIONS_STATUS_ROOT);

    return strlen(value->path) > strlen(NMDM_DECLARATIONS_STATUS_ROOT)
        && nmdm_status_items_is_secret(name) ? name : NULL;
}

/* What sealed text is bound to, beside its column. */
static const char *row_of(const nmdm_ctx_t *ctx, const char *id,
                          const char *item)
{
    return apr_pstrcat(ctx->pool, id, " ", item, NULL);
}

static int is_kept(nmdm_ctx_t *ctx, const char *id, const char *item,
                   const char *secret, const char *stored)
{
    const nmdm_seal_t *keys = ctx->policy->seal;
    nmdm_bytes_t value = { stored, strlen(stored) };

    if (!nmdm_seal_is_on(keys)) {
        return !strcmp(stored, REDACTED);
    }
    return secret && nmdm_seal_is_settled(keys, value)
        && !nmdm_seal_open(&value, ctx->pool, keys, NMDM_SEAL_STATUS_VALUE,
                           row_of(ctx, id, item), value)
        && value.len == strlen(secret)
        && !memcmp(value.data, secret, value.len);
}

void nmdm_declarative_secrets_compare(nmdm_ctx_t *ctx, const char *id,
                                      apr_hash_t *secrets,
                                      apr_array_header_t *stored)
{
    int i;

    for (i = 0; i < stored->nelts; i++) {
        nmdm_declarations_value_t *value = &APR_ARRAY_IDX(
            stored, i, nmdm_declarations_value_t);
        const char *item = secret_item(value);

        if (item) {
            value->value = is_kept(ctx, id, item, apr_hash_get(
                               secrets, item, APR_HASH_KEY_STRING),
                               value->value) ? REDACTED : "";
        }
    }
}

void nmdm_declarative_secrets_seal(nmdm_ctx_t *ctx, const char *id,
                                   apr_hash_t *secrets,
                                   apr_array_header_t *changed)
{
    const nmdm_seal_t *keys = ctx->policy->seal;
    int i;

    for (i = 0; i < changed->nelts && nmdm_seal_is_on(keys); i++) {
        nmdm_declarations_value_t *value = &APR_ARRAY_IDX(
            changed, i, nmdm_declarations_value_t);
        const char *item = secret_item(value);
        const char *secret = item ? apr_hash_get(secrets, item,
                                                 APR_HASH_KEY_STRING) : NULL;
        nmdm_bytes_t sealed;

        /* What looks like sealed text itself is not kept. */
        if (secret && !nmdm_seal_close(
                &sealed, ctx->pool, keys, NMDM_SEAL_STATUS_VALUE,
                row_of(ctx, id, item),
                (nmdm_bytes_t){ secret, strlen(secret) })) {
            value->value = apr_pstrmemdup(ctx->pool, sealed.data,
                                          sealed.len);
        }
    }
}
