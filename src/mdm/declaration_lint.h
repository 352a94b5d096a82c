/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_lint.h -- what looks wrong with a declaration, by the table of
 * declaration types (mdm/declaration_types.h). Without the database. */

#ifndef NMDM_DECLARATION_LINT_H
#define NMDM_DECLARATION_LINT_H

#include "codec/json_tree.h"

#include <apr_tables.h>

typedef struct {
    const char *code;           /* "key-missing", "type-unknown", ... */
    const char *path;           /* such as $.Payload.ProfileURL */
    const char *text;           /* for people */
} nmdm_declaration_lint_t;

/* A declaration that another names. */
typedef struct {
    const char *identifier;
    const char *path;
    const char *types;          /* that it may have, separated by blanks, each
                                 * whole or a prefix that ends in a dot */
} nmdm_declaration_lint_reference_t;

/* Adds what is found to warnings (nmdm_declaration_lint_t), and what is named
 * to references (nmdm_declaration_lint_reference_t). */
void nmdm_declaration_lint_judge(apr_array_header_t *warnings,
                                 apr_array_header_t *references,
                                 apr_pool_t *p, const char *type,
                                 const nmdm_json_tree_t *payload);
/* Adds one warning; the strings live as long as the list. */
static inline void nmdm_declaration_lint_add(apr_array_header_t *warnings,
                                             const char *code,
                                             const char *path,
                                             const char *text)
{
    APR_ARRAY_PUSH(warnings, nmdm_declaration_lint_t)
        = (nmdm_declaration_lint_t){ code, path, text };
}

/* Whether a type is one of `types`, as in a reference. */
int nmdm_declaration_lint_fits(const char *types, const char *type);

#endif /* NMDM_DECLARATION_LINT_H */
