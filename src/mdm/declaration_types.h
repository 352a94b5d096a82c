/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_types.h -- the types of declarations that Apple has published:
 * since which releases, which keys they have and need, and what these refer to
 * (mdm/declaration_schema.h). The table is not known to be complete, so what it
 * lacks is only warned of. */

#ifndef NMDM_DECLARATION_TYPES_H
#define NMDM_DECLARATION_TYPES_H

#include "codec/json_tree.h"

#include <apr_tables.h>

/* Adds what the table says against a declaration to warnings
 * (nmdm_declaration_lint_t). */
void nmdm_declaration_types_judge(apr_array_header_t *warnings, apr_pool_t *p,
                                  const char *type,
                                  const nmdm_json_tree_t *payload);

/* The first iOS, macOS, tvOS, visionOS and watchOS with a type, for people;
 * NULL for a type that is not known. */
const char *nmdm_declaration_types_since(apr_pool_t *p, const char *type);

/* Whether a payload of the type has this key, as far as that is known. */
int nmdm_declaration_types_has_key(const char *type, const char *key);

/* The types that a top-level key may refer to, as in a reference of
 * declaration_lint.h; NULL where the table has none. */
const char *nmdm_declaration_types_referred(apr_pool_t *p, const char *type,
                                            const char *key);

#endif /* NMDM_DECLARATION_TYPES_H */
