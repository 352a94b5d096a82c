/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_pem.c -- any bytes as an upload of a push certificate. */

#include "fuzz.h"
#include "crypto/push_cert_pem.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS;
}

static void fuzz_push_cert(apr_pool_t *p, nmdm_bytes_t pem)
{
    nmdm_push_cert_t cert;

    if (!nmdm_push_cert_pem_read(&cert, p, pem)) {
        PROMISED(!strncmp(cert.topic, "com.apple.mgmt", 14));
        PROMISED(nmdm_utf8_valid(cert.topic, strlen(cert.topic)));
        PROMISED(!strncmp(cert.cert_pem, "-----BEGIN CERTIFICATE-----", 27));
        PROMISED(!strncmp(cert.key_pem, "-----BEGIN ", 11));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    fuzz_push_cert(p, body_of(p, data, size));
    apr_pool_destroy(p);
    return 0;
}
