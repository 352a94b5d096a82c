/* SPDX-License-Identifier: Apache-2.0 */
/* cert_encodings.h -- the two forms of a certificate that ECDSA signed. */

#ifndef NMDM_CERT_ENCODINGS_H
#define NMDM_CERT_ENCODINGS_H

#include "base/context.h"

struct x509_st;

/* The order of the curve that the issuer signs on, big-endian, in p; empty
 * where a signature has one form alone (RSA, DSA, EdDSA). SEC 1, 4.1.4. */
nmdm_bytes_t nmdm_cert_encodings_order(apr_pool_t *p,
                                       const struct x509_st *issuer);

/* The same certificate with the issuer's signature in its other form, in p:
 * der, sha256, other_sha256 and order are set. NULL when there is none, which
 * is so for every certificate whose order is empty. */
nmdm_cert_t *nmdm_cert_encodings_other(apr_pool_t *p,
                                       const nmdm_cert_t *cert);

/* One name for both forms, 64 hex digits: for what counts certificates. Until
 * a certificate is verified that is its own digest. */
const char *nmdm_cert_encodings_name(const nmdm_cert_t *cert);

#endif /* NMDM_CERT_ENCODINGS_H */
