/* SPDX-License-Identifier: Apache-2.0 */
/* push_cert_pem.h -- a push certificate and its key, as PEM. */

#ifndef NMDM_PUSH_CERT_PEM_H
#define NMDM_PUSH_CERT_PEM_H

#include "base/context.h"

typedef struct nmdm_push_cert_t {
    const char *cert_pem;
    const char *key_pem;
    const char *topic;          /* UID attribute of the subject */
    apr_time_t not_after;
} nmdm_push_cert_t;

/* Reads a certificate and its private key from concatenated PEM (behaviour
 * specification 6.4). Of several certificates the one that matches the key is
 * taken. Both are kept in the form in which they were uploaded. The error
 * texts are those that NanoMDM's clients know. */
nmdm_err_t *nmdm_push_cert_pem_read(nmdm_push_cert_t *out, apr_pool_t *p,
                                    nmdm_bytes_t pem);

#endif /* NMDM_PUSH_CERT_PEM_H */
