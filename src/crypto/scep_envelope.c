/* SPDX-License-Identifier: Apache-2.0 */
/* scep_envelope.c -- the recipient and the cipher of a SCEP request, and the
 * CSR in it. */

#include "crypto/scep_message.h"
#include "base/text.h"
#include "crypto/scep_parts.h"

#include <apr_strings.h>

#include <openssl/asn1t.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

/* ---- The legacy provider, in a context of its own ---- */

/* So that nothing else in this process gains DES. Made while httpd starts, for
 * as long as its configuration. */
static OSSL_LIB_CTX *legacy_context;

static apr_status_t free_context(void *unused)
{
    (void)unused;
    OSSL_LIB_CTX_free(legacy_context);
    legacy_context = NULL;
    return APR_SUCCESS;
}

static OSSL_LIB_CTX *make_legacy_context(void)
{
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();

    if (context && OSSL_PROVIDER_load(context, "default")
        && OSSL_PROVIDER_load(context, "legacy")) {
        return context;
    }
    OSSL_LIB_CTX_free(context);
    ERR_clear_error();
    return NULL;
}

static apr_status_t free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

int nmdm_issuer_add_legacy(nmdm_key_pair_t *pair, apr_pool_t *p)
{
    unsigned char *der = NULL;
    const unsigned char *at;
    int len;

    if (pair->legacy_key) {
        return 1;
    }
    if (!legacy_context) {
        legacy_context = make_legacy_context();
        apr_pool_cleanup_register(p, NULL, free_context,
                                  apr_pool_cleanup_null);
    }
    len = legacy_context ? i2d_PrivateKey(pair->key, &der) : 0;
    at = der;
    pair->legacy_key = len > 0
        ? d2i_AutoPrivateKey_ex(NULL, &at, len, legacy_context, NULL) : NULL;
    OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
    if (pair->legacy_key) {
        apr_pool_cleanup_register(p, pair->legacy_key, free_key,
                                  apr_pool_cleanup_null);
    }
    return pair->legacy_key != NULL;
}

/* ---- The envelope ---- */

/* OpenSSL does not return the cipher of an encrypted content, so that much of
 * EnvelopedData (RFC 5652 6.1) is read by a template. */
typedef struct {
    ASN1_OBJECT *type;
    X509_ALGOR *cipher;
    ASN1_OCTET_STRING *content;
} encrypted_t;

typedef struct {
    ASN1_INTEGER *version;
    ASN1_STRING *originator;
    STACK_OF(ASN1_TYPE) *recipients;
    encrypted_t *encrypted;
    STACK_OF(X509_ATTRIBUTE) *attributes;
} enveloped_t;

typedef struct {
    ASN1_OBJECT *type;
    enveloped_t *enveloped;
} content_t;

ASN1_NDEF_SEQUENCE(encrypted_t) = {
    ASN1_SIMPLE(encrypted_t, type, ASN1_OBJECT),
    ASN1_SIMPLE(encrypted_t, cipher, X509_ALGOR),
    ASN1_IMP_OPT(encrypted_t, content, ASN1_OCTET_STRING_NDEF, 0)
} static_ASN1_NDEF_SEQUENCE_END(encrypted_t)

ASN1_NDEF_SEQUENCE(enveloped_t) = {
    ASN1_SIMPLE(enveloped_t, version, ASN1_INTEGER),
    ASN1_IMP_OPT(enveloped_t, originator, ASN1_SEQUENCE, 0),
    ASN1_SET_OF(enveloped_t, recipients, ASN1_ANY),
    ASN1_SIMPLE(enveloped_t, encrypted, encrypted_t),
    ASN1_IMP_SET_OF_OPT(enveloped_t, attributes, X509_ATTRIBUTE, 1)
} static_ASN1_NDEF_SEQUENCE_END(enveloped_t)

