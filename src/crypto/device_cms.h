/* SPDX-License-Identifier: Apache-2.0 */
/* device_cms.h -- what a device signs before it is enrolled, with the
 * certificate that Apple gave it. */

#ifndef NMDM_DEVICE_CMS_H
#define NMDM_DEVICE_CMS_H

#include "base/context.h"

/* Bytes of a signed message; 3.6 KB were seen. */
#define NMDM_DEVICE_CMS_LONGEST 65536

/* The CAs of such certificates; shared between threads. */
typedef struct nmdm_device_cms_cas_t nmdm_device_cms_cas_t;

/* Reads them from PEM text; they live as long as p. NMDM_INVALID where there is
 * no certificate. */
nmdm_err_t *nmdm_device_cms_read_cas(nmdm_device_cms_cas_t **out,
                                     apr_pool_t *p, const char *pem);

/* The content of signed data (RFC 5652) that one signer signed whose enclosed
 * certificate one of the CAs or of their issuers vouches for. *why is NULL, or
 * says why it is not believed. SHA-1 is taken, and certificates that have
 * ended: Apple's iPhone Device CA ended in 2014. NMDM_INVALID when it is no
 * signed data with content, or more than NMDM_DEVICE_CMS_LONGEST. */
nmdm_err_t *nmdm_device_cms_open(nmdm_bytes_t *content, const char **why,
                                 apr_pool_t *p,
                                 const nmdm_device_cms_cas_t *cas,
                                 nmdm_bytes_t message);

#endif /* NMDM_DEVICE_CMS_H */
