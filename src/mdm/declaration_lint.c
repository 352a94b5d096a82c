/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_lint.c -- what looks wrong with a declaration. */

#include "mdm/declaration_lint.h"

#include <string.h>

void nmdm_declaration_lint_add(apr_array_header_t *warnings, const char *code,
                               const char *path, const char *text)
{
    APR_ARRAY_PUSH(warnings, nmdm_declaration_lint_t)
        = (nmdm_declaration_lint_t){ code, path, text };
}

int nmdm_declaration_lint_fits(const char *types, const char *type)
{
    while (*types) {
        apr_size_t len = strcspn(types, " ");

        if (len && (types[len - 1] == '.'
                        ? !strncmp(types, type, len)
                        : strlen(type) == len && !strncmp(types, type, len))) {
            return 1;
        }
        types += len;
        types += *types == ' ';
    }
    return 0;
}

void nmdm_declaration_lint_judge(apr_array_header_t *warnings,
                                 apr_array_header_t *references,
                                 apr_pool_t *p, const char *type,
                                 const nmdm_json_tree_t *payload)
{
    (void)warnings;
    (void)references;
    (void)p;
    (void)type;
    (void)payload;
}
