/* SPDX-License-Identifier: Apache-2.0 */
/* identity_cert.c -- the certificate of a device, from TLS or from a
 * header. */

#include "crypto/identity_cert.h"
#include "crypto/x509.h"

#include <apr_atomic.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string.h>

/* ---- Certificates from TLS ---- */

/* mod_ssl's, the same for all servers; written while one thread runs. */
static SSL_verify_cb mod_ssl_verify;

/* What is wrong with a chain, nmdm_trust_verify_late finds again for every
 * request, where a status and a line in the log say so. It looks at no
 * revocation list and asks no responder: that stays mod_ssl's; and after a
 * fault of OpenSSL's own nothing is known. */
static int is_judged_later(int flaw)
{
    switch (flaw) {
    case X509_V_ERR_UNSPECIFIED:
    case X509_V_ERR_OUT_OF_MEM:
    case X509_V_ERR_APPLICATION_VERIFICATION:
    case X509_V_ERR_INVALID_CALL:
    case X509_V_ERR_STORE_LOOKUP:
    case X509_V_ERR_CERT_REVOKED:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
    case X509_V_ERR_OCSP_VERIFY_NEEDED:
    case X509_V_ERR_OCSP_VERIFY_FAILED:
    case X509_V_ERR_OCSP_CERT_UNKNOWN:
        return 0;
    default:
        return 1;
    }
}

/* Of an SSL_CTX: an apr_uint32_t, atomic, whether mod_ssl has gone on with an
 * unknown issuer here, which it does with optional_no_ca alone. */
static int forgives_index = -1;

static apr_uint32_t *forgives(const SSL *ssl)
{
    return forgives_index < 0 ? NULL
        : SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), forgives_index);
}

/* mod_ssl hears of what optional_no_ca forgives instead, an unknown issuer. So
 * to mod_ssl the certificate is a stranger's, and any other SSLVerifyClient
 * ends the handshake as before. */
static int pass_as_unknown(X509_STORE_CTX *context, apr_uint32_t *forgiven)
{
    int depth = X509_STORE_CTX_get_error_depth(context), good;

    X509_STORE_CTX_set_error(context,
                             X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    /* A depth that is within any SSLVerifyDepth. */
    X509_STORE_CTX_set_error_depth(context, 0);
    good = mod_ssl_verify(0, context);
    X509_STORE_CTX_set_error_depth(context, depth);
    if (good && forgiven) {
        apr_atomic_set32(forgiven, 1);
    }
    return good;
}

/* Whether to show mod_ssl a depth of 0. It counts SSLVerifyDepth, 1 by
 * default, even where it forgives that no issuer is known: a device that sends
 * its chain along would be turned away. With optional and require the depth
 * counts. */
static int hides_depth(const SSL *ssl, apr_uint32_t *forgiven)
{
    return forgiven && apr_atomic_read32(forgiven)
        && !(SSL_get_verify_mode(ssl) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
}

static int pass_as_good(X509_STORE_CTX *context, int hidden)
{
    int depth = X509_STORE_CTX_get_error_depth(context), good;

    if (hidden) {
        X509_STORE_CTX_set_error_depth(context, 0);
    }
    good = mod_ssl_verify(1, context);
    X509_STORE_CTX_set_error_depth(context, depth);
    return good;
}

/* Until it is known what mod_ssl forgives, it hears of a good certificate as
 * it is; and where it has a reason of its own against one, that counts. */
static int verify_leniently(int good, X509_STORE_CTX *context)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(
        context, SSL_get_ex_data_X509_STORE_CTX_idx());
    apr_uint32_t *forgiven = forgives(ssl);
    int hidden = hides_depth(ssl, forgiven), flaw;

    if (good && pass_as_good(context, hidden)) {
        return 1;
    }
    if (good && (hidden || !X509_STORE_CTX_get_error_depth(context))) {
        return 0;
    }
    flaw = X509_STORE_CTX_get_error(context);
    if (flaw != X509_V_OK && !is_judged_later(flaw)) {
        return good ? 0 : mod_ssl_verify(0, context);
    }
    return pass_as_unknown(context, forgiven);
}

void nmdm_identity_cert_tls_judge_later(apr_pool_t *p,
                                        struct ssl_ctx_st *context)
{
    SSL_verify_cb present = SSL_CTX_get_verify_callback(context);
    int mode = SSL_CTX_get_verify_mode(context);

    if (!present || present == verify_leniently
        || mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) {
        return;         /* SSLVerifyClient require: let its log say why */
    }
    if (forgives_index < 0) {
        forgives_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }
    SSL_CTX_set_ex_data(context, forgives_index,
                        apr_pcalloc(p, sizeof(apr_uint32_t)));
    mod_ssl_verify = present;
    SSL_CTX_set_verify(context, mode, verify_leniently);
}

int nmdm_identity_cert_tls_is_verified(const struct ssl_st *ssl)
{
    SSL_CTX *context = SSL_get_SSL_CTX(ssl);
    X509 *x509 = SSL_get0_peer_certificate(ssl);
    X509_STORE_CTX *verification;
    int is_good;

    if (!x509) {
        return 0;
    }
    if (SSL_CTX_get_verify_mode(context) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) {
        return 1;       /* SSLVerifyClient require, which forgives nothing */
    }
    verification = X509_STORE_CTX_new();
    is_good = verification
        && X509_STORE_CTX_init(verification, SSL_CTX_get_cert_store(context),
                               x509, SSL_get_peer_cert_chain(ssl))
        && X509_STORE_CTX_set_default(verification, "ssl_client")
        && X509_verify_cert(verification) == 1;
    X509_STORE_CTX_free(verification);
    ERR_clear_error();
    return is_good;
}

nmdm_err_t *nmdm_identity_cert_tls_peer(const nmdm_peer_t **out, apr_pool_t *p,
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
    cert = nmdm_x509_cert(p, x509);
    if (!cert) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0309)
                        "TLS peer certificate is damaged: %s",
                        nmdm_x509_failure(p));
    }
    /* Held, so that no other certificate can get its address. */
    X509_up_ref(x509);
    nmdm_x509_free_with(p, x509);
    peer = apr_palloc(p, sizeof(*peer));
    peer->x509 = x509;
    peer->cert = *cert;
    *out = peer;
    return NULL;
}

