/* SPDX-License-Identifier: Apache-2.0 */
/* support_certs.c -- certificates, keys and signatures for unit tests. */

#include "support.h"

#include <apr_strings.h>

#include <openssl/cms.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <string.h>

/* ---- Certificates ---- */

static apr_status_t free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

static apr_status_t free_x509(void *x509)
{
    X509_free(x509);
    return APR_SUCCESS;
}

/* RSA keys take long to make: one of a kind serves the whole program. */
static EVP_PKEY *rsa_key(key_kind_e kind)
{
    static EVP_PKEY *keys[KEY_WEAK_RSA + 1];

    if (!keys[kind]) {
        keys[kind] = EVP_RSA_gen(kind == KEY_WEAK_RSA ? 512u : 2048u);
    }
    EVP_PKEY_up_ref(keys[kind]);
    return keys[kind];
}

static void add_extension(X509 *x509, X509 *issuer, int nid,
                          const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    HOLDS(extension, "%s", value);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

static void name_subject(X509 *x509, const wish_t *wish)
{
    X509_NAME *name = X509_get_subject_name(x509);
    const char *cn = wish->name ? wish->name : "test";

    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                               (const unsigned char *)cn, -1, -1, 0);
    if (wish->uid) {
        X509_NAME_add_entry_by_NID(name, NID_userId, MBSTRING_UTF8,
                                   (const unsigned char *)wish->uid, -1, -1,
                                   0);
    }
}

static void date(X509 *x509, const wish_t *wish)
{
    apr_time_t year = apr_time_from_sec(365 * 86400);
    apr_time_t from = wish->from ? wish->from : NOW - year;
    apr_time_t until = wish->until ? wish->until : NOW + year;

    ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)apr_time_sec(from));
    ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)apr_time_sec(until));
}

const identity_t *make_identity(apr_pool_t *p, wish_t wish)
{
    static long serial = 0x1000;
    identity_t *made = apr_palloc(p, sizeof(*made));
    const identity_t *issuer = wish.issuer ? wish.issuer : made;

    made->key = wish.key == KEY_EC ? EVP_EC_gen("P-256") : rsa_key(wish.key);
    apr_pool_cleanup_register(p, made->key, free_key, apr_pool_cleanup_null);
    made->x509 = X509_new();
    apr_pool_cleanup_register(p, made->x509, free_x509,
                              apr_pool_cleanup_null);
    X509_set_version(made->x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made->x509), serial++);
    name_subject(made->x509, &wish);
    date(made->x509, &wish);
    X509_set_issuer_name(made->x509, X509_get_subject_name(issuer->x509));
    X509_set_pubkey(made->x509, made->key);
    add_extension(made->x509, issuer->x509, NID_basic_constraints,
                  wish.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    add_extension(made->x509, issuer->x509, NID_subject_key_identifier,
                  "hash");
    if (wish.eku) {
        add_extension(made->x509, issuer->x509, NID_ext_key_usage, wish.eku);
    }
    if (wish.key_usage) {
        add_extension(made->x509, issuer->x509, NID_key_usage,
                      wish.key_usage);
    }
    if (wish.names_issuers_key) {
        add_extension(made->x509, issuer->x509, NID_authority_key_identifier,
                      "keyid:always");
    }
    HOLDS(X509_sign(made->x509, issuer->key,
                    wish.digest ? wish.digest : EVP_sha256()) > 0,
          "%s", wish.name ? wish.name : "test");
    return made;
}

nmdm_bytes_t der_of(apr_pool_t *p, const X509 *x509)
{
    int len = i2d_X509(x509, NULL);
    unsigned char *at = apr_palloc(p, (apr_size_t)len);
    nmdm_bytes_t der = { (const char *)at, (apr_size_t)len };

    i2d_X509(x509, &at);
    return der;
}

nmdm_cert_t *cert_of(apr_pool_t *p, const identity_t *identity)
{
    nmdm_cert_t *cert = apr_pcalloc(p, sizeof(*cert));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int i, len = 0;
    char *hex;

    cert->der = der_of(p, identity->x509);
    X509_digest(identity->x509, EVP_sha256(), digest, &len);
    cert->sha256 = hex = apr_palloc(p, len * 2 + 1);
    for (i = 0; i < len; i++) {
        apr_snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    return cert;
}

static const char *text_of_bio(apr_pool_t *p, BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    const char *text = apr_pstrmemdup(p, data, (apr_size_t)len);

    BIO_free(bio);
    return text;
}

const char *pem_of(apr_pool_t *p, const X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, x509);
    return text_of_bio(p, bio);
}

const char *key_pem(apr_pool_t *p, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return text_of_bio(p, bio);
}

const char *traditional_key_pem(apr_pool_t *p, EVP_PKEY *key,
                                const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PrivateKey_traditional(
        bio, key, password ? EVP_aes_128_cbc() : NULL,
        (const unsigned char *)password,
        password ? (int)strlen(password) : 0, NULL, NULL);
    return text_of_bio(p, bio);
}

