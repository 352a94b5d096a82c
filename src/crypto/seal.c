/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c -- secrets of the database, sealed with NanoMDMStorageKey.
 *
 * It calls OpenSSL itself, so that no other file ever holds the bytes of a
 * key. A random nonce of 96 bits is good for 2^32 secrets under one key, more
 * than devices will send in its life. */

#include "crypto/seal.h"
#include "crypto/digest.h"

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <limits.h>
#include <string.h>

#define MARK "-----NANOMDM SEALED 1 "
#define MARK_LEN (sizeof(MARK) - 1)
#define END "-----"
#define END_LEN (sizeof(END) - 1)
#define ID_LEN 16
#define KEY_LEN 32
#define KEY_BASE64_LEN 44
#define NONCE_LEN 12
#define TAG_LEN 16

typedef struct nmdm_key_t nmdm_key_t;
struct nmdm_key_t {
    unsigned char bytes[KEY_LEN];
    char id[ID_LEN + 1];
    nmdm_key_t *next;
};

struct nmdm_seal_t {
    apr_pool_t *pool;
    int is_off;
    nmdm_key_t *first, *last;
};

/* ---- Keys ---- */

nmdm_seal_t *nmdm_seal_create(apr_pool_t *p, int is_off)
{
    nmdm_seal_t *keys = apr_pcalloc(p, sizeof(*keys));

    keys->pool = p;
    keys->is_off = is_off;
    return keys;
}

void nmdm_seal_wipe(char *text)
{
    OPENSSL_cleanse(text, strlen(text));
}

static apr_status_t wipe_key(void *key)
{
    OPENSSL_cleanse(key, sizeof(nmdm_key_t));
    return APR_SUCCESS;
}

/* OpenSSL takes an equals sign for a digit anywhere; one of them ends what 32
 * bytes are in base64. */
static int is_base64(const char *text)
{
    return strlen(text) == KEY_BASE64_LEN
        && strcspn(text, "=") == KEY_BASE64_LEN - 1;
}

/* On the stack, because a pool keeps what was copied to it. */
static int read_key(nmdm_key_t *key, const char *text)
{
    unsigned char buffer[KEY_LEN + 1];
    apr_size_t len = 0;
    int ok;

    if (strlen(text) == 2 * KEY_LEN) {
        ok = apr_unescape_hex(buffer, text, APR_ESCAPE_STRING, 0, &len)
            == APR_SUCCESS && len == KEY_LEN;
    }
    else {
        ok = is_base64(text)
            && EVP_DecodeBlock(buffer, (const unsigned char *)text,
                               KEY_BASE64_LEN) == sizeof(buffer);
    }
    if (ok) {
        memcpy(key->bytes, buffer, KEY_LEN);
    }
    OPENSSL_cleanse(buffer, sizeof(buffer));
    return ok;
}

int nmdm_seal_add(nmdm_seal_t *keys, const char *text)
{
    nmdm_key_t *key = apr_pcalloc(keys->pool, sizeof(*key));
    nmdm_bytes_t bytes = { (const char *)key->bytes, KEY_LEN };

    apr_pool_cleanup_register(keys->pool, key, wipe_key,
                              apr_pool_cleanup_null);
    if (!read_key(key, text)) {
        return 0;
    }
    apr_cpystrn(key->id, nmdm_digest_sha256(keys->pool, bytes),
                sizeof(key->id));
    if (keys->last) {
        keys->last->next = key;
    }
    else {
        keys->first = key;
    }
    keys->last = key;
    return 1;
}

int nmdm_seal_is_on(const nmdm_seal_t *keys)
{
    return keys && !keys->is_off && keys->first;
}

int nmdm_seal_count(const nmdm_seal_t *keys)
{
    const nmdm_key_t *key;
    int count = 0;

    for (key = keys ? keys->first : NULL; key; key = key->next) {
        count++;
    }
    return count;
}

const char *nmdm_seal_id(const nmdm_seal_t *keys)
{
    return nmdm_seal_is_on(keys) ? keys->first->id : "off";
}

const char *nmdm_seal_fingerprint(apr_pool_t *p, const nmdm_seal_t *keys)
{
    const nmdm_key_t *key;
    nmdm_bytes_t ids = { nmdm_seal_id(keys), 0 };

    for (key = keys ? keys->first : NULL; key; key = key->next) {
        ids.data = apr_pstrcat(p, ids.data, " ", key->id, NULL);
    }
    ids.len = strlen(ids.data);
    return apr_pstrmemdup(p, nmdm_digest_sha256(p, ids), ID_LEN);
}

static const nmdm_key_t *find_key(const nmdm_seal_t *keys, const char *id)
{
    const nmdm_key_t *key = keys ? keys->first : NULL;

    while (key && memcmp(key->id, id, ID_LEN)) {
        key = key->next;
    }
    return key;
}

/* ---- AES-256-GCM ---- */

/* Column and row, which both are known from what is beside them. */
static const char *place_of(apr_pool_t *p, const char *column,
                            const char *row)
{
    return apr_pstrcat(p, MARK, column, " ", row, NULL);
}

/* out has room for the text; tag is written, or read and compared. */
static int run_cipher(int is_sealing, unsigned char *out,
                      unsigned char *tag, const nmdm_key_t *key,
                      const unsigned char *nonce, const char *place,
                      const unsigned char *in, apr_size_t len)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int ok, n;

    ok = c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key->bytes,
                                nonce, is_sealing) == 1
        && EVP_CipherUpdate(c, NULL, &n, (const unsigned char *)place,
                            (int)strlen(place)) == 1
        && EVP_CipherUpdate(c, out, &n, in, (int)len) == 1
        && (is_sealing
            || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN,
                                   tag) == 1)
        && EVP_CipherFinal_ex(c, out + len, &n) == 1
        && (!is_sealing
            || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_LEN,
                                   tag) == 1);
    EVP_CIPHER_CTX_free(c);
    return ok;
}

