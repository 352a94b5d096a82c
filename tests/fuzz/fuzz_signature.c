/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_signature.c -- any bytes as a signature.
 *
 * The first byte of an input chooses:
 *   S   two bytes of length, as much CMS, then the body; base64 is added here,
 *       because a fuzzer would not get through that
 *   B   the value of Mdm-Signature itself, for an empty body */

#include "trust.h"
#include "crypto/cms.h"

static void fuzz_signer(apr_pool_t *p, const char *base64, nmdm_bytes_t body)
{
    nmdm_cert_t *cert = NULL;

    if (!nmdm_cms_signer(&cert, p, base64, body, 0)) {
        check_cert(p, cert);
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
    apr_pool_t *p;

    if (!size) {
        return 0;
    }
    apr_pool_create(&p, NULL);
    if (data[0] == 'S') {
        fuzz_signature(p, data + 1, size - 1);
    }
    else if (data[0] == 'B') {
        fuzz_signer(p, body_of(p, data + 1, size - 1).data,
                    body_of(p, data, 0));
    }
    apr_pool_destroy(p);
    return 0;
}
