/* SPDX-License-Identifier: Apache-2.0 */
/* x509.h -- certificates in the hands of OpenSSL, and out of them. */

#ifndef NMDM_X509_H
#define NMDM_X509_H

#include "base/context.h"

struct asn1_string_st;
struct bio_st;
struct evp_pkey_st;
struct x509_st;

/* ---- For all files ---- */

/* The PEM form of a certificate, one trailing newline. */
const char *nmdm_x509_pem(apr_pool_t *p, nmdm_bytes_t der);

/* The way back; 0 when it is no certificate. */
int nmdm_x509_der(nmdm_bytes_t *out, apr_pool_t *p, const char *pem);

/* Until when a certificate in PEM is valid; 0 when it is none. */
int nmdm_x509_not_after(apr_time_t *out, const char *pem);

/* ---- For the files that know OpenSSL ---- */

/* The longest public exponent of an RSA key (FIPS 186-5 A.1.1). OpenSSL takes
 * one as long as the modulus, and to verify with that costs as much CPU as a
 * hundred usual signatures. */
#define NMDM_X509_EXPONENT_BITS 256

/* What OpenSSL has to say; its error queue is empty afterwards. */
const char *nmdm_x509_failure(apr_pool_t *p);

/* Whether der is one certificate and no more; *out is the caller's to free,
 * or NULL, either way. */
int nmdm_x509_parse(struct x509_st **out, nmdm_bytes_t der);
/* From PEM; freed with p. NULL when it is no certificate. */
struct x509_st *nmdm_x509_read(apr_pool_t *p, const char *pem);
/* Frees it with p. */
void nmdm_x509_free_with(apr_pool_t *p, struct x509_st *x509);

/* Its bytes and their hash, in p; NULL when it cannot be written. */
nmdm_cert_t *nmdm_x509_cert(apr_pool_t *p, struct x509_st *x509);
/* 0 when it is no time. */
apr_time_t nmdm_x509_time(const struct asn1_string_st *t);
/* The length of an RSA key's public exponent; 0 when it has none. */
int nmdm_x509_exponent_bits(const struct evp_pkey_st *key);
/* What was written to a memory BIO; "" where that is nothing. */
const char *nmdm_x509_text(apr_pool_t *p, struct bio_st *bio);

#endif /* NMDM_X509_H */
