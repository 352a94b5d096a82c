/* SPDX-License-Identifier: Apache-2.0 */
/* push_cert_pem.c -- a push certificate and its key, from PEM. */

#include "crypto/push_cert_pem.h"
#include "crypto/x509.h"

#include <apr_strings.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string.h>

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

/* A block alone, without the header it may have had. */
static const char *pem_of(apr_pool_t *p, const char *name,
                          const unsigned char *data, long len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *pem;

    PEM_write_bio(bio, name, "", data, len);
    pem = nmdm_x509_text(p, bio);
    BIO_free(bio);
    return pem;
}

/* Sorts one block into certs (the last first) or *key. */
static nmdm_err_t *sort_block(apr_array_header_t *certs, part_t *key,
                              apr_pool_t *p, const char *name,
                              const char *header, const unsigned char *data,
                              long len)
{
    nmdm_bytes_t der = { (const char *)data, (apr_size_t)len };
    const unsigned char *at = data;
    part_t part = { 0 };

    if (!strcmp(name, PEM_STRING_X509)) {
        if (!nmdm_x509_parse(&part.x509, der)) {
            X509_free(part.x509);
            return bad_push_cert(p, "tls: failed to parse certificate");
        }
        nmdm_x509_free_with(p, part.x509);
    }
    else if (!strcmp(name, "PRIVATE KEY") || ends_with(name, " PRIVATE KEY")) {
        if (strstr(header, "ENCRYPTED") || strstr(name, "ENCRYPTED")) {
            return bad_push_cert(p, "tls: failed to parse private key: private"
                                    " key PEM appears to be encrypted; upload"
                                    " it without a passphrase (openssl"
                                    " pkey)");
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
    part.pem = pem_of(p, name, data, len);
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

nmdm_err_t *nmdm_push_cert_pem_read(nmdm_push_cert_t *out, apr_pool_t *p,
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
    out->not_after = nmdm_x509_time(X509_get0_notAfter(cert->x509));
    return NULL;
}
