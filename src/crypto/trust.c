/* SPDX-License-Identifier: Apache-2.0 */
/* trust.c -- which certificates may be those of devices: chains judged,
 * and verdicts remembered. */

#include "crypto/trust.h"
#include "crypto/cert_encodings.h"
#include "crypto/chain.h"
#include "crypto/x509.h"

#include <apr_file_io.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* Verdicts remembered in each of two generations, about 200 bytes each. */
#define MAX_VERDICTS 16384

/* Until when the certificate itself is valid, and until when its issuers
 * are; and its other form (base/context.h). */
typedef struct {
    apr_time_t from, end, until;
    const char *other_sha256;
    nmdm_bytes_t order;
} verdict_t;

struct nmdm_trust_t {
    nmdm_chain_cas_t cas;

    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_pool_t *young_pool, *old_pool;
    apr_hash_t *young, *old;    /* certificate's SHA-256 -> verdict_t */
};

static apr_status_t free_trust(void *data)
{
    nmdm_trust_t *trust = data;

    X509_STORE_free(trust->cas.store);
    sk_X509_pop_free(trust->cas.anchors, X509_free);
    sk_X509_pop_free(trust->cas.intermediates, X509_free);
    if (trust->young_pool) {
        apr_pool_destroy(trust->young_pool);
    }
    if (trust->old_pool) {
        apr_pool_destroy(trust->old_pool);
    }
    return APR_SUCCESS;
}

/* What a file without a certificate in PEM seems to be. */
static const char *content_of(apr_pool_t *p, const char *file)
{
    char start[4096];
    apr_finfo_t info;
    apr_size_t len = 0;
    apr_file_t *f;

    if (apr_stat(&info, file, APR_FINFO_TYPE, p) == APR_SUCCESS
        && info.filetype == APR_DIR) {
        return ": it is a folder";
    }
    if (apr_file_open(&f, file, APR_READ, APR_OS_DEFAULT, p) != APR_SUCCESS) {
        return "";
    }
    apr_file_read_full(f, start, sizeof(start) - 1, &len);
    apr_file_close(f);
    start[len] = '\0';
    return !len ? ": it is empty"
        : *start == 0x30
        ? apr_psprintf(p, " as PEM, but DER; write: openssl x509 -inform DER"
                       " -in %s -out %s.pem", file, file)
        : strstr(start, "PRIVATE KEY-----") ? ", but a private key"
        : strstr(start, "-----BEGIN PKCS7") ? " as PEM, but PKCS #7; write:"
                                              " openssl pkcs7 -print_certs"
        : "";
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
                        NMDMNO(0302) "%s: no certificate in it%s", file,
                        content_of(p, file));
    }
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0303) "%s: a certificate in it is damaged (%s)",
                    file, nmdm_x509_failure(p));
}

nmdm_err_t *nmdm_trust_file_has(int *yes, apr_pool_t *p, const char *file,
                                const nmdm_cert_t *cert)
{
    STACK_OF(X509) *certs;
    int i;

    *yes = 0;
    NMDM_TRY(read_certs(&certs, p, file));
    for (i = 0; i < sk_X509_num(certs) && !*yes; i++) {
        *yes = !strcmp(nmdm_x509_cert(p, sk_X509_value(certs, i))->sha256,
                       cert->sha256);
    }
    sk_X509_pop_free(certs, X509_free);
    return NULL;
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

nmdm_err_t *nmdm_trust_count_cas(int *count, apr_pool_t *p, const char *file)
{
    STACK_OF(X509) *certs;
    int i;

    *count = 0;
    NMDM_TRY(read_certs(&certs, p, file));
    for (i = 0; i < sk_X509_num(certs); i++) {
        *count += X509_check_ca(sk_X509_value(certs, i)) > 0;
    }
    sk_X509_pop_free(certs, X509_free);
    return NULL;
}

nmdm_err_t *nmdm_trust_read(nmdm_trust_t **out, apr_pool_t *p,
                            const char *anchors_file,
                            const char *intermediates_file)
{
    nmdm_trust_t *trust = apr_pcalloc(p, sizeof(*trust));
    nmdm_chain_cas_t *cas = &trust->cas;

    cas->anchors_file = apr_pstrdup(p, anchors_file);
    cas->intermediates_file = apr_pstrdup(p, intermediates_file);
    apr_pool_cleanup_register(p, trust, free_trust, apr_pool_cleanup_null);
    cas->store = X509_STORE_new();
    if (!cas->store) {
        return nmdm_err(p, NMDM_INTERNAL, APR_ENOMEM, NMDMNO(0305)
                        "cannot verify certificates: %s",
                        nmdm_x509_failure(p));
    }
    nmdm_chain_set_rules(cas->store);
    NMDM_TRY(read_certs(&cas->anchors, p, anchors_file));
    if (intermediates_file) {
        NMDM_TRY(read_certs(&cas->intermediates, p, intermediates_file));
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

static nmdm_err_t *judge(verdict_t *verdict, nmdm_trust_t *trust,
                         apr_pool_t *p, X509 *x509, apr_time_t now,
                         apr_interval_time_t grace)
{
    nmdm_chain_t chain;
    int i;

    NMDM_TRY(nmdm_chain_find(&chain, p, &trust->cas, x509, now, grace));
    *verdict = (verdict_t){ .end = APR_INT64_MAX, .until = APR_INT64_MAX };
    for (i = 0; i < chain.len; i++) {
        narrow(verdict, chain.certs[i], i == 0);
    }
    if (chain.issuer) {
        verdict->order = nmdm_cert_encodings_order(p, chain.issuer);
    }
    return NULL;
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
