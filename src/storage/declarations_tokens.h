/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_tokens.h -- tokens, each of which names one state of
 * declarations (declarative management specification 5). Fields are
 * length-prefixed in all of them, so that no two lists of fields are one text.
 * No database here. */

#ifndef NMDM_DECLARATIONS_TOKENS_H
#define NMDM_DECLARATIONS_TOKENS_H

#include "storage/declarations.h"

/* The shard declaration of an enrollment (specification 6.4). */
#define NMDM_SHARD_IDENTIFIER \
    "com.github.jessepeterson.kmfddm.storage.shard.v1"
#define NMDM_SHARD_TYPE "com.apple.management.properties"

/* ServerToken: 40 hexadecimal digits of Identifier, Type, Payload and the nonce
 * of the last touch. */
const char *nmdm_declarations_tokens_server(apr_pool_t *p,
                                            const nmdm_declaration_t *of,
                                            const char *touch);
/* Of a set: n pairs of Identifier and ServerToken, in the order of their
 * Identifiers; "" when there is none. */
const char *nmdm_declarations_tokens_set(apr_pool_t *p,
                                         const char *const *pairs, int n);
/* DeclarationsToken: of the tokens of sets in the order of their names, and
 * the ServerToken of the shard declaration, or NULL. */
const char *nmdm_declarations_tokens_all(apr_pool_t *p,
                                         const apr_array_header_t *sets,
                                         const char *shard);

/* FNV-1, 32 bits, modulo 101. */
int nmdm_declarations_tokens_shard(const char *id);
/* The shard declaration; its identifier is NULL when it is not served. */
nmdm_declaration_t nmdm_declarations_tokens_shard_of(apr_pool_t *p,
                                                     const nmdm_ctx_t *ctx,
                                                     const char *id);

/* Names as a JSON array: the one parameter for many. */
const char *nmdm_declarations_tokens_list(apr_pool_t *p,
                                          const apr_array_header_t *names);

#endif /* NMDM_DECLARATIONS_TOKENS_H */
