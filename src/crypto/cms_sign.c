/* SPDX-License-Identifier: Apache-2.0 */
/* cms_sign.c -- signed profiles: a signer and what it signs. */

#include "crypto/cms_sign.h"
#include "crypto/x509.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits.h>
#include <string.h>

struct nmdm_cms_sign_t {
    X509 *x509;
    EVP_PKEY *key;
    STACK_OF(X509) *chain;
};

static apr_status_t free_signer(void *baton)
{
    nmdm_cms_sign_t *signer = baton;

    X509_free(signer->x509);
    EVP_PKEY_free(signer->key);
    sk_X509_pop_free(signer->chain, X509_free);
    return APR_SUCCESS;
}

/* ---- Reading ---- */

static nmdm_err_t *unusable(apr_pool_t *p, const char *why)
{
    ERR_clear_error();
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0330) "%s", why);
}

/* An encrypted key has no one to ask for its password. */
static int no_password(char *buffer, int size, int writing, void *baton)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)baton;
    return -1;
}

static EVP_PKEY *read_key(nmdm_bytes_t pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

    BIO_free(bio);
    return key;
}

/* The certificate of the key becomes the signer's, whatever its place. */
static void read_certs(nmdm_cms_sign_t *signer, nmdm_bytes_t pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *x509;

    while ((x509 = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        if (!signer->x509 && X509_check_private_key(x509, signer->key)) {
            signer->x509 = x509;
        }
        else {
            sk_X509_push(signer->chain, x509);
        }
    }
    BIO_free(bio);
    ERR_clear_error();
}

nmdm_err_t *nmdm_cms_sign_read(nmdm_cms_sign_t **out, apr_pool_t *p,
                               nmdm_bytes_t pem)
{
    nmdm_cms_sign_t *signer = apr_pcalloc(p, sizeof(*signer));

    *out = NULL;
    if (pem.len > INT_MAX) {
        return unusable(p, "too large for a certificate, a chain and a key");
    }
    signer->chain = sk_X509_new_null();
    signer->key = read_key(pem);
    apr_pool_cleanup_register(p, signer, free_signer, apr_pool_cleanup_null);
    if (!signer->key) {
        return unusable(p, "no private key in PEM without a password; append"
                           " it to the certificate and its chain");
    }
    read_certs(signer, pem);
    if (!signer->x509) {
        return unusable(p, "no certificate in PEM that belongs to the private"
                           " key; put both into one file");
    }
    *out = signer;
    return NULL;
}

apr_time_t nmdm_cms_sign_ends(const nmdm_cms_sign_t *signer)
{
    return nmdm_x509_time(X509_get0_notAfter(signer->x509));
}

/* ---- Signing ---- */

static CMS_ContentInfo *sign(const nmdm_cms_sign_t *signer, BIO *content)
{
    const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP;
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, signer->chain, content,
                                    flags | CMS_PARTIAL);

    if (cms && CMS_add1_signer(cms, signer->x509, signer->key, EVP_sha256(),
                               flags)
        && CMS_final(cms, content, NULL, flags)) {
        return cms;
    }
    CMS_ContentInfo_free(cms);
    return NULL;
}

nmdm_err_t *nmdm_cms_sign(nmdm_bytes_t *out, apr_pool_t *p,
                          const nmdm_cms_sign_t *signer, nmdm_bytes_t content)
{
    BIO *in = content.len <= INT_MAX
        ? BIO_new_mem_buf(content.data, (int)content.len) : NULL;
    CMS_ContentInfo *cms = in ? sign(signer, in) : NULL;
    int len = cms ? i2d_CMS_ContentInfo(cms, NULL) : -1;
    nmdm_err_t *err = NULL;
    unsigned char *at;
    char *der;

    if (len > 0) {
        der = apr_palloc(p, (apr_size_t)len + 1);
        at = (unsigned char *)der;
        i2d_CMS_ContentInfo(cms, &at);
        der[len] = '\0';
        *out = (nmdm_bytes_t){ der, (apr_size_t)len };
    }
    else {
        err = nmdm_err(p, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0331)
                       "-: the profile cannot be signed: %s",
                       nmdm_x509_failure(p));
    }
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    return err;
}
