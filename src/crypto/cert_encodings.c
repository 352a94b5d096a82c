/* SPDX-License-Identifier: Apache-2.0 */
/* cert_encodings.c -- the two forms of a certificate that ECDSA signed.
 *
 * Nothing else about a certificate is both unsigned and free. OpenSSL compares
 * the outer AlgorithmIdentifier with the signed one, refuses unused bits in
 * the BIT STRING, a signature value that is not DER, an RSA value above the
 * modulus and an EdDSA scalar above the order; in DSA (r, q - s) is not valid;
 * and what is BER around the signed part is written again as DER before it is
 * hashed. */

#include "crypto/cert_encodings.h"
#include "crypto/digest.h"
#include "crypto/x509.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string.h>

nmdm_bytes_t nmdm_cert_encodings_order(apr_pool_t *p, const X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    nmdm_bytes_t order = { "", 0 };
    unsigned char *data;
    BIGNUM *n = NULL;

    if (key && EVP_PKEY_is_a(key, "EC")
        && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_ORDER, &n)) {
        data = apr_palloc(p, (apr_size_t)BN_num_bytes(n));
        order.len = (apr_size_t)BN_bn2bin(n, data);
        order.data = (const char *)data;
    }
    BN_free(n);
    ERR_clear_error();
    return order;
}

/* (r, n - s) for (r, s), both as DER; the result is the caller's, NULL where s
 * is no number below n. */
static unsigned char *mirror(int *len, const ASN1_BIT_STRING *signature,
                             nmdm_bytes_t order)
{
    const unsigned char *at = ASN1_STRING_get0_data(signature);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, ASN1_STRING_length(signature));
    BIGNUM *n = BN_bin2bn((const unsigned char *)order.data, (int)order.len,
                          NULL);
    BIGNUM *r = sig ? BN_dup(ECDSA_SIG_get0_r(sig)) : NULL;
    BIGNUM *s = BN_new();
    unsigned char *der = NULL;

    if (n && r && s && BN_cmp(ECDSA_SIG_get0_s(sig), n) < 0
        && BN_sub(s, n, ECDSA_SIG_get0_s(sig)) && ECDSA_SIG_set0(sig, r, s)) {
        r = s = NULL;           /* the signature's now */
        *len = i2d_ECDSA_SIG(sig, &der);
    }
    BN_free(n);
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return der;
}

/* The certificate up to its signature, followed by this one. */
static nmdm_bytes_t with_signature(apr_pool_t *p, nmdm_bytes_t der,
                                   int old_len, const unsigned char *signature,
                                   int len)
{
    const unsigned char *start = (const unsigned char *)der.data, *at = start;
    int old = ASN1_object_size(0, old_len + 1, V_ASN1_BIT_STRING);
    int fresh = ASN1_object_size(0, len + 1, V_ASN1_BIT_STRING);
    int tag, class, size;
    unsigned char *out, *to;
    long content;

    ASN1_get_object(&at, &content, &tag, &class, (long)der.len);
    content -= old;
    size = ASN1_object_size(1, (int)content + fresh, V_ASN1_SEQUENCE);
    to = out = apr_palloc(p, (apr_size_t)size);
    ASN1_put_object(&to, 1, (int)content + fresh, V_ASN1_SEQUENCE,
                    V_ASN1_UNIVERSAL);
    memcpy(to, at, (size_t)content);
    to += content;
    ASN1_put_object(&to, 0, len + 1, V_ASN1_BIT_STRING, V_ASN1_UNIVERSAL);
    *to++ = 0;                  /* no unused bits */
    memcpy(to, signature, (size_t)len);
    return (nmdm_bytes_t){ (const char *)out, (apr_size_t)size };
}

nmdm_cert_t *nmdm_cert_encodings_other(apr_pool_t *p, const nmdm_cert_t *cert)
{
    const ASN1_BIT_STRING *signature;
    nmdm_cert_t *other = NULL;
    unsigned char *mirrored;
    X509 *x509 = NULL;
    int len = 0;

    if (!cert->order.len || !nmdm_x509_parse(&x509, cert->der)) {
        X509_free(x509);
        return NULL;
    }
    X509_get0_signature(&signature, NULL, x509);
    mirrored = mirror(&len, signature, cert->order);
    if (mirrored && len > 0) {
        other = apr_pcalloc(p, sizeof(*other));
        other->der = with_signature(p, cert->der,
                                    ASN1_STRING_length(signature), mirrored,
                                    len);
        other->sha256 = nmdm_digest_sha256(p, other->der);
        other->other_sha256 = cert->sha256;
        other->order = cert->order;
    }
    OPENSSL_free(mirrored);
    X509_free(x509);
    ERR_clear_error();
    return other;
}

const char *nmdm_cert_encodings_name(const nmdm_cert_t *cert)
{
    return cert->other_sha256 && strcmp(cert->other_sha256, cert->sha256) < 0
        ? cert->other_sha256 : cert->sha256;
}
