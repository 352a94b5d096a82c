/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h -- digests, message authentication, randomness. */

#ifndef NMDM_DIGEST_H
#define NMDM_DIGEST_H

#include "base/context.h"

/* SHA-256 in lower-case hex. */
const char *nmdm_digest_sha256(apr_pool_t *p, nmdm_bytes_t bytes);

/* HMAC-SHA256 in standard base64. */
const char *nmdm_digest_hmac(apr_pool_t *p, const char *key,
                             nmdm_bytes_t bytes);

/* The same of what `read` gives: up to room bytes, beginning with byte `from`;
 * it returns how many, 0 at the end. */
typedef apr_size_t (*nmdm_digest_read_fn)(const void *baton, char *to,
                                          apr_size_t room, apr_size_t from);
const char *nmdm_digest_hmac_of(apr_pool_t *p, const char *key,
                                nmdm_digest_read_fn read, const void *baton);

/* Fills len bytes at out with randomness; 0 when there is none to be had. */
int nmdm_digest_random(void *out, apr_size_t len);

/* A random UUID (RFC 9562 5.4) in lower case, in p; NULL when there is no
 * randomness. */
const char *nmdm_digest_uuid(apr_pool_t *p);

/* Whether two secrets are equal, in a time that does not depend on how much of
 * them is. */
int nmdm_digest_same_secret(const char *a, const char *b);

#endif /* NMDM_DIGEST_H */
