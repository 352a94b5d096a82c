/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_crypto.c -- certificates, trust, signatures, digests; the only file
 * that knows OpenSSL. */

#include "nmdm_crypto.h"

#include <apr_escape.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <string.h>

/* Verdicts remembered in each of two generations, about 200 bytes each. */
#define MAX_VERDICTS 16384

/* A chain whose keys or signatures are weaker than this is refused: level 1
 * asks for 80 bits, which excludes SHA-1 and MD5 signatures on
 * certificates. */
#define AUTH_LEVEL 1

/* ---- Small things ---- */

/* What OpenSSL has to say, its error queue emptied. */
static const char *openssl_says(apr_pool_t *p)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return reason ? apr_pstrdup(p, reason) : "no reason given";
}

static apr_status_t free_x509(void *x509)
{
    X509_free(x509);
    return APR_SUCCESS;
}

static const char *sha256_hex(apr_pool_t *p, const void *data,
                              apr_size_t len)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256(data, len, digest);
    return apr_pescape_hex(p, digest, sizeof(digest), 0);
}

const char *nmdm_crypto_sha256(apr_pool_t *p, nmdm_bytes_t bytes)
{
    return sha256_hex(p, bytes.data, bytes.len);
}

const char *nmdm_crypto_hmac(apr_pool_t *p, const char *key,
                             nmdm_bytes_t bytes)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    nmdm_bytes_t mac = { (const char *)digest, sizeof(digest) };

    HMAC(EVP_sha256(), key, (int)strlen(key),
         (const unsigned char *)bytes.data, bytes.len, digest, NULL);
    return nmdm_base64_encode(p, mac);
}

int nmdm_crypto_random(void *out, apr_size_t len)
{
    return RAND_bytes(out, (int)len) == 1;
}

/* Digests have one length, so comparing them does not tell that of the
 * secret. */
int nmdm_crypto_same_secret(const char *a, const char *b)
{
    unsigned char digest_a[SHA256_DIGEST_LENGTH];
    unsigned char digest_b[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)a, strlen(a), digest_a);
    SHA256((const unsigned char *)b, strlen(b), digest_b);
    return !CRYPTO_memcmp(digest_a, digest_b, sizeof(digest_a));
}

static int parse_x509(X509 **out, const unsigned char *der, long len)
{
    const unsigned char *at = der;

    *out = d2i_X509(NULL, &at, len);
    return *out && at == der + len;
}

static nmdm_cert_t *cert_of(apr_pool_t *p, X509 *x509)
{
    nmdm_cert_t *cert = apr_palloc(p, sizeof(*cert));
    int len = i2d_X509(x509, NULL);
    unsigned char *der, *at;

    if (len <= 0) {
        return NULL;
    }
    at = der = apr_palloc(p, (apr_size_t)len);
    i2d_X509(x509, &at);
    cert->der.data = (const char *)der;
    cert->der.len = (apr_size_t)len;
    cert->sha256 = sha256_hex(p, der, cert->der.len);
    return cert;
}

static const char *bio_text(apr_pool_t *p, BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    return apr_pstrmemdup(p, data, (apr_size_t)len);
}

const char *nmdm_crypto_pem(apr_pool_t *p, nmdm_bytes_t der)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *pem;

    PEM_write_bio(bio, PEM_STRING_X509, "",
                  (const unsigned char *)der.data, (long)der.len);
    pem = bio_text(p, bio);
    BIO_free(bio);
    return pem;
}

static apr_time_t time_of(const ASN1_TIME *t)
{
    struct tm tm;
    apr_time_exp_t exp = { 0 };
    apr_time_t result = 0;

    if (!ASN1_TIME_to_tm(t, &tm)) {
        return 0;
    }
    exp.tm_sec = tm.tm_sec;
    exp.tm_min = tm.tm_min;
    exp.tm_hour = tm.tm_hour;
    exp.tm_mday = tm.tm_mday;
    exp.tm_mon = tm.tm_mon;
    exp.tm_year = tm.tm_year;
    apr_time_exp_gmt_get(&result, &exp);
    return result;
}

int nmdm_crypto_not_after(apr_time_t *out, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    *out = x509 ? time_of(X509_get0_notAfter(x509)) : 0;
    X509_free(x509);
    BIO_free(bio);
    ERR_clear_error();
    return *out != 0;
}

/* ---- Trust ---- */

