/* SPDX-License-Identifier: Apache-2.0 */
/* scep.h -- SCEP (RFC 8894): what a client asks for, and who gets a
 * certificate. src/scep knows tables and OpenSSL's wrappers, and no httpd. */

#ifndef NMDM_SCEP_H
#define NMDM_SCEP_H

#include "base/context.h"
#include "crypto/scep_message.h"

/* NanoMDMSCEPChallenge */
typedef enum {
    NMDM_SCEP_ONCE, NMDM_SCEP_STATIC, NMDM_SCEP_EXTERNAL, NMDM_SCEP_NONE
} nmdm_scep_challenge_e;

/* The issuers of a server, and what a Location says. */
typedef struct {
    const nmdm_key_pair_t *issuer;      /* issues */
    const nmdm_key_pair_t *former;      /* only decrypts and signs; or NULL */
    const nmdm_key_pair_t *recipient;   /* of an EC issuer; NULL: issuer */
    nmdm_scep_challenge_e challenge;
    const char *secret;                 /* static: the challenge; external:
                                         * signs the request, or NULL */
    const char *url;                    /* external */
    int takes_des;
    int renewal_days;                   /* 0: renewals need a challenge */
    int validity_days;
    apr_interval_time_t grace;          /* NanoMDMIdentityGrace */
    const char *client;                 /* its address */
} nmdm_scep_conf_t;

/* GetCACaps */
void nmdm_scep_capabilities(nmdm_reply_t *reply);
/* GetCACert: the issuer, or a list of recipient and issuer. */
nmdm_err_t *nmdm_scep_ca_certs(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                               nmdm_reply_t *reply);
/* PKIOperation. An error is for what no CertRep can answer. */
nmdm_err_t *nmdm_scep_operation(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                                nmdm_reply_t *reply, nmdm_bytes_t message);

/* The message of a GET: base64 of either alphabet, with or without padding,
 * whose plus signs may have become spaces. 0 when it is none. */
int nmdm_scep_decode(nmdm_bytes_t *out, apr_pool_t *p, const char *text);

#endif /* NMDM_SCEP_H */
