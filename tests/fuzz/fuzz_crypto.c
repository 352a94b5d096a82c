/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_crypto.c -- any bytes as a signature, a header or a push certificate.
 *
 * The first byte of an input chooses:
 *   S   two bytes of length, as much CMS, then the body; base64 is added here,
 *       because a fuzzer would not get through that
 *   B   the value of Mdm-Signature itself, for an empty body
 *   D   DER, which is put between colons as RFC 9440 has it
 *   H   the value of the header itself
 *   P   an upload of a push certificate */

#include "fuzz.h"
#include "nmdm_crypto.h"

#include <apr_file_io.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

static apr_pool_t *whole;
static nmdm_trust_t *trust;

/* Trust in a CA that nobody has the key of. */
static void make_trust(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    const char *folder;
    apr_file_t *file;
    char *name;
    FILE *out;

    X509_set_version(x509, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
                               MBSTRING_ASC, (const unsigned char *)"CA", -1,
                               -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_set_pubkey(x509, key);
    X509_sign(x509, key, EVP_sha256());
    EVP_PKEY_free(key);
    PROMISED(apr_temp_dir_get(&folder, whole) == APR_SUCCESS);
    name = apr_pstrcat(whole, folder, "/nmdm-fuzz-XXXXXX", NULL);
    PROMISED(apr_file_mktemp(&file, name, 0, whole) == APR_SUCCESS);
    out = fopen(name, "w");
    PEM_write_X509(out, x509);
    fclose(out);
    X509_free(x509);
    PROMISED(!nmdm_crypto_trust(&trust, whole, name, NULL));
    apr_file_close(file);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (apr_initialize() != APR_SUCCESS) {
        return 1;
    }
    apr_pool_create(&whole, NULL);
    make_trust();
    return 0;
}

static void check_cert(apr_pool_t *p, const nmdm_cert_t *cert)
{
    PROMISED(strlen(cert->sha256) == 64);
    PROMISED(!strcmp(cert->sha256, nmdm_crypto_sha256(p, cert->der)));
    PROMISED(nmdm_crypto_verify(trust, p, cert, apr_time_now()));
    PROMISED(!strncmp(nmdm_crypto_pem(p, cert->der), "-----BEGIN C", 12));
}

static void fuzz_signer(apr_pool_t *p, const char *base64, nmdm_bytes_t body)
{
    nmdm_cert_t *cert = NULL;

    if (!nmdm_crypto_signer(&cert, p, base64, body, 0)) {
        check_cert(p, cert);
    }
}

static void fuzz_header(apr_pool_t *p, const char *value)
{
    nmdm_cert_t *cert = NULL;

    if (!nmdm_crypto_header(&cert, p, value)) {
        check_cert(p, cert);
    }
}

static void fuzz_push_cert(apr_pool_t *p, nmdm_bytes_t pem)
{
    nmdm_push_cert_t cert;

    if (!nmdm_crypto_push_cert(&cert, p, pem)) {
        PROMISED(!strncmp(cert.topic, "com.apple.mgmt", 14));
        PROMISED(nmdm_utf8_valid(cert.topic, strlen(cert.topic)));
        PROMISED(!strncmp(cert.cert_pem, "-----BEGIN CERTIFICATE-----", 27));
        PROMISED(!strncmp(cert.key_pem, "-----BEGIN ", 11));
    }
}

static void fuzz_signature(apr_pool_t *p, const uint8_t *data, size_t size)
{
    nmdm_bytes_t cms;

    if (size < 2) {
        return;
    }
    cms.len = (apr_size_t)data[0] << 8 | data[1];
    cms.data = (const char *)data + 2;
    if (cms.len > size - 2) {
        cms.len = size - 2;
    }
    fuzz_signer(p, nmdm_base64_encode(p, cms),
                body_of(p, data + 2 + cms.len, size - 2 - cms.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nmdm_bytes_t rest;
    apr_pool_t *p;

    if (!size) {
        return 0;
    }
    apr_pool_create(&p, NULL);
    rest = body_of(p, data + 1, size - 1);
    switch (data[0]) {
    case 'S':
        fuzz_signature(p, data + 1, size - 1);
        break;
    case 'B':
        fuzz_signer(p, rest.data, body_of(p, data, 0));
        break;
    case 'D':
        fuzz_header(p, apr_pstrcat(p, ":", nmdm_base64_encode(p, rest), ":",
                                   NULL));
        break;
    case 'H':
        fuzz_header(p, rest.data);
        break;
    case 'P':
        fuzz_push_cert(p, rest);
        break;
    }
    apr_pool_destroy(p);
    return 0;
}