/* Until when the certificate itself is valid, and until when its issuers
 * are. */
typedef struct {
    apr_time_t from, end, until;
} verdict_t;

struct nmdm_trust_t {
    X509_STORE *store;
    STACK_OF(X509) *intermediates;

    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_pool_t *young_pool, *old_pool;
    apr_hash_t *young, *old;    /* certificate's SHA-256 -> verdict_t */
};

static apr_status_t free_trust(void *data)
{
    nmdm_trust_t *trust = data;

    X509_STORE_free(trust->store);
    sk_X509_pop_free(trust->intermediates, X509_free);
    if (trust->young_pool) {
        apr_pool_destroy(trust->young_pool);
    }
    if (trust->old_pool) {
        apr_pool_destroy(trust->old_pool);
    }
    return APR_SUCCESS;
}

/* Reads every certificate of a PEM file; the stack is the caller's. */
static nmdm_err_t *read_certs(STACK_OF(X509) **out, apr_pool_t *p,
                              const char *file)
{
    BIO *bio = BIO_new_file(file, "r");
    STACK_OF(X509) *certs;
    unsigned long code;
    X509 *x509;

    if (!bio) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(0301) "%s: %s", file, openssl_says(p));
    }
    certs = sk_X509_new_null();
    while ((x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        sk_X509_push(certs, x509);
    }
    BIO_free(bio);
    code = ERR_peek_last_error();
    if (sk_X509_num(certs) && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        *out = certs;
        return NULL;
    }
    sk_X509_pop_free(certs, X509_free);
    if (ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(0302) "%s: no certificate in it", file);
    }
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0303) "%s: a certificate in it is damaged (%s)",
                    file, openssl_says(p));
}

nmdm_err_t *nmdm_crypto_count_pem(int *count, apr_pool_t *p,
                                  const char *file)
{
    STACK_OF(X509) *certs;

    NMDM_TRY(read_certs(&certs, p, file));
    *count = sk_X509_num(certs);
    sk_X509_pop_free(certs, X509_free);
    return NULL;
}

nmdm_err_t *nmdm_crypto_trust(nmdm_trust_t **out, apr_pool_t *p,
                              const char *anchors_file,
                              const char *intermediates_file)
{
    nmdm_trust_t *trust = apr_pcalloc(p, sizeof(*trust));
    STACK_OF(X509) *anchors;
    X509_VERIFY_PARAM *param;
    int i;

    NMDM_TRY(read_certs(&anchors, p, anchors_file));
    trust->store = X509_STORE_new();
    apr_pool_cleanup_register(p, trust, free_trust, apr_pool_cleanup_null);
    for (i = 0; i < sk_X509_num(anchors); i++) {
        X509_STORE_add_cert(trust->store, sk_X509_value(anchors, i));
    }
    sk_X509_pop_free(anchors, X509_free);

    /* Each certificate of the file is an anchor, whoever signed it. */
    X509_STORE_set_flags(trust->store, X509_V_FLAG_PARTIAL_CHAIN);
    param = X509_STORE_get0_param(trust->store);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);

    if (intermediates_file) {
        NMDM_TRY(read_certs(&trust->intermediates, p, intermediates_file));
    }
    if (apr_thread_mutex_create(&trust->lock, APR_THREAD_MUTEX_DEFAULT, p)
        != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, APR_ENOMEM,
                        NMDMNO(0304) "cannot make a mutex");
    }
    *out = trust;
    return NULL;
}

/* Two generations bound the memory without bookkeeping for each use: when the
 * young one is full, the old one goes. Called under the lock. */
static void make_room(nmdm_trust_t *trust)
{
    apr_allocator_t *allocator;

    if (trust->young && apr_hash_count(trust->young) < MAX_VERDICTS) {
        return;
    }
    if (trust->old_pool) {
        apr_pool_destroy(trust->old_pool);
    }
    trust->old_pool = trust->young_pool;
    trust->old = trust->young;
    apr_allocator_create(&allocator);
    apr_pool_create_ex(&trust->young_pool, NULL, NULL, allocator);
    apr_allocator_owner_set(allocator, trust->young_pool);
    trust->young = apr_hash_make(trust->young_pool);
}

