/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_set_lint.h -- what looks wrong with a declaration among others.
 * Every call is to be made within a unit; what it finds is added to warnings,
 * nmdm_declaration_lint_t (declarative management specification 7.2). */

#ifndef NMDM_API_DECLARATION_SET_LINT_H
#define NMDM_API_DECLARATION_SET_LINT_H

#include "base/context.h"

#include <apr_tables.h>

/* What a declaration that is put into a set refers to and the set lacks. */
nmdm_err_t *nmdm_api_declaration_set_lint_add(nmdm_ctx_t *ctx,
                                              apr_array_header_t *warnings,
                                              const char *set,
                                              const char *identifier);
/* What stays in a set and refers to one that is taken out. */
nmdm_err_t *nmdm_api_declaration_set_lint_remove(
    nmdm_ctx_t *ctx, apr_array_header_t *warnings, const char *set,
    const char *identifier);
/* A configuration that no stored activation names. */
nmdm_err_t *nmdm_api_declaration_set_lint_activated(
    nmdm_ctx_t *ctx, apr_array_header_t *warnings, const char *identifier);

#endif /* NMDM_API_DECLARATION_SET_LINT_H */
