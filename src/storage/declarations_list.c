/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_list.c -- names of declarations, sets and enrollments, in
 * parts; and the kinds of declarations. */

#include "storage/declarations.h"
#include "db/db.h"

#include <string.h>

#define PREFIX "com.apple."

/* Kinds as devices write them, types begin with them, and manifests. */
static const struct {
    const char *kind, *manifest;
} KINDS[] = {
    { "activation", "activations" }, { "asset", "assets" },
    { "configuration", "configurations" }, { "management", "management" },
    { NULL, NULL }
};

const char *nmdm_declarations_manifest(const char *type)
{
    const char *kind = type + strlen(PREFIX);
    int i;

    for (i = 0; KINDS[i].kind; i++) {
        apr_size_t len = strlen(KINDS[i].kind);

        if (!strncmp(type, PREFIX, strlen(PREFIX))
            && !strncmp(kind, KINDS[i].kind, len) && kind[len] == '.'
            && kind[len + 1]) {
            return KINDS[i].manifest;
        }
    }
    return NULL;
}

const char *nmdm_declarations_manifest_of_kind(const char *kind)
{
    int i;

    for (i = 0; KINDS[i].kind; i++) {
        if (!strcmp(kind, KINDS[i].kind)) {
            return KINDS[i].manifest;
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_list(nmdm_ctx_t *ctx, apr_array_header_t *names,
                                   nmdm_declarations_list_e what,
                                   const char *key, const char *after)
{
    static const nmdm_stmt_e STATEMENTS[] = {
        STMT_DD_LIST, STMT_DD_SETS, STMT_DD_SET_LIST, STMT_DD_SETS_OF,
        STMT_DD_ENROLLMENT_SETS, STMT_DD_SET_ENROLLMENTS
    };
    const char *args[2] = { key, after };
    int has_key = what >= NMDM_LIST_OF_SET;

    return nmdm_db_rows(ctx, names, 1, STATEMENTS[what], args + !has_key,
                        1 + has_key);
}

nmdm_err_t *nmdm_declarations_list_all(nmdm_ctx_t *ctx,
                                       apr_array_header_t **names,
                                       nmdm_declarations_list_e what,
                                       const char *key)
{
    const char *after = "";
    int before;

    *names = apr_array_make(ctx->pool, 32, sizeof(const char *));
    do {
        before = (*names)->nelts;
        NMDM_TRY(nmdm_declarations_list(ctx, *names, what, key, after));
        if ((*names)->nelts) {
            after = APR_ARRAY_IDX(*names, (*names)->nelts - 1, const char *);
        }
    } while ((*names)->nelts - before == NMDM_DECLARATIONS_PAGE);
    return NULL;
}
