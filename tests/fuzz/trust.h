/* SPDX-License-Identifier: Apache-2.0 */
/* trust.h -- for the targets that read certificates: a CA, and what holds for
 * every certificate that was accepted as one. */

#ifndef TRUST_H
#define TRUST_H

#include "fuzz.h"
#include "crypto/digest.h"
#include "crypto/trust.h"
#include "crypto/x509.h"

#include <apr_file_io.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

static apr_pool_t *whole;
static nmdm_trust_t *trust;

/* Trust in a CA whose key is lost. */
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
    PROMISED(!nmdm_trust_read(&trust, whole, name, NULL));
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

static void check_cert(apr_pool_t *p, nmdm_cert_t *cert)
{
    PROMISED(strlen(cert->sha256) == 64);
    PROMISED(!strcmp(cert->sha256, nmdm_digest_sha256(p, cert->der)));
    PROMISED(nmdm_trust_verify(trust, p, cert, apr_time_now()));
    PROMISED(!strncmp(nmdm_x509_pem(p, cert->der), "-----BEGIN C", 12));
}

#endif /* TRUST_H */
