/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_secrets.h -- secrets in status reports, as they are stored:
 * sealed with NanoMDMStorageKey; without one, not at all. Readers get
 * "redacted". */

#ifndef NMDM_DECLARATIVE_SECRETS_H
#define NMDM_DECLARATIVE_SECRETS_H

#include "base/context.h"

#include <apr_hash.h>
#include <apr_tables.h>

/* Of nmdm_declarations_value_t as stored: secret ones that need not be written
 * anew for the values in `secrets`, by item, read "redacted" then, as in a
 * report without its secrets, and others "". */
void nmdm_declarative_secrets_compare(nmdm_ctx_t *ctx, const char *id,
                                      apr_hash_t *secrets,
                                      apr_array_header_t *stored);
/* Puts the sealed secrets into values that are to be written. */
void nmdm_declarative_secrets_seal(nmdm_ctx_t *ctx, const char *id,
                                   apr_hash_t *secrets,
                                   apr_array_header_t *changed);

#endif /* NMDM_DECLARATIVE_SECRETS_H */
