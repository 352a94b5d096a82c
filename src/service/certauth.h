/* SPDX-License-Identifier: Apache-2.0 */
/* certauth.h -- whose certificate is it? (behaviour specification 4)
 *
 * All take the verified identity from ctx->cert, which lives as long as the
 * request. Ids are not copied and must live as long. */

#ifndef NMDM_CERTAUTH_H
#define NMDM_CERTAUTH_H

#include "mdm/message.h"

/* Admits the sender of an Authenticate, within a transaction: associates a
 * certificate that is new with the device. NMDM_REFUSED when it belongs to
 * another, NMDM_INVALID when it has expired and is not theirs. Sets
 * ctx->is_admitted. Nothing is asked of a migration. */
nmdm_err_t *nmdm_certauth_admit_new(nmdm_ctx_t *ctx, const nmdm_msg_t *msg);

/* Admits the sender of any other message, within a unit; errors as above. With
 * NanoMDMRetroactive, in a transaction, it associates a certificate and a
 * device that both have no association. */
nmdm_err_t *nmdm_certauth_admit(nmdm_ctx_t *ctx, const nmdm_id_t *who);

/* Sets ctx->is_admitted when the certificate is associated with the sender's
 * device; reads only. Otherwise nothing is said yet: nmdm_certauth_admit
 * finds out why, or associates it. */
nmdm_err_t *nmdm_certauth_recognize(nmdm_ctx_t *ctx, const nmdm_id_t *who);

/* NMDM_REFUSED unless the request has a verified identity. */
nmdm_err_t *nmdm_certauth_has_cert(nmdm_ctx_t *ctx, const nmdm_id_t *who);

/* An error of the kind NMDM_REFUSED, in ctx->pool, about the enrollment id. */
nmdm_err_t *nmdm_certauth_denied(nmdm_ctx_t *ctx, const char *id,
                                 const char *why);

/* Logs that the sender is served although its certificate expired
 * (NanoMDMIdentityGrace). */
void nmdm_certauth_log_expiry(nmdm_ctx_t *ctx, const char *id);

#endif /* NMDM_CERTAUTH_H */
