/* SPDX-License-Identifier: Apache-2.0 */
/* scep_message.h -- pkiMessages of SCEP (RFC 8894 section 3): who signed a
 * request, what is in it, and the reply. BER is read, DER is written. */

#ifndef NMDM_SCEP_MESSAGE_H
#define NMDM_SCEP_MESSAGE_H

#include "crypto/issuer.h"

/* messageType */
enum {
    NMDM_SCEP_CERT_REP = 3, NMDM_SCEP_RENEWAL_REQ = 17,
    NMDM_SCEP_UPDATE_REQ = 18, NMDM_SCEP_PKCS_REQ = 19,
    NMDM_SCEP_GET_CERT_INITIAL = 20, NMDM_SCEP_GET_CERT = 21,
    NMDM_SCEP_GET_CRL = 22
};

/* failInfo; NMDM_SCEP_FAILURES is the number of them. */
typedef enum {
    NMDM_SCEP_BAD_ALG, NMDM_SCEP_BAD_MESSAGE_CHECK, NMDM_SCEP_BAD_REQUEST,
    NMDM_SCEP_BAD_TIME, NMDM_SCEP_BAD_CERT_ID, NMDM_SCEP_FAILURES
} nmdm_scep_failure_e;

/* The longest pkiMessage, in bytes. */
#define NMDM_SCEP_LONGEST 65536

typedef struct nmdm_scep_message_t nmdm_scep_message_t;
struct nmdm_scep_message_t {
    int type;
    const char *transaction;    /* as text; in hex where it is not ASCII */
    const char *signer_sha256;  /* of its certificate */
    const char *signer_key;     /* SHA-256 of its SPKI, lower-case hex */
    const char *signer_name;
    int is_self_signed;
    apr_time_t signer_ends;
    /* Why it is answered with FAILURE, for the log; or NULL. */
    const char *flaw;
    nmdm_scep_failure_e failure;
    const nmdm_key_pair_t *recipient;   /* its recipient */
    struct nmdm_scep_parts_t *parts;    /* of OpenSSL */
};

/* What the recipients accept. */
typedef struct {
    const nmdm_key_pair_t *const *pairs;        /* the first one signs what is
                                                 * encrypted to none */
    int npairs;
    int takes_des;
} nmdm_scep_recipients_t;

/* Reads a message and verifies its signature; nothing is decrypted.
 * NMDM_INVALID for what cannot be answered by a CertRep. */
nmdm_err_t *nmdm_scep_message_read(nmdm_scep_message_t *out, apr_pool_t *p,
                                   nmdm_bytes_t der);

/* Looks at the envelope, without any private key: sets recipient, or the flaw
 * of the envelope. */
void nmdm_scep_message_open(nmdm_scep_message_t *message, apr_pool_t *p,
                            const nmdm_scep_recipients_t *recipients);

/* Decrypts the CSR. All that can go wrong before its signature is verified is
 * one flaw, reached by one path (RSA with PKCS#1 v1.5 must not become an
 * oracle). */
void nmdm_scep_message_csr(nmdm_scep_message_t *message, nmdm_csr_t *csr,
                           apr_pool_t *p);

/* A CertRep in DER: SUCCESS with the certificate, enveloped for the signer of
 * the request. */
nmdm_err_t *nmdm_scep_message_success(nmdm_bytes_t *out, apr_pool_t *p,
                                      const nmdm_scep_message_t *request,
                                      const nmdm_key_pair_t *signer,
                                      struct x509_st *cert);
/* FAILURE; text (failInfoText) says why, in ASCII. */
nmdm_err_t *nmdm_scep_message_failure(nmdm_bytes_t *out, apr_pool_t *p,
                                      const nmdm_scep_message_t *request,
                                      const nmdm_key_pair_t *signer,
                                      nmdm_scep_failure_e failure,
                                      const char *text);

/* A signedData without a signer, of these certificates (GetCACert with a
 * recipient). */
nmdm_err_t *nmdm_scep_message_certs(nmdm_bytes_t *out, apr_pool_t *p,
                                    const nmdm_key_pair_t *const *pairs,
                                    int npairs);

#endif /* NMDM_SCEP_MESSAGE_H */
