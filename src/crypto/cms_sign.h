/* SPDX-License-Identifier: Apache-2.0 */
/* cms_sign.h -- signed profiles: a signer and what it signs. */

#ifndef NMDM_CMS_SIGN_H
#define NMDM_CMS_SIGN_H

#include "base/context.h"

/* A certificate, the chain that goes with it and its private key; shared
 * between threads. */
typedef struct nmdm_cms_sign_t nmdm_cms_sign_t;

/* Reads them from PEM text, the certificate of the key being wherever it is;
 * the rest of the certificates is the chain. Lives as long as p. NMDM_INVALID
 * says what is wrong and the remedy. */
nmdm_err_t *nmdm_cms_sign_read(nmdm_cms_sign_t **out, apr_pool_t *p,
                               nmdm_bytes_t pem);

/* When its certificate ends. */
apr_time_t nmdm_cms_sign_ends(const nmdm_cms_sign_t *signer);

/* content as signed data (RFC 5652) in DER: attached, SHA-256, with the
 * chain. */
nmdm_err_t *nmdm_cms_sign(nmdm_bytes_t *out, apr_pool_t *p,
                          const nmdm_cms_sign_t *signer,
                          nmdm_bytes_t content);

#endif /* NMDM_CMS_SIGN_H */
