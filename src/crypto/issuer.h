/* SPDX-License-Identifier: Apache-2.0 */
/* issuer.h -- the CA that issues identities of devices: its keys, what it
 * accepts as a request (PKCS#10), what it issues. */

#ifndef NMDM_ISSUER_H
#define NMDM_ISSUER_H

#include "base/context.h"

struct x509_st;
struct evp_pkey_st;
struct X509_req_st;

/* A certificate and its private key. */
typedef struct {
    struct x509_st *x509;
    struct evp_pkey_st *key;
    struct evp_pkey_st *legacy_key;     /* for DES; NULL where it is off */
    nmdm_cert_t cert;
    const char *name;                   /* subject, for logs */
    int is_rsa;
} nmdm_key_pair_t;

/* Reads a pair from two PEM files; both live as long as p. The error names what
 * is wrong and the remedy. */
nmdm_err_t *nmdm_issuer_read(nmdm_key_pair_t **out, apr_pool_t *p,
                             const char *cert_file, const char *key_file);

/* Why a pair cannot issue identities of Apple's devices, or NULL; with the
 * remedy. With a recipient of its own, nothing is encrypted to it. */
const char *nmdm_issuer_flaw(apr_pool_t *p, const nmdm_key_pair_t *pair,
                             int has_recipient, apr_time_t now);
/* Why a pair cannot decrypt requests and sign replies, or NULL. */
const char *nmdm_issuer_recipient_flaw(apr_pool_t *p,
                                       const nmdm_key_pair_t *pair,
                                       const nmdm_key_pair_t *issuer,
                                       apr_time_t now);

/* Lets a pair decrypt DES as well, in a library context of its own; 0 where
 * OpenSSL's legacy provider is not installed. */
int nmdm_issuer_add_legacy(nmdm_key_pair_t *pair, apr_pool_t *p);

/* ---- Requests ---- */

/* What a CSR asks for, and whose key it has. */
typedef struct {
    struct X509_req_st *req;            /* freed with the pool */
    const char *challenge;              /* "" without */
    const char *key_sha256;             /* of the SPKI, lower-case hex */
    const char *subject;                /* RFC 2253 */
    int has_rsa_key;
} nmdm_csr_t;

typedef enum {
    NMDM_CSR_GOOD,
    NMDM_CSR_UNREADABLE,        /* no CSR, or its signature fails */
    NMDM_CSR_WEAK_KEY           /* *why says what is wrong with it */
} nmdm_csr_e;

/* Reads a CSR (RFC 2986) from DER and verifies its signature; *out lives as
 * long as p, and is filled in for NMDM_CSR_GOOD alone. */
nmdm_csr_e nmdm_csr_read(nmdm_csr_t *out, const char **why, apr_pool_t *p,
                         nmdm_bytes_t der);
const char *nmdm_csr_pem(apr_pool_t *p, const nmdm_csr_t *csr);

/* ---- Certificates ---- */

typedef struct {
    nmdm_cert_t cert;
    struct x509_st *x509;               /* the same; freed with the pool */
    const char *pem;
    const char *serial;                 /* lower-case hex */
    const char *subject;                /* RFC 2253 */
    apr_time_t not_after;
    int is_cut_short;                   /* by the issuer's end */
} nmdm_issued_t;

/* Issues a certificate for a CSR, valid for so many days from now; its common
 * name is `name` where that is not NULL. *flaw, when not NULL afterwards, is
 * what is wrong with the subject: then nothing was issued. */
nmdm_err_t *nmdm_issuer_issue(nmdm_issued_t *out, const char **flaw,
                              apr_pool_t *p, const nmdm_key_pair_t *issuer,
                              const nmdm_csr_t *csr, const char *name,
                              int days, apr_time_t now);

#endif /* NMDM_ISSUER_H */
