/* SPDX-License-Identifier: Apache-2.0 */
/* csr.c -- PKCS#10 requests: what they ask for, and whose key they have. */

#include "crypto/issuer.h"
#include "crypto/digest.h"
#include "crypto/x509.h"

#include <apr_strings.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string.h>

/* A challengePassword has at most 255 characters (RFC 2985 5.4.1). */
#define MAX_CHALLENGE 1020

/* Of ASN1_get_object. */
#define ASN1_ERROR 0x80
#define ASN1_INDEFINITE 0x01

/* Bytes of an RSA key beside the modulus: the longest exponent that is taken
 * and the headers. */
#define ROOM 64

static apr_status_t free_req(void *req)
{
    X509_REQ_free(req);
    return APR_SUCCESS;
}

/* RSA of 2048 to 4096 bits whose exponent is 65537 or more, and of a usual
 * length. */
static const char *flaw_of_rsa(apr_pool_t *p, EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key), exponent;

    if (bits < 2048 || bits > 4096) {
        return apr_psprintf(p, "its RSA key has %d bits, not 2048 to 4096;"
                            " write Keysize 2048 into the SCEP payload, whose"
                            " default is 1024", bits);
    }
    exponent = nmdm_x509_exponent_bits(key);
    return exponent < 17 ? "its RSA key has an exponent below 65537"
        : exponent > NMDM_X509_EXPONENT_BITS
        ? "its RSA key has an exponent above 2^256" : NULL;
}

static const char *flaw_of_ec(EVP_PKEY *key)
{
    char group[80];
    int is_explicit = 0;

    if (!EVP_PKEY_get_group_name(key, group, sizeof(group), NULL)
        || (strcmp(group, SN_X9_62_prime256v1)
            && strcmp(group, SN_secp384r1))) {
        return "its curve is neither P-256 nor P-384";
    }
    EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                           &is_explicit);
    return is_explicit ? "its curve is not named" : NULL;
}

static const char *flaw_of_key(apr_pool_t *p, EVP_PKEY *key)
{
    switch (key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
    case EVP_PKEY_RSA:
        return flaw_of_rsa(p, key);
    case EVP_PKEY_EC:
        return flaw_of_ec(key);
    }
    return "its key is neither RSA nor EC";
}

/* The one challengePassword as text; "" when there is none that can be one. */
static const char *challenge_of(apr_pool_t *p, X509_REQ *req)
{
    int at = X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1);
    X509_ATTRIBUTE *attr = at < 0 ? NULL : X509_REQ_get_attr(req, at);
    ASN1_TYPE *value = attr && X509_ATTRIBUTE_count(attr) == 1
        ? X509_ATTRIBUTE_get0_type(attr, 0) : NULL;
    unsigned char *text = NULL;
    const char *result = "";
    int len;

    if (!value || value->type == V_ASN1_SEQUENCE || value->type == V_ASN1_SET
        || value->type == V_ASN1_OBJECT || value->type == V_ASN1_BOOLEAN
        || value->type == V_ASN1_NULL
        || X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, at)
           >= 0) {
        return "";
    }
    len = ASN1_STRING_to_UTF8(&text, value->value.asn1_string);
    if (len > 0 && len <= MAX_CHALLENGE && !memchr(text, 0, (size_t)len)) {
        result = apr_pstrmemdup(p, (char *)text, (apr_size_t)len);
    }
    OPENSSL_free(text);
    return result;
}

static const char *key_digest(apr_pool_t *p, X509_REQ *req)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &der);
    nmdm_bytes_t spki = { (char *)der, len > 0 ? (apr_size_t)len : 0 };
    const char *digest = nmdm_digest_sha256(p, spki);

    OPENSSL_free(der);
    return digest;
}

static const char *subject_of(apr_pool_t *p, X509_REQ *req)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text;

    X509_NAME_print_ex(bio, X509_REQ_get_subject_name(req), 0,
                       XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    text = nmdm_x509_text(p, bio);
    BIO_free(bio);
    return text;
}

/* Whether an RSA key is the numbers of its size in DER and no more: its bytes
 * go into the certificate as they are. OpenSSL checks those of a point. */
static int is_exact(X509_REQ *req, EVP_PKEY *key)
{
    const unsigned char *bytes = NULL, *at;
    long its_len = 0;
    int len = 0, tag, class, flags;

    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        return 1;
    }
    X509_PUBKEY_get0_param(NULL, &bytes, &len, NULL,
                           X509_REQ_get_X509_PUBKEY(req));
    at = bytes;
    flags = ASN1_get_object(&at, &its_len, &tag, &class, len);
    return !(flags & (ASN1_ERROR | ASN1_INDEFINITE))
        && at + its_len == bytes + len
        && len <= EVP_PKEY_get_bits(key) / 8 + ROOM;
}

/* The key is judged first, so that none of any size is computed with. */
static nmdm_csr_e judge(const char **why, apr_pool_t *p, X509_REQ *req)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(req);

    *why = flaw_of_key(p, key);
    if (*why) {
        return NMDM_CSR_WEAK_KEY;
    }
    return is_exact(req, key) && X509_REQ_verify(req, key) == 1 ? NMDM_CSR_GOOD
                                          : NMDM_CSR_UNREADABLE;
}

nmdm_csr_e nmdm_csr_read(nmdm_csr_t *out, const char **why, apr_pool_t *p,
                         nmdm_bytes_t der)
{
    const unsigned char *at = (const unsigned char *)der.data;
    const unsigned char *end = at + der.len;
    nmdm_csr_e verdict = NMDM_CSR_UNREADABLE;
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)der.len);

    *why = NULL;
    if (req) {
        apr_pool_cleanup_register(p, req, free_req, apr_pool_cleanup_null);
    }
    if (req && at == end) {
        verdict = judge(why, p, req);
    }
    if (verdict == NMDM_CSR_GOOD) {
        out->req = req;
        out->challenge = challenge_of(p, req);
        out->key_sha256 = key_digest(p, req);
        out->subject = subject_of(p, req);
        out->has_rsa_key = EVP_PKEY_get_base_id(X509_REQ_get0_pubkey(req))
            == EVP_PKEY_RSA;
    }
    ERR_clear_error();
    return verdict;
}

const char *nmdm_csr_pem(apr_pool_t *p, const nmdm_csr_t *csr)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *pem;

    PEM_write_bio_X509_REQ(bio, csr->req);
    pem = nmdm_x509_text(p, bio);
    BIO_free(bio);
    return pem;
}
