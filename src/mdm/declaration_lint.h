/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_lint.h -- what looks wrong with a declaration, by the table of
 * declaration types (mdm/declaration_types.h). Without the database. */

#ifndef NMDM_DECLARATION_LINT_H
#define NMDM_DECLARATION_LINT_H

#include "codec/json_tree.h"
#include "mdm/declaration_warning.h"

#include <apr_tables.h>

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
/* Whether a type is one of `types`, as in a reference. */
int nmdm_declaration_lint_fits(const char *types, const char *type);

#endif /* NMDM_DECLARATION_LINT_H */
