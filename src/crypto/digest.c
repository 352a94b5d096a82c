/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c -- digests, message authentication, randomness. */

#include "crypto/digest.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <string.h>

const char *nmdm_digest_sha256(apr_pool_t *p, nmdm_bytes_t bytes)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)bytes.data, bytes.len, digest);
    return apr_pescape_hex(p, digest, sizeof(digest), 0);
}

const char *nmdm_digest_hmac(apr_pool_t *p, const char *key,
                             nmdm_bytes_t bytes)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    nmdm_bytes_t mac = { (const char *)digest, sizeof(digest) };

    HMAC(EVP_sha256(), key, (int)strlen(key),
         (const unsigned char *)bytes.data, bytes.len, digest, NULL);
    return nmdm_base64_encode(p, mac);
}

const char *nmdm_digest_hmac_of(apr_pool_t *p, const char *key,
                                nmdm_digest_read_fn read, const void *baton)
{
    EVP_PKEY *mac_key = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_HMAC, NULL, (const unsigned char *)key, strlen(key));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char digest[SHA256_DIGEST_LENGTH];
    nmdm_bytes_t mac = { (const char *)digest, sizeof(digest) };
    char part[8192];
    apr_size_t from = 0, n;
    int ok;

    ok = mac_key && context
        && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, mac_key);
    while (ok && (n = read(baton, part, sizeof(part), from)) > 0) {
        ok = EVP_DigestSignUpdate(context, part, n);
        from += n;
    }
    ok = ok && EVP_DigestSignFinal(context, digest, &mac.len);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(mac_key);
    return ok ? nmdm_base64_encode(p, mac) : "";
}

int nmdm_digest_random(void *out, apr_size_t len)
{
    return RAND_bytes(out, (int)len) == 1;
}

const char *nmdm_digest_uuid(apr_pool_t *p)
{
    unsigned char bytes[16];
    const char *hex;

    if (!nmdm_digest_random(bytes, sizeof(bytes))) {
        return NULL;
    }
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    hex = nmdm_hex(p, (nmdm_bytes_t){ (char *)bytes, sizeof(bytes) });
    return apr_psprintf(p, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
                        hex + 12, hex + 16, hex + 20);
}

/* Digests have one length, so comparing them does not reveal that of the
 * secret. */
int nmdm_digest_same_secret(const char *a, const char *b)
{
    unsigned char digest_a[SHA256_DIGEST_LENGTH];
    unsigned char digest_b[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)a, strlen(a), digest_a);
    SHA256((const unsigned char *)b, strlen(b), digest_b);
    return !CRYPTO_memcmp(digest_a, digest_b, sizeof(digest_a));
}