const char *encrypted_key_pem(apr_pool_t *p, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6,
                                  NULL, NULL);
    return text_of_bio(p, bio);
}

void is_cert_of(apr_pool_t *p, const nmdm_cert_t *cert,
                const identity_t *identity)
{
    const nmdm_cert_t *expected = cert_of(p, identity);

    assert_int_equal(cert->der.len, expected->der.len);
    assert_memory_equal(cert->der.data, expected->der.data, cert->der.len);
    assert_string_equal(cert->sha256, expected->sha256);
}

nmdm_trust_t *trust_in(apr_pool_t *p, const char *anchors,
                       const char *intermediates)
{
    nmdm_trust_t *trust = NULL;

    OK(nmdm_trust_read(&trust, p, temp_file(p, anchors),
                       intermediates ? temp_file(p, intermediates)
                                     : NULL));
    return trust;
}

house_t house(apr_pool_t *p)
{
    house_t made;

    made.ca = IDENTITY(p, .name = "CA", .is_ca = 1);
    made.trust = trust_in(p, pem_of(p, made.ca->x509), NULL);
    return made;
}

/* ---- CMS signatures ---- */

const identity_t *rsa_signer(apr_pool_t *p)
{
    return IDENTITY(p, .name = "signer", .key = KEY_RSA);
}

static void date_signature(CMS_SignerInfo *si, apr_time_t when)
{
    ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)apr_time_sec(when));

    CMS_signed_add1_attr_by_NID(si, NID_pkcs9_signingTime, t->type, t, -1);
    ASN1_TIME_free(t);
}

static void add_signer(CMS_ContentInfo *cms, const identity_t *signer,
                       const signature_t *how)
{
    unsigned int flags = CMS_PARTIAL | CMS_BINARY | CMS_NOSMIMECAP;
    CMS_SignerInfo *si;

    flags |= how->how & SIGN_ATTRIBUTES ? 0 : CMS_NOATTR;
    flags |= how->how & SIGN_NO_CERT ? CMS_NOCERTS : 0;
    flags |= how->how & SIGN_KEY_ID ? CMS_USE_KEYID : 0;
    flags |= how->how & SIGN_PSS ? CMS_KEY_PARAM : 0;
    si = CMS_add1_signer(cms, signer->x509, signer->key,
                         how->digest ? how->digest : EVP_sha256(), flags);
    assert_non_null(si);
    if (how->how & SIGN_PSS) {
        EVP_PKEY_CTX_set_rsa_padding(CMS_SignerInfo_get0_pkey_ctx(si),
                                     RSA_PKCS1_PSS_PADDING);
    }
    if (how->how & SIGN_ATTRIBUTES) {
        date_signature(si, how->signing_time ? how->signing_time : NOW);
    }
}

/* OpenSSL writes rsaEncryption; devices write the name of the whole
 * procedure, such as sha1WithRSAEncryption. */
static void name_procedure(CMS_ContentInfo *cms)
{
    CMS_SignerInfo *si
        = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    X509_ALGOR *digest, *signature;
    int nid = NID_undef;

    CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, &signature);
    OBJ_find_sigid_by_algs(&nid, OBJ_obj2nid(digest->algorithm),
                           NID_rsaEncryption);
    X509_ALGOR_set0(signature, OBJ_nid2obj(nid), V_ASN1_NULL, NULL);
}

const char *sign(apr_pool_t *p, nmdm_bytes_t body, signature_t how)
{
    unsigned int flags = CMS_PARTIAL | CMS_BINARY;
    BIO *in = BIO_new_mem_buf(body.data, (int)body.len);
    BIO *out = BIO_new(BIO_s_mem());
    CMS_ContentInfo *cms;
    nmdm_bytes_t der;
    const char *base64;
    char *data;

    flags |= how.how & SIGN_EMBED ? 0 : CMS_DETACHED;
    flags |= how.how & SIGN_INDEFINITE ? CMS_STREAM : 0;
    cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    assert_non_null(cms);
    if (how.signer) {
        add_signer(cms, how.signer, &how);
    }
    if (how.second_signer) {
        add_signer(cms, how.second_signer, &how);
    }
    if (how.extra_cert) {
        CMS_add1_cert(cms, (X509 *)how.extra_cert);
    }
    if (how.how & SIGN_INDEFINITE) {
        assert_int_equal(i2d_CMS_bio_stream(out, cms, in, (int)flags), 1);
    }
    else {
        /* Without a signer there is nothing to make final. */
        if (how.signer) {
            assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
        }
        if (how.how & SIGN_SHA_NAME) {
            name_procedure(cms);
        }
        assert_int_equal(i2d_CMS_bio(out, cms), 1);
    }
    der.len = (apr_size_t)BIO_get_mem_data(out, &data);
    der.data = data;
    base64 = nmdm_base64_encode(p, der);
    BIO_free(in);
    BIO_free(out);
    CMS_ContentInfo_free(cms);
    return base64;
}
