/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_warning.h -- one thing that looks wrong with a declaration. */

#ifndef NMDM_DECLARATION_WARNING_H
#define NMDM_DECLARATION_WARNING_H

#include <apr_tables.h>

typedef struct {
    const char *code;           /* "key-missing", "type-unknown", ... */
    const char *path;           /* such as $.Payload.ProfileURL */
    const char *text;           /* for people */
} nmdm_declaration_lint_t;

/* Adds one warning; the strings live as long as the list. */
static inline void nmdm_declaration_lint_add(apr_array_header_t *warnings,
                                             const char *code,
                                             const char *path,
                                             const char *text)
{
    APR_ARRAY_PUSH(warnings, nmdm_declaration_lint_t)
        = (nmdm_declaration_lint_t){ code, path, text };
}

#endif /* NMDM_DECLARATION_WARNING_H */