/* ---- Sealed text ---- */

static int is_sealed(nmdm_bytes_t stored)
{
    return stored.len >= MARK_LEN && !memcmp(stored.data, MARK, MARK_LEN);
}

int nmdm_seal_is_settled(const nmdm_seal_t *keys, nmdm_bytes_t stored)
{
    if (!nmdm_seal_is_on(keys)) {
        return !is_sealed(stored);
    }
    return is_sealed(stored) && stored.len >= NMDM_SEAL_HEAD
        && !memcmp(stored.data + MARK_LEN, keys->first->id, ID_LEN)
        && stored.data[NMDM_SEAL_HEAD - 1] == ' ';
}

apr_size_t nmdm_seal_length(apr_size_t len)
{
    return NMDM_SEAL_HEAD + (NONCE_LEN + len + TAG_LEN + 2) / 3 * 4 + END_LEN;
}

nmdm_err_t *nmdm_seal_close(nmdm_bytes_t *stored, apr_pool_t *p,
                            const nmdm_seal_t *keys, const char *column,
                            const char *row, nmdm_bytes_t secret)
{
    nmdm_bytes_t raw = { NULL, NONCE_LEN + secret.len + TAG_LEN };
    unsigned char *nonce;

    if (!nmdm_seal_is_on(keys)) {
        /* Or a device could make its own row unreadable for operators. */
        *stored = secret;
        return !is_sealed(secret) ? NULL
            : nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0350)
                       "%s: a value for %s begins as sealed ones do", row,
                       column);
    }
    nonce = apr_palloc(p, raw.len + 1);
    raw.data = (const char *)nonce;
    if (secret.len > INT_MAX / 2 || !nmdm_digest_random(nonce, NONCE_LEN)
        || !run_cipher(1, nonce + NONCE_LEN, nonce + NONCE_LEN + secret.len,
                       keys->first, nonce, place_of(p, column, row),
                       (const unsigned char *)secret.data, secret.len)) {
        return nmdm_err(p, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0351)
                        "%s: OpenSSL cannot seal %s", row, column);
    }
    stored->data = apr_pstrcat(p, MARK, keys->first->id, " ",
                               nmdm_base64_encode(p, raw), END, NULL);
    stored->len = strlen(stored->data);
    return NULL;
}

static nmdm_err_t *damaged(apr_pool_t *p, const char *column, const char *row,
                           const char *why)
{
    return nmdm_err(p, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0353)
                    "%s: %s cannot be opened: %s; restore it from a backup,"
                    " or have it sent anew", row, column, why);
}

static nmdm_err_t *unknown_key(apr_pool_t *p, const char *column,
                               const char *row, const char *id)
{
    return nmdm_err(p, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0352)
                    "%s: %s is sealed with the key %s, which NanoMDMStorageKey"
                    " does not name; write it after the others", row, column,
                    apr_pstrmemdup(p, id, ID_LEN));
}

/* What is between mark and end, if the whole has that form. */
static int take_apart(const char **id, nmdm_bytes_t *raw, apr_pool_t *p,
                      nmdm_bytes_t stored)
{
    const char *text;
    apr_size_t len, i;

    if (stored.len < NMDM_SEAL_HEAD + END_LEN
        || stored.data[NMDM_SEAL_HEAD - 1] != ' '
        || memcmp(stored.data + stored.len - END_LEN, END, END_LEN)) {
        return 0;
    }
    *id = stored.data + MARK_LEN;
    for (i = 0; i < ID_LEN; i++) {
        if (!apr_isxdigit((*id)[i])) {
            return 0;
        }
    }
    text = stored.data + NMDM_SEAL_HEAD;
    len = stored.len - NMDM_SEAL_HEAD - END_LEN;
    /* Of the ways to write the same bytes only ours, so that no byte can be
     * changed. */
    return len < INT_MAX && nmdm_base64_decode(raw, p, text, len, 0)
        && raw->len >= NONCE_LEN + TAG_LEN
        && !strncmp(nmdm_base64_encode(p, *raw), text, len);
}

nmdm_err_t *nmdm_seal_open(nmdm_bytes_t *secret, apr_pool_t *p,
                           const nmdm_seal_t *keys, const char *column,
                           const char *row, nmdm_bytes_t stored)
{
    const nmdm_key_t *key;
    unsigned char *out, *in;
    nmdm_bytes_t raw;
    const char *id;
    apr_size_t len;

    if (!is_sealed(stored)) {
        *secret = stored;
        return NULL;
    }
    if (!take_apart(&id, &raw, p, stored)) {
        return damaged(p, column, row, "it is cut off or changed");
    }
    key = find_key(keys, id);
    if (!key) {
        return unknown_key(p, column, row, id);
    }
    in = (unsigned char *)raw.data;
    len = raw.len - NONCE_LEN - TAG_LEN;
    out = apr_palloc(p, len + 1);
    if (!run_cipher(0, out, in + raw.len - TAG_LEN, key, in,
                    place_of(p, column, row), in + NONCE_LEN, len)) {
        return damaged(p, column, row, "it was changed, or is of another"
                                       " row");
    }
    out[len] = '\0';
    secret->data = (const char *)out;
    secret->len = len;
    return NULL;
}
