/* SPDX-License-Identifier: Apache-2.0 */
/* chain.c -- any valid path from a certificate to a trust anchor.
 *
 * OpenSSL tries one path, and takes the authority key identifier for a rule
 * where RFC 5280, 4.2.1.1, has a hint. So the paths are made here, by names
 * and signatures, and each complete one is given to OpenSSL to be verified. */

#include "crypto/chain.h"
#include "crypto/x509.h"

#include <apr_strings.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* A chain whose keys or signatures are weaker than this is refused: level 1
 * asks for 80 bits, which excludes SHA-1 and MD5 signatures on
 * certificates. */
#define AUTH_LEVEL 1

/* What is shown of a name, in bytes. */
#define MAX_NAME 200

/* A flaw that OpenSSL has no number for: no purpose of the path is client
 * authentication. */
#define NOT_FOR_CLIENTS (-1)

typedef struct {
    const nmdm_chain_cas_t *cas;
    nmdm_chain_t *path;
    apr_time_t now, oldest;     /* a certificate may have ended at `oldest` */
    int checks;                 /* signature checks that are left */
    int is_spent;               /* one more was needed */
    int flaw;                   /* why the best path is not valid */
    X509 *culprit;              /* of which certificate */
} search_t;

/* ---- The rules ---- */

/* A path is tried as it was made: its next certificate is the issuer. */
static int is_next(X509_STORE_CTX *ctx, X509 *x509, X509 *issuer)
{
    const search_t *search = X509_STORE_CTX_get_app_data(ctx);
    int i;

    for (i = 0; i + 1 < search->path->len; i++) {
        if (search->path->certs[i] == x509) {
            return search->path->certs[i + 1] == issuer;
        }
    }
    return x509 == issuer && !X509_NAME_cmp(X509_get_subject_name(x509),
                                            X509_get_issuer_name(x509));
}

void nmdm_chain_set_rules(X509_STORE *store)
{
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);

    /* Each certificate of the file is an anchor, also if another CA signed
     * it. */
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_set_check_issued(store, is_next);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    /* RFC 5280, 4.2.1.10: a dNSName constraint is about dNSName entries; a
     * common name such as mac17.local is none. */
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
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

/* The certificate itself may have ended, if not before this time; its issuers
 * may not. */
static int forgive(int is_good, X509_STORE_CTX *ctx)
{
    const search_t *search = X509_STORE_CTX_get_app_data(ctx);

    if (is_good || X509_STORE_CTX_get_error_depth(ctx) != 0
        || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CERT_HAS_EXPIRED) {
        return is_good;
    }
    return nmdm_x509_time(X509_get0_notAfter(X509_STORE_CTX_get0_cert(ctx)))
        >= search->oldest;
}

/* ---- The search ---- */

static int can_check(search_t *search, int n)
{
    if (search->checks < n) {
        search->is_spent = 1;
        return 0;
    }
    search->checks -= n;
    return 1;
}

/* The first reason counts, but one better than a signature that does not
 * fit. */
static void note(search_t *search, int flaw, X509 *culprit)
{
    if (search->flaw == X509_V_OK
        || search->flaw == X509_V_ERR_CERT_SIGNATURE_FAILURE) {
        search->flaw = flaw;
        search->culprit = culprit;
    }
}

static X509_STORE_CTX *context_for(search_t *search, STACK_OF(X509) *trusted,
                                   STACK_OF(X509) *untrusted)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    if (!ctx || !X509_STORE_CTX_init(ctx, search->cas->store,
                                     search->path->certs[0], untrusted)) {
        X509_STORE_CTX_free(ctx);
        return NULL;
    }
    X509_STORE_CTX_set0_trusted_stack(ctx, trusted);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)apr_time_sec(search->now));
    X509_STORE_CTX_set_app_data(ctx, search);
    X509_STORE_CTX_set_verify_cb(ctx, forgive);
    return ctx;
}

