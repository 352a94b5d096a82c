/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_seal.c -- any bytes as a value that the database hands out, and as a
 * secret to be sealed. */

#include "fuzz.h"
#include "crypto/seal.h"

static nmdm_seal_t *KEYS;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    apr_pool_t *p;

    (void)argc;
    (void)argv;
    if (apr_initialize() != APR_SUCCESS) {
        return 1;
    }
    apr_pool_create(&p, NULL);
    KEYS = nmdm_seal_create(p, 0);
    PROMISED(nmdm_seal_add(KEYS, "000102030405060708090a0b0c0d0e0f"
                                 "101112131415161718191a1b1c1d1e1f"));
    return 0;
}

/* What is opened was sealed with the one key for the one place, which the
 * corpus has a sample of, or never at all. */
static void fuzz_open(apr_pool_t *p, nmdm_bytes_t stored)
{
    nmdm_bytes_t secret, none;

    nmdm_seal_is_settled(KEYS, stored);
    if (!nmdm_seal_open(&secret, p, KEYS, NMDM_SEAL_BOOTSTRAP_TOKEN, "row",
                        stored)) {
        PROMISED(secret.data[secret.len] == '\0');
        PROMISED(secret.data == stored.data
                 || !strcmp(secret.data, "secret text"));
        PROMISED(secret.data == stored.data
                 || nmdm_seal_open(&none, p, NULL, NMDM_SEAL_BOOTSTRAP_TOKEN,
                                   "row", stored));
    }
}

static void fuzz_close(apr_pool_t *p, nmdm_bytes_t secret)
{
    nmdm_bytes_t stored, again;

    PROMISED(!nmdm_seal_close(&stored, p, KEYS, NMDM_SEAL_PUSH_KEY, "row",
                              secret));
    PROMISED(stored.len == nmdm_seal_length(secret.len));
    PROMISED(nmdm_seal_is_settled(KEYS, stored));
    PROMISED(!nmdm_seal_open(&again, p, KEYS, NMDM_SEAL_PUSH_KEY, "row",
                             stored));
    PROMISED(again.len == secret.len
             && !memcmp(again.data, secret.data, secret.len));
    PROMISED(nmdm_seal_open(&again, p, KEYS, NMDM_SEAL_PUSH_KEY, "other",
                            stored));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nmdm_bytes_t body;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    body = body_of(p, data, size);
    fuzz_open(p, body);
    fuzz_close(p, body);
    apr_pool_destroy(p);
    return 0;
}
