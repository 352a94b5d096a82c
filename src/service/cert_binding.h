/* SPDX-License-Identifier: Apache-2.0 */
/* cert_binding.h -- which device may use a certificate that was issued
 * here. */

#ifndef NMDM_CERT_BINDING_H
#define NMDM_CERT_BINDING_H

#include "mdm/message.h"

/* Within the transaction that stores an Authenticate, or associates ctx->cert
 * retroactively with the sender of another message (msg is NULL): NMDM_REFUSED
 * when the certificate is revoked or bound to another device. Otherwise its row
 * has the enrollment, and a revocation waits for the commit. A certificate of
 * another issuer is not restricted. */
nmdm_err_t *nmdm_cert_binding_check(nmdm_ctx_t *ctx, const nmdm_id_t *who,
                                    const nmdm_msg_t *msg);

#endif /* NMDM_CERT_BINDING_H */