static int suits_clients(search_t *search)
{
    int i;

    for (i = 0; i < search->path->len; i++) {
        if (!may_identify_a_client(search->path->certs[i])) {
            note(search, NOT_FOR_CLIENTS, search->path->certs[i]);
            return 0;
        }
    }
    return 1;
}

/* Whether OpenSSL finds the whole path valid. */
static int is_valid(search_t *search)
{
    nmdm_chain_t *path = search->path;
    STACK_OF(X509) *trusted = sk_X509_new_null();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    X509_STORE_CTX *ctx = NULL;
    int good = 0, i;

    if (trusted && untrusted && can_check(search, path->len - 1)) {
        sk_X509_push(trusted, path->certs[path->len - 1]);
        for (i = 1; i + 1 < path->len; i++) {
            sk_X509_push(untrusted, path->certs[i]);
        }
        ctx = context_for(search, trusted, untrusted);
    }
    if (ctx) {
        good = X509_verify_cert(ctx) == 1;
        if (!good) {
            i = X509_STORE_CTX_get_error_depth(ctx);
            note(search, X509_STORE_CTX_get_error(ctx),
                 path->certs[i >= 0 && i < path->len ? i : 0]);
        }
    }
    X509_STORE_CTX_free(ctx);
    sk_X509_free(trusted);
    sk_X509_free(untrusted);
    ERR_clear_error();
    return good && suits_clients(search);
}

static int is_listed(STACK_OF(X509) *certs, const X509 *x509)
{
    int i;

    for (i = 0; i < sk_X509_num(certs); i++) {
        if (!X509_cmp(sk_X509_value(certs, i), x509)) {
            return 1;
        }
    }
    return 0;
}

static int is_among(X509 *const *certs, int n, const X509 *x509)
{
    int i;

    for (i = 0; i < n; i++) {
        if (!X509_cmp(certs[i], x509)) {
            return 1;
        }
    }
    return 0;
}

/* A CA certificate of the issuer's name that is not in the path yet. */
static int may_be_issuer(const nmdm_chain_t *path, X509 *issuer, X509 *x509)
{
    return !X509_NAME_cmp(X509_get_subject_name(issuer),
                          X509_get_issuer_name(x509))
        && !is_among(path->certs, path->len, issuer);
}

static int is_signed_by(search_t *search, X509 *x509, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    int good = key && can_check(search, 1) && X509_verify(x509, key) == 1;

    ERR_clear_error();
    if (!good) {
        note(search, X509_V_ERR_CERT_SIGNATURE_FAILURE, x509);
    }
    return good;
}

/* All that may have issued x509, those first that its key identifier names.
 * *n is their number; the array is of p. */
static X509 **candidates(int *n, apr_pool_t *p, const search_t *search,
                         X509 *x509)
{
    STACK_OF(X509) *files[] = { search->cas->anchors,
                                search->cas->intermediates };
    int most = sk_X509_num(files[0])
        + (files[1] ? sk_X509_num(files[1]) : 0);
    X509 **found = apr_palloc(p, (apr_size_t)most * sizeof(*found));
    int hinted, f, i;

    *n = 0;
    for (hinted = 1; hinted >= 0; hinted--) {
        for (f = 0; f < 2; f++) {
            for (i = 0; files[f] && i < sk_X509_num(files[f]); i++) {
                X509 *one = sk_X509_value(files[f], i);

                if (may_be_issuer(search->path, one, x509)
                    && (X509_check_issued(one, x509) == X509_V_OK) == hinted
                    && !is_among(found, *n, one)) {
                    found[(*n)++] = one;
                }
            }
        }
    }
    ERR_clear_error();
    return found;
}

/* Lengthens the path until it is valid; 0 leaves it as it was. A signature is
 * checked here only where there is a choice. */
