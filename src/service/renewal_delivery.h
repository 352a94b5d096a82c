/* SPDX-License-Identifier: Apache-2.0 */
/* renewal_delivery.h -- renewals of identities at the device: delivery,
 * report, and the check-ins with the new certificate. */

#ifndef NMDM_RENEWAL_DELIVERY_H
#define NMDM_RENEWAL_DELIVERY_H

#include "mdm/message.h"

/* Fills the command that is about to be delivered, if it renews an identity.
 * *is_stale is set when it is of no use any more; it is cancelled then, and
 * another one may wait. */
nmdm_err_t *nmdm_renewal_delivery_fill(nmdm_ctx_t *ctx, int *is_stale,
                                       nmdm_command_t *command,
                                       const nmdm_id_t *who);

/* Notes why a device could not renew, of a report that is stored. */
nmdm_err_t *nmdm_renewal_delivery_report(nmdm_ctx_t *ctx,
                                         const nmdm_msg_t *msg);

/* In a transaction, at Authenticate: whether it renews the enrollment, *keeps.
 * What the certificate was issued for says so, and NanoMDMReenroll where that
 * is not known. */
nmdm_err_t *nmdm_renewal_delivery_keeps(nmdm_ctx_t *ctx, int *keeps,
                                        const char *device_id);

/* In a transaction, at a TokenUpdate of a device that is stored: the
 * certificate of the request is the one in use. */
nmdm_err_t *nmdm_renewal_delivery_use(nmdm_ctx_t *ctx, const nmdm_id_t *who);

#endif /* NMDM_RENEWAL_DELIVERY_H */
