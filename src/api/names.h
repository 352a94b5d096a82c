/* SPDX-License-Identifier: Apache-2.0 */
/* names.h -- names that a call of the API knows, and what is near to them: a
 * misspelt parameter is to be noticed, because it would do nothing. */

#ifndef NMDM_API_NAMES_H
#define NMDM_API_NAMES_H

#include "codec/json.h"

/* Which of the names, separated by single spaces, `text` is: 0 for none. Case
 * matters. */
int nmdm_api_names_has(const char *names, const char *text);

/* The name that `text` is likely meant to be: the same but for case and one
 * letter (two in names of five letters and more), or its beginning of three
 * letters and more. NULL when there is none. */
const char *nmdm_api_names_nearest(apr_pool_t *p, const char *names,
                                   const char *text);

/* "a, b and c", to be read by people; "none" without names. */
const char *nmdm_api_names_list(apr_pool_t *p, const char *names);

/* NMDM_INVALID for the first key of a JSON object that is not among names. */
nmdm_err_t *nmdm_api_names_check_keys(apr_pool_t *p, const nmdm_json_t *object,
                                      const char *names);

#endif /* NMDM_API_NAMES_H */
