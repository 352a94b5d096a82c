/* SPDX-License-Identifier: Apache-2.0 */
/* redact.h -- property lists without their secrets. */

#ifndef NMDM_REDACT_H
#define NMDM_REDACT_H

#include "base/context.h"

/* The document with the values of these keys (a NULL-terminated list), at any
 * depth, replaced: data by <data>cmVkYWN0ZWQ=</data>, all else by
 * <string>redacted</string>. What follows the root element is left out; what
 * cannot be read becomes empty. */
nmdm_bytes_t nmdm_redact_replace(apr_pool_t *p, nmdm_bytes_t document,
                                 const char *const *keys);
/* The same of as much as can be read, which are *read bytes: of a document that
 * breaks off, all before that; within a secret, all before the secret. */
nmdm_bytes_t nmdm_redact_replace_part(apr_size_t *read, apr_pool_t *p,
                                      nmdm_bytes_t document,
                                      const char *const *keys);
/* As nmdm_redact_replace, but these keys and their values are not there at
 * all. */
nmdm_bytes_t nmdm_redact_remove(apr_pool_t *p, nmdm_bytes_t document,
                                const char *const *keys);

#endif /* NMDM_REDACT_H */
