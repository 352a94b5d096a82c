/* SPDX-License-Identifier: Apache-2.0 */
/* device_cms.c -- what a device signs before it is enrolled. */

#include "crypto/device_cms.h"
#include "crypto/cms_verify.h"
#include "crypto/x509.h"

#include <apr_strings.h>

#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <string.h>

/* Those of a message, and of a path; Apple's has four. */
#define MOST_CERTS 8
#define MOST_DEPTH 8

/* Bits of a signer's RSA key; old devices have 1024. */
#define LEAST_RSA 1024
#define MOST_RSA 4096

struct nmdm_device_cms_cas_t {
    OSSL_LIB_CTX *library;      /* without the policy of the host, which may
                                 * refuse SHA-1 */
    X509_STORE *store;
};

static apr_status_t free_cas(void *baton)
{
    nmdm_device_cms_cas_t *cas = baton;

    X509_STORE_free(cas->store);
    OSSL_LIB_CTX_free(cas->library);
    return APR_SUCCESS;
}

/* ---- The CAs ---- */

/* How many of a PEM text were added. */
static int add_certs(nmdm_device_cms_cas_t *cas, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    int n = 0;

    for (;;) {
        X509 *x509 = X509_new_ex(cas->library, NULL);

        if (!x509 || !PEM_read_bio_X509(bio, &x509, NULL, NULL)) {
            X509_free(x509);
            break;
        }
        n += X509_STORE_add_cert(cas->store, x509);
        X509_free(x509);
    }
    BIO_free(bio);
    ERR_clear_error();
    return n;
}

nmdm_err_t *nmdm_device_cms_read_cas(nmdm_device_cms_cas_t **out,
                                     apr_pool_t *p, const char *pem)
{
    nmdm_device_cms_cas_t *cas = apr_pcalloc(p, sizeof(*cas));
    X509_VERIFY_PARAM *rules;

    cas->library = OSSL_LIB_CTX_new();
    cas->store = X509_STORE_new();
    apr_pool_cleanup_register(p, cas, free_cas, apr_pool_cleanup_null);
    if (!cas->library || !cas->store || !add_certs(cas, pem)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0340)
                        "no certificate in PEM; name a file with the CAs of"
                        " Apple's devices");
    }
    rules = X509_STORE_get0_param(cas->store);
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_NO_CHECK_TIME
                                       | X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(rules, 0);
    X509_VERIFY_PARAM_set_depth(rules, MOST_DEPTH);
    *out = cas;
    return NULL;
}

/* ---- The signer ---- */

static int digest_is_allowed(int nid)
{
    return nid == NID_sha1 || nid == NID_sha224 || nid == NID_sha256
        || nid == NID_sha384 || nid == NID_sha512;
}

static int key_is_allowed(X509 *x509)
{
    EVP_PKEY *key = X509_get0_pubkey(x509);
    int bits = key ? EVP_PKEY_get_bits(key) : 0;

    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        return bits >= LEAST_RSA && bits <= MOST_RSA;
    }
    return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC;
}

static X509 *find_signer(STACK_OF(X509) *certs, CMS_SignerInfo *info)
{
    int i;

    for (i = 0; i < sk_X509_num(certs); i++) {
        if (!CMS_SignerInfo_cert_cmp(info, sk_X509_value(certs, i))) {
            return sk_X509_value(certs, i);
        }
    }
    return NULL;
}

/* NULL when the one signer is of a kind that is looked at further. */
static const char *examine(CMS_SignerInfo **info, X509 **signer,
                           CMS_ContentInfo *cms, STACK_OF(X509) *certs)
{
    STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(cms);
    X509_ALGOR *digest = NULL;
    int i;

    if (sk_CMS_SignerInfo_num(infos) != 1) {
        return "not exactly one signer";
    }
    if (sk_X509_num(certs) > MOST_CERTS) {
        return "more than 8 certificates enclosed";
    }
    *info = sk_CMS_SignerInfo_value(infos, 0);
    *signer = find_signer(certs, *info);
    if (!*signer) {
        return "the signer's certificate is not enclosed";
    }
    CMS_SignerInfo_get0_algs(*info, NULL, NULL, &digest, NULL);
    if (!digest || !digest_is_allowed(OBJ_obj2nid(digest->algorithm))) {
        return "digest algorithm not accepted";
    }
    for (i = 0; i < sk_X509_num(certs); i++) {
        if (!key_is_allowed(sk_X509_value(certs, i))) {
            return "a certificate's key is neither RSA of 1024 to 4096 bits"
                   " nor EC";
        }
    }
    return NULL;
}

static const char *verify_chain(apr_pool_t *p,
                                const nmdm_device_cms_cas_t *cas,
                                X509 *signer, STACK_OF(X509) *certs)
{
    X509_STORE_CTX *path = X509_STORE_CTX_new_ex(cas->library, NULL);
    const char *why = NULL;

    if (!path || !X509_STORE_CTX_init(path, cas->store, signer, certs)) {
        why = "OpenSSL cannot begin to verify it";
    }
    else if (X509_verify_cert(path) != 1) {
        why = apr_psprintf(p, "none of NanoMDMEnrollDeviceCA vouches for its"
                           " signer (%s)", X509_verify_cert_error_string(
                               X509_STORE_CTX_get_error(path)));
    }
    X509_STORE_CTX_free(path);
    return why;
}

/* ---- The message ---- */

/* NULL when it is no signed data with content. */
static CMS_ContentInfo *parse(const nmdm_device_cms_cas_t *cas,
                              nmdm_bytes_t message)
{
    CMS_ContentInfo *cms = CMS_ContentInfo_new_ex(cas->library, NULL);
    const unsigned char *at = (const unsigned char *)message.data;
    ASN1_OCTET_STRING **content;

    if (!cms || !d2i_CMS_ContentInfo(&cms, &at, (long)message.len)) {
        return NULL;            /* freed by d2i when that fails */
    }
    if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed
        || !(content = CMS_get0_content(cms)) || !*content) {
        CMS_ContentInfo_free(cms);
        return NULL;
    }
    return cms;
}

static const char *verify(nmdm_bytes_t *content, apr_pool_t *p,
                          const nmdm_device_cms_cas_t *cas,
                          CMS_ContentInfo *cms)
{
    STACK_OF(X509) *certs = CMS_get1_certs(cms);
    CMS_SignerInfo *info = NULL;
    X509 *signer = NULL;
    const char *why = examine(&info, &signer, cms, certs);

    if (!why) {
        why = verify_chain(p, cas, signer, certs);
    }
    if (!why && !nmdm_cms_verify_signer(cms, info, signer, NULL)) {
        why = "its signature does not verify";
    }
    if (!why) {
        *content = nmdm_cms_verify_content(cms);
        content->data = apr_pstrmemdup(p, content->data, content->len);
    }
    sk_X509_pop_free(certs, X509_free);
    return why;
}

nmdm_err_t *nmdm_device_cms_open(nmdm_bytes_t *content, const char **why,
                                 apr_pool_t *p,
                                 const nmdm_device_cms_cas_t *cas,
                                 nmdm_bytes_t message)
{
    CMS_ContentInfo *cms = message.len <= NMDM_DEVICE_CMS_LONGEST
        ? parse(cas, message) : NULL;

    if (!cms) {
        ERR_clear_error();
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0341)
                        "MachineInfo is no CMS signed data with content");
    }
    *why = verify(content, p, cas, cms);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return NULL;
}
