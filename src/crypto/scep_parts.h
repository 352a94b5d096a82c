/* SPDX-License-Identifier: Apache-2.0 */
/* scep_parts.h -- what scep_message.c, scep_envelope.c and scep_reply.c share:
 * a request as OpenSSL has it. */

#ifndef NMDM_SCEP_PARTS_H
#define NMDM_SCEP_PARTS_H

#include "crypto/scep_message.h"

#include <openssl/cms.h>

/* Characters of a client's name that a log line shows: nothing bounds them but
 * the message. */
#define NMDM_SCEP_NAME_SHOWN 255

struct nmdm_scep_parts_t {
    CMS_ContentInfo *cms;       /* the pkiMessage */
    CMS_SignerInfo *signer;
    X509 *x509;                 /* the signer's certificate */
    ASN1_STRING *transaction;   /* of cms */
    ASN1_STRING *nonce;
    nmdm_bytes_t envelope;      /* what is signed, of cms */
    int cipher;                 /* its NID */
};

/* Notes why a request is answered with FAILURE; why lives as long as the
 * message. Empties OpenSSL's error queue. */
void nmdm_scep_parts_flaw(nmdm_scep_message_t *message,
                          nmdm_scep_failure_e failure, const char *why);

/* Attributes of SCEP, 2.16.840.1.113733.1.9.x. */
#define NMDM_SCEP_OID "2.16.840.1.113733.1.9."
#define NMDM_SCEP_OID_TYPE NMDM_SCEP_OID "2"
#define NMDM_SCEP_OID_STATUS NMDM_SCEP_OID "3"
#define NMDM_SCEP_OID_FAILURE NMDM_SCEP_OID "4"
#define NMDM_SCEP_OID_SENDER_NONCE NMDM_SCEP_OID "5"
#define NMDM_SCEP_OID_RECIPIENT_NONCE NMDM_SCEP_OID "6"
#define NMDM_SCEP_OID_TRANSACTION NMDM_SCEP_OID "7"
#define NMDM_SCEP_OID_FAILURE_TEXT "1.3.6.1.5.5.7.24.1"

#endif /* NMDM_SCEP_PARTS_H */
