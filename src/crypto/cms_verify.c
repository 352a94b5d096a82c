/* SPDX-License-Identifier: Apache-2.0 */
/* cms_verify.c -- whether one signer signed one content. */

#include "crypto/cms_verify.h"

#include <openssl/bio.h>
#include <openssl/evp.h>

nmdm_bytes_t nmdm_cms_verify_content(CMS_ContentInfo *cms)
{
    ASN1_OCTET_STRING **content = CMS_get0_content(cms);
    nmdm_bytes_t none = { NULL, 0 }, empty = { "", 0 };

    if (!content || !*content) {
        return none;
    }
    return !ASN1_STRING_length(*content) ? empty
        : (nmdm_bytes_t){ (const char *)ASN1_STRING_get0_data(*content),
                          (apr_size_t)ASN1_STRING_length(*content) };
}

/* A chain of BIOs whose first has the digest of bytes, or NULL. */
static BIO *digest(CMS_SignerInfo *info, nmdm_bytes_t bytes)
{
    BIO *chain = BIO_push(BIO_new(BIO_f_md()), BIO_new(BIO_s_null()));
    X509_ALGOR *algorithm;
    const EVP_MD *md;
    size_t written = 0;

    CMS_SignerInfo_get0_algs(info, NULL, NULL, &algorithm, NULL);
    md = EVP_get_digestbyobj(algorithm->algorithm);
    if (chain && md && BIO_set_md(chain, md)
        && (!bytes.len
            || BIO_write_ex(chain, bytes.data, bytes.len, &written))
        && written == bytes.len) {
        return chain;
    }
    BIO_free_all(chain);
    return NULL;
}

int nmdm_cms_verify_signer(CMS_ContentInfo *cms, CMS_SignerInfo *info,
                           X509 *signer, const nmdm_bytes_t *content)
{
    nmdm_bytes_t bytes = content ? *content : nmdm_cms_verify_content(cms);
    BIO *chain;
    int is_good;

    if (!content && !bytes.data) {
        return 0;
    }
    CMS_SignerInfo_set1_signer_cert(info, signer);
    /* Where there are signed attributes, they are what is signed, and one of
     * them is the digest of the content. */
    if (CMS_signed_get_attr_count(info) >= 0
        && CMS_SignerInfo_verify(info) != 1) {
        return 0;
    }
    chain = digest(info, bytes);
    is_good = chain && CMS_SignerInfo_verify_content(info, chain) == 1;
    BIO_free_all(chain);
    return is_good;
}
