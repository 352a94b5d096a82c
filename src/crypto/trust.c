/* SPDX-License-Identifier: Apache-2.0 */
/* trust.c -- which certificates may be those of devices: chains judged,
 * and verdicts remembered. */

#include "crypto/trust.h"
#include "crypto/cert_encodings.h"
#include "crypto/x509.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* Verdicts remembered in each of two generations, about 200 bytes each. */
#define MAX_VERDICTS 16384

/* A chain whose keys or signatures are weaker than this is refused: level 1
 * asks for 80 bits, which excludes SHA-1 and MD5 signatures on
 * certificates. */
#define AUTH_LEVEL 1

/* Until when the certificate itself is valid, and until when its issuers
 * are; and its other form (base/context.h). */
typedef struct {
    apr_time_t from, end, until;
    const char *other_sha256;
    nmdm_bytes_t order;
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
                        NMDMNO(0301) "%s: %s", file, nmdm_x509_failure(p));
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
                    file, nmdm_x509_failure(p));
}

nmdm_err_t *nmdm_trust_count_pem(int *count, apr_pool_t *p,
                                 const char *file)
{
    STACK_OF(X509) *certs;

    NMDM_TRY(read_certs(&certs, p, file));
    *count = sk_X509_num(certs);
    sk_X509_pop_free(certs, X509_free);
    return NULL;
}

nmdm_err_t *nmdm_trust_read(nmdm_trust_t **out, apr_pool_t *p,
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

static verdict_t *copy_of(apr_pool_t *p, const verdict_t *verdict)
{
    verdict_t *copy = apr_pmemdup(p, verdict, sizeof(*verdict));

    if (verdict->other_sha256) {
        copy->other_sha256 = apr_pstrdup(p, verdict->other_sha256);
        copy->order.data = apr_pmemdup(p, verdict->order.data,
                                       verdict->order.len);
    }
    return copy;
}

static void remember(nmdm_trust_t *trust, const char *sha256,
                     const verdict_t *verdict)
{
    make_room(trust);
    apr_hash_set(trust->young, apr_pstrdup(trust->young_pool, sha256),
                 APR_HASH_KEY_STRING, copy_of(trust->young_pool, verdict));
}

static int recall(verdict_t *out, nmdm_trust_t *trust, apr_pool_t *p,
                  const char *sha256, apr_time_t now,
                  apr_interval_time_t grace)
{
    verdict_t *verdict = NULL;

    if (trust->young) {
        verdict = apr_hash_get(trust->young, sha256, APR_HASH_KEY_STRING);
    }
    if (!verdict && trust->old) {
        verdict = apr_hash_get(trust->old, sha256, APR_HASH_KEY_STRING);
        if (verdict) {
            verdict = copy_of(p, verdict);
            remember(trust, sha256, verdict);
        }
    }
    if (!verdict || now < verdict->from || now > verdict->until
        || now > verdict->end + grace) {
        return 0;
    }
    *out = *copy_of(p, verdict);
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
    apr_time_t from = nmdm_x509_time(X509_get0_notBefore(x509));
    apr_time_t until = nmdm_x509_time(X509_get0_notAfter(x509));

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
    return nmdm_x509_time(X509_get0_notAfter(X509_STORE_CTX_get0_cert(ctx)))
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
                       "cannot verify a certificate: %s",
                       nmdm_x509_failure(p));
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
    *verdict = (verdict_t){ .end = APR_INT64_MAX, .until = APR_INT64_MAX };
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
    verdict->order = nmdm_cert_encodings_order(
        p, sk_X509_value(chain, sk_X509_num(chain) > 1));
done:
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return err;
}

/* Verifies a certificate that is not remembered, and remembers it. */
static nmdm_err_t *verify(verdict_t *verdict, nmdm_trust_t *trust,
                          apr_pool_t *p, const nmdm_cert_t *cert,
                          apr_time_t now, apr_interval_time_t grace)
{
    nmdm_cert_t *other, known = *cert;
    X509 *x509 = NULL;
    nmdm_err_t *err;

    if (!nmdm_x509_parse(&x509, cert->der)) {
        X509_free(x509);
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0308)
                        "identity certificate is damaged: %s",
                        nmdm_x509_failure(p));
    }
    err = judge(verdict, trust, p, x509, now, grace);
    X509_free(x509);
    if (err) {
        return err;
    }
    known.order = verdict->order;
    other = nmdm_cert_encodings_other(p, &known);
    verdict->other_sha256 = other ? other->sha256 : NULL;
    apr_thread_mutex_lock(trust->lock);
    remember(trust, cert->sha256, verdict);
    apr_thread_mutex_unlock(trust->lock);
    return NULL;
}

nmdm_err_t *nmdm_trust_verify(nmdm_trust_t *trust, apr_pool_t *p,
                              nmdm_cert_t *cert, apr_time_t now)
{
    apr_time_t ends;

    return nmdm_trust_verify_late(&ends, trust, p, cert, now, 0);
}

nmdm_err_t *nmdm_trust_verify_late(apr_time_t *ends, nmdm_trust_t *trust,
                                   apr_pool_t *p, nmdm_cert_t *cert,
                                   apr_time_t now, apr_interval_time_t grace)
{
    verdict_t verdict;
    int known;

    apr_thread_mutex_lock(trust->lock);
    known = recall(&verdict, trust, p, cert->sha256, now, grace);
    apr_thread_mutex_unlock(trust->lock);
    if (!known) {
        NMDM_TRY(verify(&verdict, trust, p, cert, now, grace));
    }
    cert->other_sha256 = verdict.other_sha256;
    cert->order = verdict.order;
    *ends = verdict.end;
    return NULL;
}