static void remember(nmdm_trust_t *trust, const char *sha256,
                     const verdict_t *verdict)
{
    make_room(trust);
    apr_hash_set(trust->young, apr_pstrdup(trust->young_pool, sha256),
                 APR_HASH_KEY_STRING,
                 apr_pmemdup(trust->young_pool, verdict, sizeof(*verdict)));
}

static int recall(verdict_t *out, nmdm_trust_t *trust, const char *sha256,
                  apr_time_t now, apr_interval_time_t grace)
{
    verdict_t *verdict = NULL, copy;

    if (trust->young) {
        verdict = apr_hash_get(trust->young, sha256, APR_HASH_KEY_STRING);
    }
    if (!verdict && trust->old) {
        verdict = apr_hash_get(trust->old, sha256, APR_HASH_KEY_STRING);
        if (verdict) {
            copy = *verdict;
            verdict = &copy;
            remember(trust, sha256, verdict);
        }
    }
    if (!verdict || now < verdict->from || now > verdict->until
        || now > verdict->end + grace) {
        return 0;
    }
    *out = *verdict;
    return 1;
}

/* By hand, because OpenSSL's purpose check refuses a certificate that only
 * has anyExtendedKeyUsage and looks at key usage as well. */
static int may_identify_a_client(X509 *x509)
{
    if (!(X509_get_extension_flags(x509) & EXFLAG_XKUSAGE)) {
        return 1;
    }
    return (X509_get_extended_key_usage(x509) & (XKU_SSL_CLIENT | XKU_ANYEKU))
        != 0;
}

static void narrow(verdict_t *verdict, X509 *x509, int is_leaf)
{
    apr_time_t from = time_of(X509_get0_notBefore(x509));
    apr_time_t until = time_of(X509_get0_notAfter(x509));

    if (from > verdict->from) {
        verdict->from = from;
    }
    if (is_leaf) {
        verdict->end = until;
    }
    else if (until < verdict->until) {
        verdict->until = until;
    }
}

/* The certificate itself may have ended, if not before this time; its issuers
 * may not. */
static int forgive(int is_good, X509_STORE_CTX *ctx)
{
    const apr_time_t *oldest = X509_STORE_CTX_get_app_data(ctx);

    if (is_good || X509_STORE_CTX_get_error_depth(ctx) != 0
        || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CERT_HAS_EXPIRED) {
        return is_good;
    }
    return time_of(X509_get0_notAfter(X509_STORE_CTX_get0_cert(ctx)))
        >= *oldest;
}

static nmdm_err_t *judge(verdict_t *verdict, nmdm_trust_t *trust,
                         apr_pool_t *p, X509 *x509, apr_time_t now,
                         apr_interval_time_t grace)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    apr_time_t oldest = now - grace;
    nmdm_err_t *err = NULL;
    STACK_OF(X509) *chain;
    int i;

    if (!ctx || !X509_STORE_CTX_init(ctx, trust->store, x509,
                                     trust->intermediates)) {
        err = nmdm_err(p, NMDM_INTERNAL, APR_ENOMEM, NMDMNO(0305)
                       "cannot verify a certificate: %s", openssl_says(p));
        goto done;
    }
    X509_STORE_CTX_set_time(ctx, 0, (time_t)apr_time_sec(now));
    if (grace) {
        X509_STORE_CTX_set_app_data(ctx, &oldest);
        X509_STORE_CTX_set_verify_cb(ctx, forgive);
    }
    if (X509_verify_cert(ctx) != 1) {
        err = nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0306)
                       "identity certificate refused: %s",
                       X509_verify_cert_error_string(
                           X509_STORE_CTX_get_error(ctx)));
        goto done;
    }
    verdict->from = 0;
    verdict->end = verdict->until = APR_INT64_MAX;
    chain = X509_STORE_CTX_get0_chain(ctx);
    for (i = 0; i < sk_X509_num(chain); i++) {
        if (!may_identify_a_client(sk_X509_value(chain, i))) {
            err = nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0307)
                           "identity certificate refused: its chain is not"
                           " for client authentication");
            goto done;
        }
        narrow(verdict, sk_X509_value(chain, i), i == 0);
    }
done:
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return err;
}

nmdm_err_t *nmdm_crypto_verify(nmdm_trust_t *trust, apr_pool_t *p,
                               const nmdm_cert_t *cert, apr_time_t now)
{
    apr_time_t ends;

    return nmdm_crypto_verify_late(&ends, trust, p, cert, now, 0);
}

