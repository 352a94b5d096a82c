/* SPDX-License-Identifier: Apache-2.0 */
/* scep_message.c -- requests of SCEP, read by OpenSSL's CMS functions. */

#include "crypto/scep_message.h"
#include "base/text.h"
#include "crypto/cms_verify.h"
#include "crypto/digest.h"
#include "crypto/scep_parts.h"
#include "crypto/x509.h"

#include <apr_strings.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

#define MAX_CERTS 8
#define MAX_TRANSACTION 255
#define MAX_NONCE 64

static nmdm_err_t *unusable(apr_pool_t *p, const char *why)
{
    ERR_clear_error();
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0363)
                    "PKIOperation refused: %s", why);
}

void nmdm_scep_parts_flaw(nmdm_scep_message_t *message,
                          nmdm_scep_failure_e failure, const char *why)
{
    ERR_clear_error();
    message->failure = failure;
    message->flaw = why;
}

/* ---- Attributes ---- */

/* The value of the one attribute of this OID, which has one value; or NULL. */
static ASN1_TYPE *attribute(CMS_SignerInfo *si, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = CMS_signed_get_attr_by_OBJ(si, object, -1);
    int again = at < 0 ? -1 : CMS_signed_get_attr_by_OBJ(si, object, at);
    X509_ATTRIBUTE *attr = at < 0 || again >= 0 ? NULL
                                                : CMS_signed_get_attr(si, at);

    ASN1_OBJECT_free(object);
    return attr && X509_ATTRIBUTE_count(attr) == 1
        ? X509_ATTRIBUTE_get0_type(attr, 0) : NULL;
}

/* The string in it, of up to `most` bytes; or NULL. */
static ASN1_STRING *string_of(const ASN1_TYPE *value, int most)
{
    ASN1_STRING *string;

    switch (value ? value->type : V_ASN1_UNDEF) {
    case V_ASN1_OCTET_STRING:
    case V_ASN1_UTF8STRING:
    case V_ASN1_NUMERICSTRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_T61STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_VISIBLESTRING:
    case V_ASN1_GENERALSTRING:
    case V_ASN1_UNIVERSALSTRING:
    case V_ASN1_BMPSTRING:
        string = value->value.asn1_string;
        return ASN1_STRING_length(string) >= 1
            && ASN1_STRING_length(string) <= most ? string : NULL;
    }
    return NULL;
}

static int type_of(const ASN1_STRING *string)
{
    const char *digits = string ? (const char *)ASN1_STRING_get0_data(string)
                                : "";
    int len = string ? ASN1_STRING_length(string) : 0;

    return (len == 1 || len == 2) && strspn(digits, "0123456789")
               == (size_t)len ? atoi(digits) : -1;
}

/* As it may be written to a log and a column. */
static const char *transaction_text(apr_pool_t *p, const ASN1_STRING *id)
{
    nmdm_bytes_t bytes = { (const char *)ASN1_STRING_get0_data(id),
                           (apr_size_t)ASN1_STRING_length(id) };
    apr_size_t i;

    for (i = 0; i < bytes.len; i++) {
        if (bytes.data[i] < 0x21 || bytes.data[i] > 0x7e) {
            return apr_pstrcat(p, "sha256:", nmdm_digest_sha256(p, bytes),
                               NULL);
        }
    }
    return apr_pstrmemdup(p, bytes.data, bytes.len);
}

static const char *read_attributes(nmdm_scep_message_t *out, apr_pool_t *p)
{
    struct nmdm_scep_parts_t *parts = out->parts;
    ASN1_TYPE *nonce;

    out->type = type_of(string_of(attribute(parts->signer,
                                            NMDM_SCEP_OID_TYPE), 2));
    parts->transaction = string_of(attribute(parts->signer,
                                             NMDM_SCEP_OID_TRANSACTION),
                                   MAX_TRANSACTION);
    nonce = attribute(parts->signer, NMDM_SCEP_OID_SENDER_NONCE);
    parts->nonce = nonce && nonce->type == V_ASN1_OCTET_STRING
        ? string_of(nonce, MAX_NONCE) : NULL;
    if (!parts->transaction) {
        return "no transactionID of 1 to 255 bytes";
    }
    out->transaction = transaction_text(p, parts->transaction);
    if (!parts->nonce) {
        return "no senderNonce of 1 to 64 bytes";
    }
    if (out->type < NMDM_SCEP_RENEWAL_REQ || out->type > NMDM_SCEP_GET_CRL) {
        return "its messageType is not one of a request";
    }
    return NULL;
}

/* ---- The signer ---- */

static const char *find_signer(struct nmdm_scep_parts_t *parts, apr_pool_t *p)
{
    STACK_OF(CMS_SignerInfo) *signers;
    STACK_OF(X509) *certs;
    const char *why = NULL;
    int i;

    if (OBJ_obj2nid(CMS_get0_type(parts->cms)) != NID_pkcs7_signed) {
        return "not signed data";
    }
    signers = CMS_get0_SignerInfos(parts->cms);
    if (sk_CMS_SignerInfo_num(signers) != 1) {
        return "not exactly one signer";
    }
    parts->signer = sk_CMS_SignerInfo_value(signers, 0);
    certs = CMS_get1_certs(parts->cms);
    if (sk_X509_num(certs) > MAX_CERTS) {
        why = "more than 8 certificates";
    }
    for (i = 0; i < sk_X509_num(certs) && !why && !parts->x509; i++) {
        if (!CMS_SignerInfo_cert_cmp(parts->signer, sk_X509_value(certs, i))) {
            parts->x509 = sk_X509_value(certs, i);
            X509_up_ref(parts->x509);
            nmdm_x509_free_with(p, parts->x509);
        }
    }
    sk_X509_pop_free(certs, X509_free);
    return why || parts->x509 ? why : "the signer's certificate is missing";
}