ASN1_NDEF_SEQUENCE(content_t) = {
    ASN1_SIMPLE(content_t, type, ASN1_OBJECT),
    ASN1_EXP(content_t, enveloped, enveloped_t, 0)
} static_ASN1_NDEF_SEQUENCE_END(content_t)

/* The NID of the cipher, NID_undef for what is no envelope. */
static int cipher_of(nmdm_bytes_t envelope)
{
    const unsigned char *at = (const unsigned char *)envelope.data;
    content_t *content = (content_t *)ASN1_item_d2i(
        NULL, &at, (long)envelope.len, ASN1_ITEM_rptr(content_t));
    int nid = NID_undef;

    if (content && OBJ_obj2nid(content->type) == NID_pkcs7_enveloped) {
        nid = OBJ_obj2nid(content->enveloped->encrypted->cipher->algorithm);
        nid = nid == NID_undef ? -1 : nid;
    }
    ASN1_item_free((ASN1_VALUE *)content, ASN1_ITEM_rptr(content_t));
    ERR_clear_error();
    return nid;
}

static CMS_ContentInfo *parse_envelope(nmdm_bytes_t envelope,
                                       OSSL_LIB_CTX *context)
{
    const unsigned char *at = (const unsigned char *)envelope.data;
    CMS_ContentInfo *cms = CMS_ContentInfo_new_ex(context, NULL);

    /* On failure it is freed, and cms is NULL. */
    d2i_CMS_ContentInfo(&cms, &at, (long)envelope.len);
    return cms;
}

/* The certificate that a message is encrypted to, as the message names it. */
static const char *recipient_name(apr_pool_t *p, CMS_RecipientInfo *info)
{
    /* Only those of the form that was used are set. */
    ASN1_OCTET_STRING *key_id = NULL;
    ASN1_INTEGER *serial = NULL;
    X509_NAME *issuer = NULL;
    const char *text;
    char *hex, *name;
    BIGNUM *number;

    if (!CMS_RecipientInfo_ktri_get0_signer_id(info, &key_id, &issuer,
                                               &serial)) {
        return "no certificate";
    }
    if (key_id) {
        return apr_psprintf(p, "the certificate with key identifier %.64s",
                            nmdm_hex(p, (nmdm_bytes_t){
                                (const char *)ASN1_STRING_get0_data(key_id),
                                (apr_size_t)ASN1_STRING_length(key_id) }));
    }
    number = ASN1_INTEGER_to_BN(serial, NULL);
    hex = number ? BN_bn2hex(number) : NULL;
    name = X509_NAME_oneline(issuer, NULL, 0);
    text = apr_psprintf(p, "the certificate with serial number %.64s of %s",
                        hex ? hex : "?",
                        nmdm_utf8_shortened(p, name ? name : "?",
                                            NMDM_SCEP_NAME_SHOWN));
    OPENSSL_free(name);
    OPENSSL_free(hex);
    BN_free(number);
    return text;
}

/* Which of ours a message is encrypted to, or NULL; *theirs is the certificate
 * that was used instead. */
static const nmdm_key_pair_t *find_recipient(
    const char **theirs, apr_pool_t *p, CMS_ContentInfo *cms,
    const nmdm_scep_recipients_t *recipients)
{
    STACK_OF(CMS_RecipientInfo) *infos = CMS_get0_RecipientInfos(cms);
    int i, k;

    *theirs = "no certificate";
    for (i = 0; i < sk_CMS_RecipientInfo_num(infos); i++) {
        CMS_RecipientInfo *info = sk_CMS_RecipientInfo_value(infos, i);

        if (CMS_RecipientInfo_type(info) != CMS_RECIPINFO_TRANS) {
            continue;
        }
        for (k = 0; k < recipients->npairs; k++) {
            if (!CMS_RecipientInfo_ktri_cert_cmp(info,
                                                 recipients->pairs[k]->x509)) {
                return recipients->pairs[k];
            }
        }
        *theirs = recipient_name(p, info);
    }
    return NULL;
}