nmdm_err_t *nmdm_crypto_verify_late(apr_time_t *ends, nmdm_trust_t *trust,
                                    apr_pool_t *p, const nmdm_cert_t *cert,
                                    apr_time_t now, apr_interval_time_t grace)
{
    nmdm_err_t *err;
    verdict_t verdict;
    X509 *x509 = NULL;
    int known;

    apr_thread_mutex_lock(trust->lock);
    known = recall(&verdict, trust, cert->sha256, now, grace);
    apr_thread_mutex_unlock(trust->lock);
    if (!known) {
        if (!parse_x509(&x509, (const unsigned char *)cert->der.data,
                        (long)cert->der.len)) {
            X509_free(x509);
            return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0308)
                            "identity certificate is damaged: %s",
                            openssl_says(p));
        }
        err = judge(&verdict, trust, p, x509, now, grace);
        X509_free(x509);
        if (err) {
            return err;
        }
        apr_thread_mutex_lock(trust->lock);
        remember(trust, cert->sha256, &verdict);
        apr_thread_mutex_unlock(trust->lock);
    }
    *ends = verdict.end;
    return NULL;
}

/* ---- Where a certificate comes from: TLS ---- */

/* mod_ssl's, the same for all servers; written while one thread runs. */
static SSL_verify_cb mod_ssl_verify;

/* Flaws of a certificate for which even SSLVerifyClient optional_no_ca ends the
 * handshake, and which nmdm_crypto_verify_late judges for every request. */
static int is_judged_later(int flaw)
{
    switch (flaw) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return 1;
    default:
        return 0;
    }
}

/* mod_ssl is told of what optional_no_ca forgives instead: an unknown issuer.
 * So to mod_ssl the certificate is a stranger's, and any other SSLVerifyClient
 * ends the handshake as before. */
static int verify_leniently(int good, X509_STORE_CTX *context)
{
    if (!good && is_judged_later(X509_STORE_CTX_get_error(context))) {
        X509_STORE_CTX_set_error(
            context, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    }
    return mod_ssl_verify(good, context);
}

void nmdm_crypto_tls_judge_later(struct ssl_ctx_st *context)
{
    SSL_verify_cb present = SSL_CTX_get_verify_callback(context);
    int mode = SSL_CTX_get_verify_mode(context);

    if (!present || present == verify_leniently
        || mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) {
        return;         /* SSLVerifyClient require: let its log say why */
    }
    mod_ssl_verify = present;
    SSL_CTX_set_verify(context, mode, verify_leniently);
}

nmdm_err_t *nmdm_crypto_tls_peer(const nmdm_peer_t **out, apr_pool_t *p,
                                 const struct ssl_st *ssl,
                                 const nmdm_peer_t *known)
{
    X509 *x509 = SSL_get0_peer_certificate(ssl);
    nmdm_cert_t *cert;
    nmdm_peer_t *peer;

    *out = NULL;
    if (!x509) {
        return NULL;
    }
    if (known && known->x509 == x509) {
        *out = known;
        return NULL;
    }
    cert = cert_of(p, x509);
    if (!cert) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0309)
                        "TLS peer certificate is damaged: %s",
                        openssl_says(p));
    }
    /* Held, so that no other certificate can get its address. */
    X509_up_ref(x509);
    apr_pool_cleanup_register(p, x509, free_x509, apr_pool_cleanup_null);
    peer = apr_palloc(p, sizeof(*peer));
    peer->x509 = x509;
    peer->cert = *cert;
    *out = peer;
    return NULL;
}