static const char *key_digest(apr_pool_t *p, X509 *x509)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
    nmdm_bytes_t spki = { (char *)der, len > 0 ? (apr_size_t)len : 0 };
    const char *digest = nmdm_digest_sha256(p, spki);

    OPENSSL_free(der);
    return digest;
}

static void describe_signer(nmdm_scep_message_t *out, apr_pool_t *p)
{
    X509 *x509 = out->parts->x509;
    BIO *bio = BIO_new(BIO_s_mem());

    X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0,
                       XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    out->signer_name = nmdm_utf8_shortened(p, nmdm_x509_text(p, bio),
                                           NMDM_SCEP_NAME_SHOWN);
    BIO_free(bio);
    out->signer_sha256 = nmdm_x509_cert(p, x509)->sha256;
    out->signer_key = key_digest(p, x509);
    out->signer_ends = nmdm_x509_time(X509_get0_notAfter(x509));
    out->is_self_signed = !X509_NAME_cmp(X509_get_subject_name(x509),
                                         X509_get_issuer_name(x509));
}

static int is_digest(int nid)
{
    return nid == NID_sha1 || nid == NID_sha224 || nid == NID_sha256
        || nid == NID_sha384 || nid == NID_sha512;
}

static int is_signature(int nid)
{
    switch (nid) {
    case NID_rsaEncryption:
    case NID_sha1WithRSAEncryption:
    case NID_sha1WithRSA:
    case NID_sha224WithRSAEncryption:
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_rsassaPss:
        return 1;
    }
    return 0;
}

static const char *flaw_of_algorithms(const struct nmdm_scep_parts_t *parts,
                                      apr_pool_t *p)
{
    EVP_PKEY *key = X509_get0_pubkey(parts->x509);
    int bits = key ? EVP_PKEY_get_bits(key) : 0;
    X509_ALGOR *digest, *signature;

    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        return "its signer's key is not RSA";
    }
    if (bits < 2048 || bits > 4096) {
        return apr_psprintf(p, "its signer's key has %d bits, not 2048 to"
                            " 4096; write Keysize 2048 into the SCEP payload,"
                            " whose default is 1024", bits);
    }
    if (nmdm_x509_exponent_bits(key) > NMDM_X509_EXPONENT_BITS) {
        return "its signer's key has an exponent above 2^256";
    }
    CMS_SignerInfo_get0_algs(parts->signer, NULL, NULL, &digest, &signature);
    if (!is_digest(OBJ_obj2nid(digest->algorithm))) {
        return "its digest algorithm is not accepted";
    }
    return is_signature(OBJ_obj2nid(signature->algorithm)) ? NULL
        : "its signature algorithm is not accepted";
}

/* ---- Reading ---- */

static apr_status_t free_cms(void *cms)
{
    CMS_ContentInfo_free(cms);
    return APR_SUCCESS;
}

static int parse(struct nmdm_scep_parts_t *parts, apr_pool_t *p,
                 nmdm_bytes_t der)
{
    const unsigned char *at = (const unsigned char *)der.data;
    const unsigned char *end = at + der.len;

    parts->cms = d2i_CMS_ContentInfo(NULL, &at, (long)der.len);
    if (!parts->cms) {
        return 0;
    }
    apr_pool_cleanup_register(p, parts->cms, free_cms,
                              apr_pool_cleanup_null);
    return at == end;
}

static int verify(struct nmdm_scep_parts_t *parts)
{
    int is_good = nmdm_cms_verify_signer(parts->cms, parts->signer,
                                         parts->x509, NULL);

    if (is_good) {
        parts->envelope = nmdm_cms_verify_content(parts->cms);
    }
    ERR_clear_error();
    return is_good;
}

nmdm_err_t *nmdm_scep_message_read(nmdm_scep_message_t *out, apr_pool_t *p,
                                   nmdm_bytes_t der)
{
    const char *why;

    memset(out, 0, sizeof(*out));
    out->parts = apr_pcalloc(p, sizeof(*out->parts));
    if (der.len > NMDM_SCEP_LONGEST) {
        return unusable(p, "longer than 64 KiB");
    }
    if (!parse(out->parts, p, der)) {
        return unusable(p, "not one CMS structure");
    }
    why = find_signer(out->parts, p);
    if (!why) {
        why = read_attributes(out, p);
    }
    if (why) {
        return unusable(p, why);
    }
    describe_signer(out, p);
    why = flaw_of_algorithms(out->parts, p);
    if (why) {
        nmdm_scep_parts_flaw(out, NMDM_SCEP_BAD_ALG, why);
    }
    else if (!verify(out->parts)) {
        nmdm_scep_parts_flaw(out, NMDM_SCEP_BAD_MESSAGE_CHECK,
                             "its signature does not verify");
    }
    return NULL;
}
