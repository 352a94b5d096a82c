/* SPDX-License-Identifier: Apache-2.0 */
/* trust.h -- which certificates may be those of devices. */

#ifndef NMDM_TRUST_H
#define NMDM_TRUST_H

#include "base/context.h"

/* Trust anchors and intermediates, and the verdicts already reached. Safe to
 * share between threads. */
typedef struct nmdm_trust_t nmdm_trust_t;

/* Reads both PEM files (intermediates may be NULL) into *out, which lives as
 * long as p. The error text names the file and says what is wrong with it. */
nmdm_err_t *nmdm_trust_read(nmdm_trust_t **out, apr_pool_t *p,
                            const char *anchors_file,
                            const char *intermediates_file);

/* How many certificates of a PEM file may sign others; an error names the
 * file. */
nmdm_err_t *nmdm_trust_count_cas(int *count, apr_pool_t *p, const char *file);

/* How many certificates a PEM file has. */
nmdm_err_t *nmdm_trust_count_pem(int *count, apr_pool_t *p,
                                 const char *file);

/* Whether a PEM file has this certificate. */
nmdm_err_t *nmdm_trust_file_has(int *yes, apr_pool_t *p, const char *file,
                                const nmdm_cert_t *cert);

/* Whether cert leads to one of the anchors now and may identify a client
 * (behaviour specification 1.8); its other form is filled in. A good verdict is
 * remembered with its period of validity, so that a known certificate costs a
 * look-up; by the digest of exactly these bytes, because only they have been
 * verified. */
nmdm_err_t *nmdm_trust_verify(nmdm_trust_t *trust, apr_pool_t *p,
                              nmdm_cert_t *cert, apr_time_t now);

/* The same, but a certificate that has ended passes for `grace` longer, if it
 * has not got another flaw and its issuers are valid. *ends is when it does, or
 * did. */
nmdm_err_t *nmdm_trust_verify_late(apr_time_t *ends, nmdm_trust_t *trust,
                                   apr_pool_t *p, nmdm_cert_t *cert,
                                   apr_time_t now,
                                   apr_interval_time_t grace);

#endif /* NMDM_TRUST_H */
