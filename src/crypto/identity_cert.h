/* SPDX-License-Identifier: Apache-2.0 */
/* identity_cert.h -- the certificate of a device, from TLS or from a
 * header. */

#ifndef NMDM_IDENTITY_CERT_H
#define NMDM_IDENTITY_CERT_H

#include "base/context.h"

struct ssl_st;
struct ssl_ctx_st;

/* Lets mod_ssl's server with this context go on with client certificates whose
 * chain has a flaw or is longer than SSLVerifyDepth, if it goes on with those
 * of unknown issuers. Callers must judge them; revocation stays mod_ssl's. p
 * lives as long as the context. */
void nmdm_identity_cert_tls_judge_later(apr_pool_t *p,
                                        struct ssl_ctx_st *context);

/* The peer of a TLS connection as a certificate in p; *out is NULL when it
 * sent none. `known`, when not NULL, is what an earlier call returned for the
 * same connection: it is returned again while the peer has not changed. */
typedef struct nmdm_peer_t nmdm_peer_t;
struct nmdm_peer_t {
    const void *x509;           /* identity of the object, never followed */
    nmdm_cert_t cert;
};
nmdm_err_t *nmdm_identity_cert_tls_peer(const nmdm_peer_t **out, apr_pool_t *p,
                                        const struct ssl_st *ssl,
                                        const nmdm_peer_t *known);

/* Whether the peer of a TLS connection has a certificate that the CAs of the
 * connection's own context verify for TLS clients, which OpenSSL's verdict on
 * the handshake does not show: SSLVerifyClient optional_no_ca makes all of
 * them good, and a resumed session does not know. Of a resumed session only
 * the certificate itself is known, so its issuer has to be among the CAs. */
int nmdm_identity_cert_tls_is_verified(const struct ssl_st *ssl);

/* The certificate in the value of a header: RFC 9440, a query-escaped PEM block
 * (behaviour specification 1.7 B) in which a plus may be left as it is, or
 * base64 of the DER form; of several the first. */
nmdm_err_t *nmdm_identity_cert_header(nmdm_cert_t **out, apr_pool_t *p,
                                      const char *value);

#endif /* NMDM_IDENTITY_CERT_H */
