/* SPDX-License-Identifier: Apache-2.0 */
/* scep_reply.c -- CertRep, written by OpenSSL's CMS functions. */

#include "crypto/scep_message.h"
#include "crypto/digest.h"
#include "crypto/scep_parts.h"
#include "crypto/x509.h"

#include <apr_strings.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include <string.h>

#define NONCE_BYTES 16

static nmdm_err_t *failed(apr_pool_t *p)
{
    return nmdm_err(p, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0364)
                    "cannot make a SCEP reply: %s", nmdm_x509_failure(p));
}

static nmdm_bytes_t der_of(apr_pool_t *p, CMS_ContentInfo *cms)
{
    unsigned char *der = NULL;
    int len = cms ? i2d_CMS_ContentInfo(cms, &der) : -1;
    nmdm_bytes_t out = { NULL, 0 };

    if (len > 0) {
        out.data = apr_pmemdup(p, der, (apr_size_t)len);
        out.len = (apr_size_t)len;
    }
    OPENSSL_free(der);
    return out;
}

/* ---- Certificates alone ---- */

static nmdm_bytes_t certs_only(apr_pool_t *p, STACK_OF(X509) *certs)
{
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, certs, NULL,
                                    CMS_DETACHED | CMS_PARTIAL | CMS_BINARY);
    nmdm_bytes_t der = der_of(p, cms);

    CMS_ContentInfo_free(cms);
    return der;
}

nmdm_err_t *nmdm_scep_message_certs(nmdm_bytes_t *out, apr_pool_t *p,
                                    const nmdm_key_pair_t *const *pairs,
                                    int npairs)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    int i;

    for (i = 0; i < npairs; i++) {
        sk_X509_push(certs, pairs[i]->x509);
    }
    *out = certs_only(p, certs);
    sk_X509_free(certs);
    return out->data ? NULL : failed(p);
}

/* ---- The envelope ---- */

/* DES is read where a peer forces it, and never written. */
static const EVP_CIPHER *cipher_for(int nid)
{
    switch (nid) {
    case NID_aes_256_cbc:
        return EVP_aes_256_cbc();
    case NID_aes_192_cbc:
        return EVP_aes_192_cbc();
    case NID_des_ede3_cbc:
        return EVP_des_ede3_cbc();
    }
    return EVP_aes_128_cbc();
}

static nmdm_bytes_t envelop(apr_pool_t *p, const nmdm_scep_message_t *request,
                            nmdm_bytes_t content)
{
    STACK_OF(X509) *to = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(content.data, (int)content.len);
    CMS_ContentInfo *cms;
    nmdm_bytes_t der;

    sk_X509_push(to, request->parts->x509);
    cms = CMS_encrypt(to, bio, cipher_for(request->parts->cipher),
                      CMS_BINARY);
    der = der_of(p, cms);
    CMS_ContentInfo_free(cms);
    BIO_free(bio);
    sk_X509_free(to);
    return der;
}

static nmdm_bytes_t make_content(apr_pool_t *p,
                                 const nmdm_scep_message_t *request,
                                 X509 *cert)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    nmdm_bytes_t inner;

    sk_X509_push(certs, cert);
    inner = certs_only(p, certs);
    sk_X509_free(certs);
    return inner.data ? envelop(p, request, inner) : inner;
}

/* ---- Attributes ---- */

static int add(CMS_SignerInfo *si, const char *oid, int type,
               const void *bytes, int len)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int is_added = CMS_signed_add1_attr_by_OBJ(si, object, type, bytes, len);

    ASN1_OBJECT_free(object);
    return is_added;
}

static int add_string(CMS_SignerInfo *si, const char *oid, const char *text)
{
    return add(si, oid, V_ASN1_PRINTABLESTRING, text, (int)strlen(text));
}

/* failure is NULL for SUCCESS; text goes with it. */
static int add_attributes(CMS_SignerInfo *si,
                          const struct nmdm_scep_parts_t *request,
                          const char *failure, const char *text)
{
    unsigned char nonce[NONCE_BYTES];

    return nmdm_digest_random(nonce, sizeof(nonce))
        && add_string(si, NMDM_SCEP_OID_TYPE, "3")
        && add_string(si, NMDM_SCEP_OID_STATUS, failure ? "2" : "0")
        && (!failure || (add_string(si, NMDM_SCEP_OID_FAILURE, failure)
                         && add(si, NMDM_SCEP_OID_FAILURE_TEXT,
                                V_ASN1_UTF8STRING, text,
                                (int)strlen(text))))
        && add(si, NMDM_SCEP_OID_TRANSACTION,
               ASN1_STRING_type(request->transaction),
               ASN1_STRING_get0_data(request->transaction),
               ASN1_STRING_length(request->transaction))
        && add(si, NMDM_SCEP_OID_RECIPIENT_NONCE, V_ASN1_OCTET_STRING,
               ASN1_STRING_get0_data(request->nonce),
               ASN1_STRING_length(request->nonce))
        && add(si, NMDM_SCEP_OID_SENDER_NONCE, V_ASN1_OCTET_STRING, nonce,
               sizeof(nonce));
}

/* ---- CertRep ---- */

/* Without content, there is no eContent either. */
static nmdm_err_t *make(nmdm_bytes_t *out, apr_pool_t *p,
                        const nmdm_scep_message_t *request,
                        const nmdm_key_pair_t *signer, nmdm_bytes_t content,
                        const char *failure, const char *text)
{
    unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP
        | (content.data ? 0 : CMS_DETACHED);
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    CMS_SignerInfo *si = cms
        ? CMS_add1_signer(cms, signer->x509, signer->key, EVP_sha256(), flags)
        : NULL;
    BIO *bio = BIO_new_mem_buf(content.data ? content.data : "",
                               (int)content.len);

    *out = (nmdm_bytes_t){ NULL, 0 };
    if (si && add_attributes(si, request->parts, failure, text)
        && CMS_final(cms, bio, NULL, flags)) {
        *out = der_of(p, cms);
    }
    BIO_free(bio);
    CMS_ContentInfo_free(cms);
    return out->data ? NULL : failed(p);
}

nmdm_err_t *nmdm_scep_message_success(nmdm_bytes_t *out, apr_pool_t *p,
                                      const nmdm_scep_message_t *request,
                                      const nmdm_key_pair_t *signer,
                                      X509 *cert)
{
    nmdm_bytes_t content = make_content(p, request, cert);

    return content.data
        ? make(out, p, request, signer, content, NULL, NULL) : failed(p);
}

nmdm_err_t *nmdm_scep_message_failure(nmdm_bytes_t *out, apr_pool_t *p,
                                      const nmdm_scep_message_t *request,
                                      const nmdm_key_pair_t *signer,
                                      nmdm_scep_failure_e failure,
                                      const char *text)
{
    char digit[2] = { (char)('0' + failure), '\0' };

    return make(out, p, request, signer, (nmdm_bytes_t){ NULL, 0 }, digit,
                text);
}
