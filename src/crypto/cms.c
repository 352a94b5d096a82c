/* SPDX-License-Identifier: Apache-2.0 */
/* cms.c -- Mdm-Signature: who signed a message. */

#include "crypto/cms.h"
#include "crypto/cms_verify.h"
#include "crypto/x509.h"

#include <openssl/cms.h>
#include <openssl/err.h>

#include <string.h>

static nmdm_err_t *bad_signature(apr_pool_t *p, const char *why)
{
    ERR_clear_error();
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0310) "Mdm-Signature refused: %s", why);
}

static int digest_is_allowed(int nid)
{
    return nid == NID_sha1 || nid == NID_sha256 || nid == NID_sha384
        || nid == NID_sha512;
}

/* RSA PKCS#1 v1.5 by either of its names, or ECDSA. */
static int signature_is_allowed(int nid)
{
    switch (nid) {
    case NID_rsaEncryption:
    case NID_sha1WithRSAEncryption:
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_X9_62_id_ecPublicKey:
    case NID_ecdsa_with_SHA1:
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
        return 1;
    }
    return 0;
}

/* Who signed is not known yet: a stranger's key of another kind, or with a long
 * exponent, would take many times as long to verify. */
static int key_is_allowed(X509 *x509)
{
    EVP_PKEY *key = X509_get0_pubkey(x509);

    switch (key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
    case EVP_PKEY_RSA:
        return nmdm_x509_exponent_bits(key) <= NMDM_X509_EXPONENT_BITS;
    case EVP_PKEY_EC:
        return 1;
    }
    return 0;
}

/* The certificate among those in the message that a signer names. Owned by
 * the stack. */
static X509 *find_signer(STACK_OF(X509) *certs, CMS_SignerInfo *si)
{
    int i;

    for (i = 0; i < sk_X509_num(certs); i++) {
        if (!CMS_SignerInfo_cert_cmp(si, sk_X509_value(certs, i))) {
            return sk_X509_value(certs, i);
        }
    }
    return NULL;
}

/* A signing time, where there is one, lies within the certificate's life, or
 * at most `grace` after its end. */
static int signing_time_fits(CMS_SignerInfo *si, X509 *x509,
                             apr_interval_time_t grace)
{
    int at = CMS_signed_get_attr_by_NID(si, NID_pkcs9_signingTime, -1);
    ASN1_TYPE *value;
    apr_time_t when;

    if (at < 0) {
        return 1;
    }
    value = X509_ATTRIBUTE_get0_type(CMS_signed_get_attr(si, at), 0);
    if (!value || (value->type != V_ASN1_UTCTIME
                   && value->type != V_ASN1_GENERALIZEDTIME)) {
        return 0;
    }
    when = nmdm_x509_time(value->value.asn1_string);
    return when >= nmdm_x509_time(X509_get0_notBefore(x509))
        && when <= nmdm_x509_time(X509_get0_notAfter(x509)) + grace;
}

/* Of what was examined. */
static CMS_SignerInfo *only_signer(CMS_ContentInfo *cms)
{
    return sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
}

/* Whether the one signer of cms is of a kind we accept; *x509 is its
 * certificate. NULL means yes, else why not. */
static const char *examine_signer(X509 **x509, CMS_ContentInfo *cms,
                                  STACK_OF(X509) *certs,
                                  apr_interval_time_t grace)
{
    STACK_OF(CMS_SignerInfo) *signers;
    CMS_SignerInfo *si;
    ASN1_OCTET_STRING *key_id = NULL;
    X509_ALGOR *digest, *signature;
    int nid;

    if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed) {
        return "not signed data";
    }
    signers = CMS_get0_SignerInfos(cms);
    if (sk_CMS_SignerInfo_num(signers) != 1) {
        return "not exactly one signer";
    }
    si = only_signer(cms);
    if (!CMS_SignerInfo_get0_signer_id(si, &key_id, NULL, NULL) || key_id) {
        return "the signer is not named by issuer and serial number";
    }
    *x509 = find_signer(certs, si);
    if (!*x509) {
        return "the signer's certificate is missing";
    }
    if (!key_is_allowed(*x509)) {
        return "the signer's key is neither RSA nor EC, or has an exponent"
               " above 2^256";
    }
    CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, &signature);
    if (!digest_is_allowed(OBJ_obj2nid(digest->algorithm))) {
        return "digest algorithm not accepted";
    }
    nid = OBJ_obj2nid(signature->algorithm);
    if (!signature_is_allowed(nid)) {
        return "signature algorithm not accepted";
    }
    if (!signing_time_fits(si, *x509, grace)) {
        return "signed outside the certificate's period of validity";
    }
    return NULL;
}

/* NULL is a body that is not there yet. */
static nmdm_err_t *signer_of(nmdm_cert_t **out, apr_pool_t *p,
                             const char *base64, const nmdm_bytes_t *body,
                             apr_interval_time_t grace)
{
    CMS_ContentInfo *cms = NULL;
    STACK_OF(X509) *certs = NULL;
    nmdm_err_t *err = NULL;
    X509 *x509 = NULL;
    const unsigned char *at;
    nmdm_bytes_t der;
    const char *why;

    if (!nmdm_base64_decode(&der, p, base64, strlen(base64), 0)) {
        return bad_signature(p, "not base64");
    }
    at = (const unsigned char *)der.data;
    cms = d2i_CMS_ContentInfo(NULL, &at, (long)der.len);
    if (!cms) {
        err = bad_signature(p, "not a CMS structure");
        goto done;
    }
    certs = CMS_get1_certs(cms);
    why = examine_signer(&x509, cms, certs, grace);
    if (why) {
        err = bad_signature(p, why);
        goto done;
    }
    if (body && !nmdm_cms_verify_signer(cms, only_signer(cms), x509, body)) {
        err = bad_signature(p, "it does not sign this body");
        goto done;
    }
    *out = nmdm_x509_cert(p, x509);
done:
    sk_X509_pop_free(certs, X509_free);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return err;
}

nmdm_err_t *nmdm_cms_signer(nmdm_cert_t **out, apr_pool_t *p,
                            const char *base64, nmdm_bytes_t body,
                            apr_interval_time_t grace)
{
    return signer_of(out, p, base64, &body, grace);
}

nmdm_err_t *nmdm_cms_claimed_signer(nmdm_cert_t **out, apr_pool_t *p,
                                    const char *base64,
                                    apr_interval_time_t grace)
{
    return signer_of(out, p, base64, NULL, grace);
}
