/* SPDX-License-Identifier: Apache-2.0 */
/* x509.c -- certificates in the hands of OpenSSL, and out of them. */

#include "crypto/x509.h"
#include "crypto/digest.h"

#include <apr_strings.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

const char *nmdm_x509_failure(apr_pool_t *p)
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

void nmdm_x509_free_with(apr_pool_t *p, X509 *x509)
{
    apr_pool_cleanup_register(p, x509, free_x509, apr_pool_cleanup_null);
}

int nmdm_x509_parse(X509 **out, nmdm_bytes_t der)
{
    const unsigned char *at = (const unsigned char *)der.data;
    const unsigned char *end = at + der.len;

    *out = d2i_X509(NULL, &at, (long)der.len);
    return *out && at == end;
}

nmdm_cert_t *nmdm_x509_cert(apr_pool_t *p, X509 *x509)
{
    nmdm_cert_t *cert = apr_pcalloc(p, sizeof(*cert));
    int len = i2d_X509(x509, NULL);
    unsigned char *der, *at;

    if (len <= 0) {
        return NULL;
    }
    at = der = apr_palloc(p, (apr_size_t)len);
    i2d_X509(x509, &at);
    cert->der.data = (const char *)der;
    cert->der.len = (apr_size_t)len;
    cert->sha256 = nmdm_digest_sha256(p, cert->der);
    return cert;
}

int nmdm_x509_exponent_bits(const EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    int bits = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e)
        ? BN_num_bits(e) : 0;

    BN_free(e);
    return bits;
}

const char *nmdm_x509_text(apr_pool_t *p, BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    /* Where nothing was written, such as a name without parts, there is no
     * data. */
    return len > 0 ? apr_pstrmemdup(p, data, (apr_size_t)len) : "";
}

const char *nmdm_x509_pem(apr_pool_t *p, nmdm_bytes_t der)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *pem;

    PEM_write_bio(bio, PEM_STRING_X509, "",
                  (const unsigned char *)der.data, (long)der.len);
    pem = nmdm_x509_text(p, bio);
    BIO_free(bio);
    return pem;
}

static X509 *read_pem(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return x509;
}

X509 *nmdm_x509_read(apr_pool_t *p, const char *pem)
{
    X509 *x509 = read_pem(pem);

    if (x509) {
        nmdm_x509_free_with(p, x509);
    }
    return x509;
}

int nmdm_x509_der(nmdm_bytes_t *out, apr_pool_t *p, const char *pem)
{
    X509 *x509 = read_pem(pem);
    nmdm_cert_t *cert = x509 ? nmdm_x509_cert(p, x509) : NULL;

    if (cert) {
        *out = cert->der;
    }
    X509_free(x509);
    return cert != NULL;
}

apr_time_t nmdm_x509_time(const ASN1_TIME *t)
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

int nmdm_x509_not_after(apr_time_t *out, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    *out = x509 ? nmdm_x509_time(X509_get0_notAfter(x509)) : 0;
    X509_free(x509);
    BIO_free(bio);
    ERR_clear_error();
    return *out != 0;
}
