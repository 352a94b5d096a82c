/* SPDX-License-Identifier: Apache-2.0 */
/* identity.h -- who is asking. */

#ifndef NANOMDM_IDENTITY_H
#define NANOMDM_IDENTITY_H

#include "base/context.h"

#include <httpd.h>

/* Registers hooks of mod_ssl, which is optional, for its handshakes. */
void nanomdm_identity_hooks(void);

/* The verified identity of a device, in ctx->cert. When body is NULL and the
 * answer depends on it, that stays NULL and there is no error. */
nmdm_err_t *nanomdm_identity(nmdm_ctx_t *ctx, request_rec *r,
                             const nmdm_bytes_t *body);
/* Whether the connection has a client certificate that the CAs of mod_ssl
 * (SSLCACertificateFile, SSLCACertificatePath) verify. */
int nanomdm_identity_is_verified_by_httpd(request_rec *r);

#endif /* NANOMDM_IDENTITY_H */