/* ---- Where a certificate comes from: Mdm-Signature ---- */

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
 * not longer than `grace` behind it. */
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
    when = time_of(value->value.asn1_string);
    return when >= time_of(X509_get0_notBefore(x509))
        && when <= time_of(X509_get0_notAfter(x509)) + grace;
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
    si = sk_CMS_SignerInfo_value(signers, 0);
    if (!CMS_SignerInfo_get0_signer_id(si, &key_id, NULL, NULL) || key_id) {
        return "the signer is not named by issuer and serial number";
    }
    *x509 = find_signer(certs, si);
    if (!*x509) {
        return "the signer's certificate is missing";
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

nmdm_err_t *nmdm_crypto_signer(nmdm_cert_t **out, apr_pool_t *p,
                               const char *base64, nmdm_bytes_t body,
                               apr_interval_time_t grace)
{
    CMS_ContentInfo *cms = NULL;
    STACK_OF(X509) *certs = NULL;
    BIO *content = NULL;
    nmdm_err_t *err = NULL;
    X509 *x509 = NULL;
    const unsigned char *at;
    nmdm_bytes_t der;
    const char *why;

    if (!nmdm_base64_decode(&der, p, base64, strlen(base64), 0)) {
        return bad_signature(p, "not base64");
    }
    if (body.len > INT_MAX) {
        return bad_signature(p, "the body is too large");
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
    content = BIO_new_mem_buf(body.data, (int)body.len);
    if (CMS_verify(cms, NULL, NULL, content, NULL,
                   CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) != 1) {
        err = bad_signature(p, "it does not sign this body");
        goto done;
    }
    *out = cert_of(p, x509);
done:
    BIO_free(content);
    sk_X509_pop_free(certs, X509_free);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return err;
}

/* ---- Where a certificate comes from: a proxy's header ---- */

static nmdm_err_t *bad_header(apr_pool_t *p, const char *why)
{
    ERR_clear_error();
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0311) "identity header refused: %s", why);
}

/* RFC 9440: the DER form as a structured-field byte sequence. */
static int decode_rfc9440(nmdm_bytes_t *der, apr_pool_t *p,
                          const char *value)
{
    apr_size_t len = strlen(value);

    return len >= 3 && value[len - 1] == ':'
        && nmdm_base64_decode(der, p, value + 1, len - 2, 0);
}

/* The first PEM block of a query-escaped text, if it is a certificate. */
static int decode_escaped_pem(nmdm_bytes_t *der, apr_pool_t *p,
                              const char *value)
{
    const char *pem = apr_punescape_url(p, value, NULL, NULL, 1);
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long len = 0;
    BIO *bio;
    int ok;

    if (!pem) {
        return 0;
    }
    bio = BIO_new_mem_buf(pem, -1);
    ok = PEM_read_bio(bio, &name, &header, &data, &len)
        && !strcmp(name, PEM_STRING_X509);
    if (ok) {
        der->data = apr_pmemdup(p, data, (apr_size_t)len);
        der->len = (apr_size_t)len;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
    return ok;
}

nmdm_err_t *nmdm_crypto_header(nmdm_cert_t **out, apr_pool_t *p,
                               const char *value)
{
    nmdm_bytes_t der;
    X509 *x509 = NULL;
    int ok;

    ok = *value == ':' ? decode_rfc9440(&der, p, value)
                       : decode_escaped_pem(&der, p, value);
    /* Parsed and written again: bytes that mean the same certificate must not
     * have another hash. */
    if (!ok || !parse_x509(&x509, (const unsigned char *)der.data,
                           (long)der.len)
        || !(*out = cert_of(p, x509))) {
        X509_free(x509);
        return bad_header(p, "neither RFC 9440 nor a query-escaped PEM"
                             " certificate");
    }
    X509_free(x509);
    return NULL;
}

/* ---- Push certificates ---- */

/* One PEM block of an upload. */
typedef struct {
    const char *pem;
    X509 *x509;
    EVP_PKEY *key;
} part_t;

static nmdm_err_t *bad_push_cert(apr_pool_t *p, const char *why)
{
    ERR_clear_error();
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0312) "%s", why);
}

/* Files joined without a newline: "-----END X----------BEGIN Y-----". */
static const char *part_blocks(apr_pool_t *p, nmdm_bytes_t pem)
{
    char *text = apr_palloc(p, pem.len + pem.len / 10 + 1), *to = text;
    apr_size_t i = 0;

    while (i < pem.len) {
        if (pem.len - i >= 10 && !memcmp(pem.data + i, "----------", 10)) {
            memcpy(to, "-----\n-----", 11);
            to += 11;
            i += 10;
        }
        else {
            *to++ = pem.data[i++];
        }
    }
    *to = '\0';
    return text;
}

static apr_status_t free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

static int ends_with(const char *text, const char *end)
{
    apr_size_t len = strlen(text), n = strlen(end);

    return len >= n && !strcmp(text + len - n, end);
}

