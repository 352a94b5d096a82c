/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_header.c -- any bytes as a certificate in a header.
 *
 * The first byte of an input chooses:
 *   D   DER, which is put between colons as RFC 9440 has it
 *   H   the value of the header itself */

#include "trust.h"
#include "crypto/identity_cert.h"

static void fuzz_header(apr_pool_t *p, const char *value)
{
    nmdm_cert_t *cert = NULL;

    if (!nmdm_identity_cert_header(&cert, p, value)) {
        check_cert(p, cert);
    }
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
    if (data[0] == 'D') {
        fuzz_header(p, apr_pstrcat(p, ":", nmdm_base64_encode(p, rest), ":",
                                   NULL));
    }
    else if (data[0] == 'H') {
        fuzz_header(p, rest.data);
    }
    apr_pool_destroy(p);
    return 0;
}
