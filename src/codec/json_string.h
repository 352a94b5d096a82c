/* SPDX-License-Identifier: Apache-2.0 */
/* json_string.h -- strings of JSON text (RFC 8259 section 7). */

#ifndef NMDM_JSON_STRING_H
#define NMDM_JSON_STRING_H

#include "base/text.h"

/* Reads the string whose opening quote is at *at, of a text that ends before
 * `end`; *out ends with NUL and lives as long as p. NULL when that was done,
 * and *at is after the closing quote; else what is wrong, and *at is there.
 * Strictly, an escaped NUL and a lone surrogate are wrong; else they become
 * U+FFFD. */
const char *nmdm_json_string_read(nmdm_bytes_t *out, apr_pool_t *p,
                                  const char **at, const char *end,
                                  int is_strict);

#endif /* NMDM_JSON_STRING_H */