/* Sorts one block into certs (the last first) or *key. */
static nmdm_err_t *sort_block(apr_array_header_t *certs, part_t *key,
                              apr_pool_t *p, const char *name,
                              const char *header, const unsigned char *data,
                              long len)
{
    const unsigned char *at = data;
    part_t part = { 0 };
    BIO *bio;

    if (!strcmp(name, PEM_STRING_X509)) {
        if (!parse_x509(&part.x509, data, len)) {
            X509_free(part.x509);
            return bad_push_cert(p, "tls: failed to parse certificate");
        }
        apr_pool_cleanup_register(p, part.x509, free_x509,
                                  apr_pool_cleanup_null);
    }
    else if (!strcmp(name, "PRIVATE KEY") || ends_with(name, " PRIVATE KEY")) {
        if (strstr(header, "ENCRYPTED")) {
            return bad_push_cert(p, "private key PEM appears to be"
                                    " encrypted");
        }
        part.key = d2i_AutoPrivateKey(NULL, &at, len);
        if (!part.key) {
            return bad_push_cert(p, "tls: failed to parse private key");
        }
        apr_pool_cleanup_register(p, part.key, free_key,
                                  apr_pool_cleanup_null);
    }
    else {
        return bad_push_cert(p, apr_psprintf(
            p, "unrecognized PEM type: \"%s\"", name));
    }
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio(bio, name, "", data, len);
    part.pem = bio_text(p, bio);
    BIO_free(bio);
    if (part.key) {
        *key = part;
    }
    else {
        APR_ARRAY_PUSH(certs, part_t) = part;
    }
    return NULL;
}

static nmdm_err_t *read_blocks(apr_array_header_t *certs, part_t *key,
                               apr_pool_t *p, const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    nmdm_err_t *err = NULL;

    while (!err) {
        char *name = NULL, *header = NULL;
        unsigned char *data = NULL;
        long len = 0;

        if (PEM_read_bio(bio, &name, &header, &data, &len)) {
            err = sort_block(certs, key, p, name, header, data, len);
        }
        else if (ERR_GET_REASON(ERR_peek_last_error())
                     == PEM_R_NO_START_LINE) {
            break;
        }
        /* else a damaged block: as if it were not there */
        ERR_clear_error();
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }
    ERR_clear_error();
    BIO_free(bio);
    return err;
}

static nmdm_err_t *topic_of(const char **topic, apr_pool_t *p, X509 *x509)
{
    X509_NAME *subject = X509_get_subject_name(x509);
    int at = X509_NAME_get_index_by_NID(subject, NID_userId, -1);
    unsigned char *utf8 = NULL;
    int len;

    if (at < 0) {
        return bad_push_cert(p, "no APNs Topic found");
    }
    len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(
        X509_NAME_get_entry(subject, at)));
    if (len < 0) {
        return bad_push_cert(p, "no APNs Topic found");
    }
    *topic = apr_pstrmemdup(p, (char *)utf8, (apr_size_t)len);
    OPENSSL_free(utf8);
    if (strlen(*topic) != (apr_size_t)len
        || strncmp(*topic, "com.apple.mgmt", 14)) {
        return bad_push_cert(p, apr_psprintf(
            p, "invalid APNs Topic: \"%s\"", *topic));
    }
    return NULL;
}

nmdm_err_t *nmdm_crypto_push_cert(nmdm_push_cert_t *out, apr_pool_t *p,
                                  nmdm_bytes_t pem)
{
    apr_array_header_t *certs = apr_array_make(p, 2, sizeof(part_t));
    part_t key = { 0 }, *cert = NULL;
    int i;

    NMDM_TRY(read_blocks(certs, &key, p, part_blocks(p, pem)));
    if (!certs->nelts) {
        return bad_push_cert(p, "tls: failed to find any PEM data in"
                                " certificate input");
    }
    if (!key.key) {
        return bad_push_cert(p, "tls: failed to find any PEM data in key"
                                " input");
    }
    for (i = 0; i < certs->nelts; i++) {
        part_t *one = &APR_ARRAY_IDX(certs, i, part_t);

        if (X509_check_private_key(one->x509, key.key) == 1) {
            cert = one;
        }
    }
    ERR_clear_error();
    if (!cert) {
        return bad_push_cert(p, "tls: private key does not match public"
                                " key");
    }
    NMDM_TRY(topic_of(&out->topic, p, cert->x509));
    out->cert_pem = cert->pem;
    out->key_pem = key.pem;
    out->not_after = time_of(X509_get0_notAfter(cert->x509));
    return NULL;
}
