/* SPDX-License-Identifier: Apache-2.0 */
/* seal.h -- secrets of the database, sealed with NanoMDMStorageKey.
 *
 * Sealed text is one line that fits wherever the clear one does, since it
 * begins as the database wants a key in PEM to begin, and is ASCII:
 *
 *     -----NANOMDM SEALED 1 KEY-ID BASE64-----
 *
 * KEY-ID is the beginning of the key's SHA-256, 16 hex digits; BASE64 holds a
 * random nonce of 12 bytes, what AES-256-GCM makes of the secret, and its tag
 * of 16 bytes. Column and row are authenticated with it, so that sealed text
 * is good in its own place alone. */

#ifndef NMDM_SEAL_H
#define NMDM_SEAL_H

#include "base/context.h"

/* Which key has sealed a value shows in its first so many bytes. */
#define NMDM_SEAL_HEAD 39

/* What can be sealed, by names that are part of what is authenticated. */
#define NMDM_SEAL_PUSH_KEY "push_certs.key_pem"
#define NMDM_SEAL_BOOTSTRAP_TOKEN "devices.bootstrap_token_b64"
#define NMDM_SEAL_UNLOCK_TOKEN "devices.unlock_token"
#define NMDM_SEAL_STATUS_VALUE "nanomdm_dd_values.value"

/* The keys of a NanoMDMStorageKey. Where a function takes them, NULL is none:
 * then nothing is sealed, and what is sealed cannot be opened. */
typedef struct nmdm_seal_t nmdm_seal_t;

/* Without a key, and with the way back when is_off: nothing is sealed, the
 * keys only open. Key bytes are wiped when p ends. */
nmdm_seal_t *nmdm_seal_create(apr_pool_t *p, int is_off);
/* A further key, 32 bytes in hex or base64; 0 when text is something else. */
int nmdm_seal_add(nmdm_seal_t *keys, const char *text);
/* Overwrites text that has served its purpose. */
void nmdm_seal_wipe(char *text);

/* Whether there are keys, of which the first seals. */
int nmdm_seal_is_on(const nmdm_seal_t *keys);
int nmdm_seal_count(const nmdm_seal_t *keys);
/* The id of the key that seals, or "off". */
const char *nmdm_seal_id(const nmdm_seal_t *keys);
/* Identifies all keys and their order; 16 hex digits. */
const char *nmdm_seal_fingerprint(apr_pool_t *p, const nmdm_seal_t *keys);

/* Whether a value, of which the first NMDM_SEAL_HEAD bytes are enough, is as
 * it should be: sealed with the first key, or in the clear. */
int nmdm_seal_is_settled(const nmdm_seal_t *keys, nmdm_bytes_t stored);
/* How long a secret of len bytes is once sealed. */
apr_size_t nmdm_seal_length(apr_size_t len);

/* Seals a secret for its place, or leaves it as it is where nothing is
 * sealed. NMDM_INVALID when that would look like sealed text. */
nmdm_err_t *nmdm_seal_close(nmdm_bytes_t *stored, apr_pool_t *p,
                            const nmdm_seal_t *keys, const char *column,
                            const char *row, nmdm_bytes_t secret);
/* The way back; what was never sealed is returned as it is. An error says
 * whose and which secret it is, and names the remedy. */
nmdm_err_t *nmdm_seal_open(nmdm_bytes_t *secret, apr_pool_t *p,
                           const nmdm_seal_t *keys, const char *column,
                           const char *row, nmdm_bytes_t stored);

#endif /* NMDM_SEAL_H */
