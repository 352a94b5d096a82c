/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_types.h -- the types of declarations that Apple has published:
 * since which releases, and which keys they need. Of the schema of 2024-10
 * (iOS 18.1, macOS 15.1) and the reference pages of OS 26 and 27; the list is
 * not known to be complete, so what it lacks is only warned of. */

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

#endif /* NMDM_DECLARATION_TYPES_H */
