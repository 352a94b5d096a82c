/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_tokens.c -- tokens of declarations, sets and enrollments. */

#include "storage/declarations_tokens.h"
#include "codec/json_text.h"
#include "crypto/digest.h"

#include <apr_strings.h>

#include <string.h>

/* Octets of a ServerToken; Apple allows 64. */
#define SERVER_TOKEN 40

/* A field, with its length before it. */
static void field(nmdm_json_text_t *text, const char *value)
{
    nmdm_json_text_raw(text, apr_psprintf(text->pool, "%" APR_SIZE_T_FMT ":",
                                          strlen(value)));
    nmdm_json_text_raw(text, value);
}

static const char *digest(apr_pool_t *p, const nmdm_json_text_t *text)
{
    return nmdm_digest_sha256(p, nmdm_json_text_bytes(text));
}

const char *nmdm_declarations_tokens_server(apr_pool_t *p,
                                            const nmdm_declaration_t *of,
                                            const char *touch)
{
    nmdm_json_text_t *text = nmdm_json_text_create(p);

    field(text, of->identifier);
    field(text, of->type);
    field(text, of->payload);
    field(text, touch);
    return apr_pstrmemdup(p, digest(p, text), SERVER_TOKEN);
}

const char *nmdm_declarations_tokens_set(apr_pool_t *p,
                                         const char *const *pairs, int n)
{
    nmdm_json_text_t *text = nmdm_json_text_create(p);
    int i;

    for (i = 0; i < 2 * n; i++) {
        field(text, pairs[i]);
    }
    return n ? digest(p, text) : "";
}

const char *nmdm_declarations_tokens_all(apr_pool_t *p,
                                         const apr_array_header_t *sets,
                                         const char *shard)
{
    nmdm_json_text_t *text = nmdm_json_text_create(p);
    int i;

    for (i = 0; i < sets->nelts; i++) {
        field(text, APR_ARRAY_IDX(sets, i, const char *));
    }
    if (shard) {
        nmdm_json_text_raw(text, "shard");
        field(text, shard);
    }
    return digest(p, text);
}

int nmdm_declarations_tokens_shard(const char *id)
{
    apr_uint32_t hash = 2166136261u;

    for (; *id; id++) {
        hash *= 16777619u;
        hash ^= (unsigned char)*id;
    }
    return (int)(hash % 101);
}

nmdm_declaration_t nmdm_declarations_tokens_shard_of(apr_pool_t *p,
                                                     const nmdm_ctx_t *ctx,
                                                     const char *id)
{
    nmdm_declaration_t shard = { NULL, NULL, NULL, NULL, NULL };
    int n = nmdm_declarations_tokens_shard(id);

    if (ctx->policy->declarations && ctx->policy->declarations->has_shard) {
        shard.identifier = NMDM_SHARD_IDENTIFIER;
        shard.type = NMDM_SHARD_TYPE;
        shard.manifest = nmdm_declarations_manifest(NMDM_SHARD_TYPE);
        shard.payload = apr_psprintf(p, "{\"shard\":%d}", n);
        shard.token = apr_psprintf(p, "shard=%d;version=1", n);
    }
    return shard;
}

const char *nmdm_declarations_tokens_list(apr_pool_t *p,
                                          const apr_array_header_t *names)
{
    nmdm_json_text_t *text = nmdm_json_text_create(p);
    int i;

    nmdm_json_text_raw(text, "[");
    for (i = 0; i < names->nelts; i++) {
        nmdm_json_text_comma(text);
        nmdm_json_text_string(text, APR_ARRAY_IDX(names, i, const char *));
    }
    nmdm_json_text_raw(text, "]");
    return text->data;
}