static int climb(search_t *search, apr_pool_t *p)
{
    nmdm_chain_t *path = search->path;
    X509 *last = path->certs[path->len - 1], **issuers;
    int n, i;

    if (is_listed(search->cas->anchors, last)) {
        return is_valid(search);
    }
    if (path->len == NMDM_CHAIN_MAX_LENGTH) {
        note(search, X509_V_ERR_CERT_CHAIN_TOO_LONG, last);
        return 0;
    }
    issuers = candidates(&n, p, search, last);
    for (i = 0; i < n && !search->is_spent; i++) {
        if (n > 1 && !is_signed_by(search, last, issuers[i])) {
            continue;
        }
        path->certs[path->len++] = issuers[i];
        if (climb(search, p)) {
            return 1;
        }
        path->len--;
    }
    return 0;
}

/* Of an anchor that is a device's own certificate. */
static X509 *issuer_of_anchor(search_t *search, apr_pool_t *p)
{
    X509 *x509 = search->path->certs[0], **issuers;
    int n, i;

    if (X509_self_signed(x509, 0) == 1) {
        return x509;
    }
    issuers = candidates(&n, p, search, x509);
    for (i = 0; i < n; i++) {
        if (is_signed_by(search, x509, issuers[i])) {
            return issuers[i];
        }
    }
    return NULL;
}

/* ---- What to say ---- */

static const char *name_of(apr_pool_t *p, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text;

    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    text = nmdm_utf8_shortened(p, nmdm_x509_text(p, bio), MAX_NAME);
    BIO_free(bio);
    return text;
}

static const char *describe(apr_pool_t *p, const X509 *x509)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
    char *hex = number ? BN_bn2hex(number) : NULL;
    const char *text = apr_psprintf(
        p, "subject \"%s\", issuer \"%s\", serial %s",
        name_of(p, X509_get_subject_name(x509)),
        name_of(p, X509_get_issuer_name(x509)),
        hex ? nmdm_utf8_shortened(p, hex, MAX_NAME) : "?");

    OPENSSL_free(hex);
    BN_free(number);
    ERR_clear_error();
    return text;
}

static const char *reason(apr_pool_t *p, const search_t *search, X509 *x509)
{
    const char *text;

    if (search->is_spent) {
        return apr_psprintf(p, "no valid path after %d signature checks",
                            NMDM_CHAIN_MAX_CHECKS);
    }
    if (search->flaw == X509_V_OK) {
        return X509_verify_cert_error_string(
            X509_self_signed(x509, 0) == 1
                ? X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
                : X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    }
    text = search->flaw == NOT_FOR_CLIENTS
        ? "its chain is not for client authentication"
        : X509_verify_cert_error_string(search->flaw);
    return search->culprit == x509 ? text
        : apr_psprintf(p, "%s, in the CA certificate \"%s\"", text,
                       name_of(p, X509_get_subject_name(search->culprit)));
}

static nmdm_err_t *refused(apr_pool_t *p, const search_t *search, X509 *x509)
{
    const nmdm_chain_cas_t *cas = search->cas;

    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0306)
                    "identity certificate refused: %s; %s; looked in %s%s%s",
                    reason(p, search, x509), describe(p, x509),
                    cas->anchors_file,
                    cas->intermediates_file ? " and " : "",
                    cas->intermediates_file ? cas->intermediates_file : "");
}

nmdm_err_t *nmdm_chain_find(nmdm_chain_t *out, apr_pool_t *p,
                            const nmdm_chain_cas_t *cas, X509 *x509,
                            apr_time_t now, apr_interval_time_t grace)
{
    search_t search = { .cas = cas, .path = out, .now = now,
                        .oldest = grace ? now - grace : APR_INT64_MAX,
                        .checks = NMDM_CHAIN_MAX_CHECKS };

    out->certs[0] = x509;
    out->len = 1;
    if (!climb(&search, p)) {
        return refused(p, &search, x509);
    }
    out->issuer = out->len > 1 ? out->certs[1]
                               : issuer_of_anchor(&search, p);
    return NULL;
}
