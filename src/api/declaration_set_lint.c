/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_set_lint.c -- what looks wrong with a declaration among
 * others. */

#include "api/declaration_set_lint.h"
#include "mdm/declaration_lint.h"
#include "storage/declarations.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

#define INCOMPLETE "set-incomplete"
/* A stored payload is nested less. */
#define DEPTH 128

/* What a stored declaration refers to; nothing when there is none. */
static nmdm_err_t *references_of(nmdm_ctx_t *ctx, apr_array_header_t **out,
                                 const char *identifier)
{
    apr_array_header_t *others = apr_array_make(
        ctx->pool, 8, sizeof(nmdm_declaration_lint_t));
    nmdm_declaration_t stored;
    nmdm_json_tree_t *payload;
    int found;

    *out = apr_array_make(ctx->pool, 8,
                          sizeof(nmdm_declaration_lint_reference_t));
    NMDM_TRY(nmdm_declarations_get(ctx, &found, &stored, identifier));
    if (found && !nmdm_json_tree_read(&payload, ctx->pool, (nmdm_bytes_t){
            stored.payload, strlen(stored.payload) }, DEPTH,
            NMDM_TREE_LENIENT)) {
        nmdm_declaration_lint_judge(others, *out, ctx->pool, stored.type,
                                    payload);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_set_lint_add(nmdm_ctx_t *ctx,
                                              apr_array_header_t *warnings,
                                              const char *set,
                                              const char *identifier)
{
    apr_array_header_t *references, *members;
    apr_hash_t *there = apr_hash_make(ctx->pool);
    int i;

    NMDM_TRY(references_of(ctx, &references, identifier));
    if (!references->nelts) {
        return NULL;
    }
    NMDM_TRY(nmdm_declarations_list_all(ctx, &members, NMDM_LIST_OF_SET,
                                        set));
    for (i = 0; i < members->nelts; i++) {
        apr_hash_set(there, APR_ARRAY_IDX(members, i, const char *),
                     APR_HASH_KEY_STRING, "");
    }
    for (i = 0; i < references->nelts; i++) {
        const nmdm_declaration_lint_reference_t *one = &APR_ARRAY_IDX(
            references, i, nmdm_declaration_lint_reference_t);

        if (!apr_hash_get(there, one->identifier, APR_HASH_KEY_STRING)
            && strcmp(one->identifier, identifier)) {
            nmdm_declaration_lint_add(
                warnings, INCOMPLETE, one->path, apr_psprintf(
                    ctx->pool, "%.255s is not in the set %.255s",
                    one->identifier, set));
        }
    }
    return NULL;
}

/* The path at which one declaration refers to another, or NULL. */
static nmdm_err_t *find_reference(nmdm_ctx_t *ctx, const char **path,
                                  const char *from, const char *to)
{
    apr_array_header_t *references;
    int i;

    *path = NULL;
    NMDM_TRY(references_of(ctx, &references, from));
    for (i = 0; i < references->nelts && !*path; i++) {
        const nmdm_declaration_lint_reference_t *one = &APR_ARRAY_IDX(
            references, i, nmdm_declaration_lint_reference_t);

        *path = !strcmp(one->identifier, to) ? one->path : NULL;
    }
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_set_lint_remove(
    nmdm_ctx_t *ctx, apr_array_header_t *warnings, const char *set,
    const char *identifier)
{
    apr_array_header_t *names;
    const char *path;
    int i;

    NMDM_TRY(nmdm_declarations_naming(ctx, &names, set, NULL, identifier));
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (!strcmp(name, identifier)) {
            continue;
        }
        NMDM_TRY(find_reference(ctx, &path, name, identifier));
        if (path) {
            nmdm_declaration_lint_add(
                warnings, INCOMPLETE, path, apr_psprintf(
                    ctx->pool, "%.255s stays in the set %.255s and refers to"
                    " %.255s", name, set, identifier));
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_set_lint_activated(
    nmdm_ctx_t *ctx, apr_array_header_t *warnings, const char *identifier)
{
    apr_array_header_t *names;
    const char *path = NULL;
    int i;

    NMDM_TRY(nmdm_declarations_naming(ctx, &names, NULL,
                                      "com.apple.activation.simple",
                                      identifier));
    for (i = 0; i < names->nelts && !path; i++) {
        NMDM_TRY(find_reference(ctx, &path,
                                APR_ARRAY_IDX(names, i, const char *),
                                identifier));
    }
    if (!path) {
        nmdm_declaration_lint_add(warnings, "not-activated", "$.Identifier",
                                  "no stored activation names it");
    }
    return NULL;
}
