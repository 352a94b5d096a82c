/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_crypto.h -- certificates, trust, signatures, digests. */

#ifndef NMDM_CRYPTO_H
#define NMDM_CRYPTO_H

#include "nmdm.h"

struct ssl_st;
struct ssl_ctx_st;

/* ---- Digests ---- */

/* SHA-256 in lower-case hex. */
const char *nmdm_crypto_sha256(apr_pool_t *p, nmdm_bytes_t bytes);

/* HMAC-SHA256 in standard base64. */
const char *nmdm_crypto_hmac(apr_pool_t *p, const char *key,
                             nmdm_bytes_t bytes);

/* Fills len bytes at out with randomness; 0 when there is none to be had. */
int nmdm_crypto_random(void *out, apr_size_t len);

/* Whether two secrets are equal, in a time that does not tell how much of
 * them is. */
int nmdm_crypto_same_secret(const char *a, const char *b);

/* ---- Trust: who may be a device ---- */

/* Trust anchors and intermediates, and the verdicts already reached. Safe to
 * share between threads. */
typedef struct nmdm_trust_t nmdm_trust_t;

/* Reads both PEM files (intermediates may be NULL) into *out, which lives as
 * long as p. The error text names the file and says what is wrong with it. */
nmdm_err_t *nmdm_crypto_trust(nmdm_trust_t **out, apr_pool_t *p,
                              const char *anchors_file,
                              const char *intermediates_file);

/* The number of certificates in a PEM file, or an error that names it. */
nmdm_err_t *nmdm_crypto_count_pem(int *count, apr_pool_t *p,
                                  const char *file);

/* Whether cert leads to one of the anchors now and may identify a client
 * (behaviour specification 1.8). A good verdict is remembered with its period
 * of validity, so that a known certificate costs a look-up. */
nmdm_err_t *nmdm_crypto_verify(nmdm_trust_t *trust, apr_pool_t *p,
                               const nmdm_cert_t *cert, apr_time_t now);

/* The same, but a certificate that has ended passes for `grace` longer, if it
 * has not got another flaw and its issuers are valid. *ends is when it does, or
 * did. */
nmdm_err_t *nmdm_crypto_verify_late(apr_time_t *ends, nmdm_trust_t *trust,
                                    apr_pool_t *p, const nmdm_cert_t *cert,
                                    apr_time_t now,
                                    apr_interval_time_t grace);

/* ---- Where a certificate comes from ---- */

/* Lets mod_ssl's server with this context go on with client certificates that
 * are expired, not yet valid, for another purpose or weakly signed, if it goes
 * on with those of unknown issuers. Callers must judge them. */
void nmdm_crypto_tls_judge_later(struct ssl_ctx_st *context);

/* The peer of a TLS connection as a certificate in p; *out is NULL when it
 * sent none. `known`, when not NULL, is what an earlier call returned for the
 * same connection: it is returned again while the peer has not changed. */
typedef struct nmdm_peer_t nmdm_peer_t;
struct nmdm_peer_t {
    const void *x509;           /* identity of the object, never followed */
    nmdm_cert_t cert;
};
nmdm_err_t *nmdm_crypto_tls_peer(const nmdm_peer_t **out, apr_pool_t *p,
                                 const struct ssl_st *ssl,
                                 const nmdm_peer_t *known);

/* The signer of a detached CMS signature over body, Mdm-Signature's value
 * being the base64 text (behaviour specification 1.7 A; Apple's "Pass an
 * Identity Certificate Through a Proxy"). It may have been made until `grace`
 * after the certificate's end. */
nmdm_err_t *nmdm_crypto_signer(nmdm_cert_t **out, apr_pool_t *p,
                               const char *base64, nmdm_bytes_t body,
                               apr_interval_time_t grace);

/* The certificate in the value of a header: RFC 9440, or a query-escaped PEM
 * block (behaviour specification 1.7 B). */
nmdm_err_t *nmdm_crypto_header(nmdm_cert_t **out, apr_pool_t *p,
                               const char *value);

/* The PEM form of a certificate, one trailing newline. */
const char *nmdm_crypto_pem(apr_pool_t *p, nmdm_bytes_t der);

/* Until when a certificate in PEM is valid; 0 when it is none. */
int nmdm_crypto_not_after(apr_time_t *out, const char *pem);

/* ---- Push certificates ---- */

typedef struct {
    const char *cert_pem;
    const char *key_pem;
    const char *topic;          /* UID attribute of the subject */
    apr_time_t not_after;
} nmdm_push_cert_t;

/* Reads a certificate and its private key from concatenated PEM (behaviour
 * specification 6.4). Of several certificates the one that matches the key is
 * taken. Both are kept in the form in which they came. The error texts are
 * those that NanoMDM's clients know. */
nmdm_err_t *nmdm_crypto_push_cert(nmdm_push_cert_t *out, apr_pool_t *p,
                                  nmdm_bytes_t pem);

#endif /* NMDM_CRYPTO_H */