static const char *flaw_of_cipher(int nid, const nmdm_scep_recipients_t *to)
{
    switch (nid) {
    case NID_aes_128_cbc:
    case NID_aes_192_cbc:
    case NID_aes_256_cbc:
    case NID_des_ede3_cbc:
        return NULL;
    case NID_des_cbc:
        return to->takes_des ? NULL
            : "it is encrypted with DES; write \"NanoMDMSCEPCipher aes 3des"
              " des\" for clients that know nothing else";
    }
    return "its content cipher is none of AES-CBC and 3DES";
}

void nmdm_scep_message_open(nmdm_scep_message_t *message, apr_pool_t *p,
                            const nmdm_scep_recipients_t *recipients)
{
    struct nmdm_scep_parts_t *parts = message->parts;
    CMS_ContentInfo *cms = parse_envelope(parts->envelope, NULL);
    const char *theirs, *why;
    int nid = cms ? OBJ_obj2nid(CMS_get0_type(cms)) : NID_undef;

    parts->cipher = nid == NID_pkcs7_enveloped ? cipher_of(parts->envelope)
                                               : NID_undef;
    if (nid == NID_id_smime_ct_authEnvelopedData) {
        nmdm_scep_parts_flaw(message, NMDM_SCEP_BAD_ALG,
                             flaw_of_cipher(NID_undef, recipients));
    }
    else if (parts->cipher == NID_undef) {
        nmdm_scep_parts_flaw(message, NMDM_SCEP_BAD_MESSAGE_CHECK,
                             "its content is not enveloped data");
    }
    else {
        message->recipient = find_recipient(&theirs, p, cms, recipients);
        why = flaw_of_cipher(parts->cipher, recipients);
        if (why) {
            nmdm_scep_parts_flaw(message, NMDM_SCEP_BAD_ALG, why);
        }
        else if (!message->recipient) {
            nmdm_scep_parts_flaw(
                message, NMDM_SCEP_BAD_MESSAGE_CHECK,
                apr_psprintf(
                    p,
                    "it is encrypted to %s and not to this server's; the"
                    " client has an old CA certificate and has to ask again"
                    " (GetCACert)",
                    theirs));
        }
    }
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
}

/* ---- The CSR ---- */

/* What decrypts to nothing and what decrypts to rubbish go on alike. */
static nmdm_bytes_t decrypt(const nmdm_scep_message_t *message, apr_pool_t *p)
{
    int is_des = message->parts->cipher == NID_des_cbc;
    CMS_ContentInfo *cms = parse_envelope(message->parts->envelope,
                                          is_des ? legacy_context : NULL);
    BIO *bio = BIO_new(BIO_s_mem());
    nmdm_bytes_t content = { "", 0 };
    char *data;
    long len;

    if (cms && CMS_decrypt(cms, is_des ? message->recipient->legacy_key
                                       : message->recipient->key,
                           message->recipient->x509, NULL, bio, CMS_BINARY)
               == 1) {
        len = BIO_get_mem_data(bio, &data);
        content.data = apr_pstrmemdup(p, data, (apr_size_t)len);
        content.len = (apr_size_t)len;
    }
    BIO_free(bio);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return content;
}

void nmdm_scep_message_csr(nmdm_scep_message_t *message, nmdm_csr_t *csr,
                           apr_pool_t *p)
{
    const char *why;

    switch (nmdm_csr_read(csr, &why, p, decrypt(message, p))) {
    case NMDM_CSR_GOOD:
        break;
    case NMDM_CSR_WEAK_KEY:
        nmdm_scep_parts_flaw(message, NMDM_SCEP_BAD_ALG, why);
        break;
    default:
        nmdm_scep_parts_flaw(
            message, NMDM_SCEP_BAD_MESSAGE_CHECK,
            "its content is no certificate request that can be read and"
            " verified");
    }
}
