/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_why_text.h -- what declaration-why says. */

#ifndef NMDM_API_DECLARATION_WHY_TEXT_H
#define NMDM_API_DECLARATION_WHY_TEXT_H

#include "codec/json_text.h"

#include <apr_tables.h>

/* What an operator can do about a code of Apple's; code may be NULL. */
const char *nmdm_api_declaration_why_remedy(const char *code);

/* A predicate, and the values of the status items that it names, of
 * nmdm_declarations_value_t. */
const char *nmdm_api_declaration_why_predicate(
    apr_pool_t *p, const char *identifier, const char *predicate,
    const apr_array_header_t *values);

/* Adds to an array the checks that were passed before this verdict. */
void nmdm_api_declaration_why_passed(nmdm_json_text_t *text,
                                     const char *verdict);

#endif /* NMDM_API_DECLARATION_WHY_TEXT_H */