/* ---- Certificates from a proxy's header ---- */

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

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
        : c >= 'a' && c <= 'f' ? c - 'a' + 10
        : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %XX alone: a plus is left as it is, because some proxies escape the one in
 * base64 and others do not. NULL where an escape is none, or a NUL. */
static const char *unescape(apr_pool_t *p, const char *value)
{
    char *text = apr_palloc(p, strlen(value) + 1), *to = text;
    int high, low;

    for (; *value; value++) {
        *to = *value;
        if (*value == '%') {
            high = digit_of(value[1]);
            low = high < 0 ? -1 : digit_of(value[2]);
            if (low < 0 || !(*to = (char)(high << 4 | low))) {
                return NULL;
            }
            value += 2;
        }
        to++;
    }
    *to = '\0';
    return text;
}

/* How many characters the base64 of a certificate has that begins with `text`
 * and needs no padding, by the length that its DER form announces, in two
 * bytes for any certificate of 256 bytes to 64 KiB. Otherwise 0. */
static apr_size_t announced_length(apr_pool_t *p, const char *text,
                                   apr_size_t len)
{
    nmdm_bytes_t head;
    const unsigned char *der;
    apr_size_t size;

    if (len < 8 || !nmdm_base64_decode(&head, p, text, 8, 0)) {
        return 0;
    }
    der = (const unsigned char *)head.data;
    if (der[0] != 0x30 || der[1] != 0x82) {
        return 0;
    }
    size = (apr_size_t)(der[2] << 8 | der[3]) + 4;
    return size % 3 ? 0 : size / 3 * 4;
}

/* A blank inside base64 was a plus before a proxy decoded it as a form's.
 * Those at the end of a header's value are gone: httpd removes them. No
 * more than three, or a few bytes would be a certificate of any announced
 * length. */
static int decode_base64_lines(nmdm_bytes_t *der, apr_pool_t *p,
                               const char *text, apr_size_t len)
{
    char *plain = apr_palloc(p, len + 4), *to = plain;
    apr_size_t i, n, wanted;

    for (i = 0; i < len; i++) {
        if (!strchr("\r\n\t", text[i])) {
            *to++ = text[i] == ' ' ? '+' : text[i];
        }
    }
    n = (apr_size_t)(to - plain);
    wanted = announced_length(p, plain, n);
    while (n < wanted && wanted - n <= 3) {
        plain[n++] = '+';
    }
    return n && nmdm_base64_decode(der, p, plain, n, 0);
}

/* After `text`, which ends before a word of PEM's boundary: the place after
 * that word, or NULL. */
static const char *after_boundary(const char *text)
{
    static const char REST[] = "CERTIFICATE-----";

    return (*text == ' ' || *text == '+')
        && !strncmp(text + 1, REST, sizeof(REST) - 1)
        ? text + sizeof(REST) : NULL;
}

/* The first PEM block of a query-escaped text, if it is a certificate. The
 * lines may have any length, and empty ones between them. A comma, before it or
 * after its beginning, is where a proxy has folded two headers, of which one is
 * its client's; lines of text before it may have commas. */
static int decode_pem(nmdm_bytes_t *der, apr_pool_t *p, const char *text,
                      const char *begin)
{
    const char *body = after_boundary(begin + strlen("-----BEGIN"));
    const char *end = body ? strstr(body, "-----END") : NULL;

    return end && !(begin > text && begin[-1] == ',') && !strchr(body, ',')
        && after_boundary(end + strlen("-----END"))
        && decode_base64_lines(der, p, body, (apr_size_t)(end - body));
}

/* Base64 of the DER form, alone or the first of a chain by commas. What is not
 * base64 after a comma is another header. */
static int decode_bare(nmdm_bytes_t *der, apr_pool_t *p, const char *text)
{
    static const char CHAIN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz"
                                "0123456789+/=, \t\r\n";
    apr_size_t len = strcspn(text, ",");

    return !text[len + strspn(text + len, CHAIN)]
        && decode_base64_lines(der, p, text, len);
}

static int decode_escaped(nmdm_bytes_t *der, apr_pool_t *p,
                          const char *value)
{
    const char *text = unescape(p, value);
    const char *begin = text ? strstr(text, "-----BEGIN") : NULL;

    return text && (begin ? decode_pem(der, p, text, begin)
                          : decode_bare(der, p, text));
}

nmdm_err_t *nmdm_identity_cert_header(nmdm_cert_t **out, apr_pool_t *p,
                                      const char *value)
{
    nmdm_bytes_t der;
    X509 *x509 = NULL;
    int ok;

    ok = *value == ':' ? decode_rfc9440(&der, p, value)
                       : decode_escaped(&der, p, value);
    /* Parsed and written again: bytes that mean the same certificate must not
     * have another hash. */
    if (!ok || !nmdm_x509_parse(&x509, der)
        || !(*out = nmdm_x509_cert(p, x509))) {
        X509_free(x509);
        return bad_header(p, "neither RFC 9440 nor a certificate as escaped"
                             " PEM or in base64");
    }
    X509_free(x509);
    return NULL;
}
