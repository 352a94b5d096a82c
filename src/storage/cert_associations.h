/* SPDX-License-Identifier: Apache-2.0 */
/* cert_associations.h -- which certificate belongs to which device.
 *
 * Every call is to be made within a unit of db/db.h. */

#ifndef NMDM_CERT_ASSOCIATIONS_H
#define NMDM_CERT_ASSOCIATIONS_H

#include "base/context.h"

/* Is the request's certificate one that counts for this device, as
 * NanoMDMAssociation has it? */
nmdm_err_t *nmdm_cert_associations_counts(nmdm_ctx_t *ctx, int *yes,
                                          const char *device_id);
/* Is it associated with this device at all? */
nmdm_err_t *nmdm_cert_associations_has(nmdm_ctx_t *ctx, int *yes,
                                       const char *device_id);
/* The parameters that a statement named ..._LATEST has after the digest:
 * *nargs is 2 with NanoMDMAssociation latest, else 0. */
nmdm_err_t *nmdm_cert_associations_text(nmdm_ctx_t *ctx, int *nargs,
                                        const char **args);
/* Has until the end of the transaction every other that decides about this
 * certificate wait, and then about this device where that is not NULL. Call it
 * before what decides is read, the certificate first: in this order no
 * transaction waits for each other. */
nmdm_err_t *nmdm_cert_associations_lock(nmdm_ctx_t *ctx,
                                        const char *device_id);
/* Is the request's certificate associated with any device? Where it is in its
 * other encoding alone: puts that into its place, in ctx->cert. */
nmdm_err_t *nmdm_cert_associations_use_known(nmdm_ctx_t *ctx, int *known);
nmdm_err_t *nmdm_cert_associations_device_has(nmdm_ctx_t *ctx, int *yes,
                                              const char *device_id);
nmdm_err_t *nmdm_cert_associations_add(nmdm_ctx_t *ctx, const char *device_id);
/* The same for a device that did not send Authenticate with it. */
nmdm_err_t *nmdm_cert_associations_add_late(nmdm_ctx_t *ctx,
                                            const char *device_id);
/* The device that the certificate was associated with last, or NULL. */
nmdm_err_t *nmdm_cert_associations_device_of(nmdm_ctx_t *ctx,
                                             const char **device_id);
/* The same, whether or not another of the device's is the latest. */
nmdm_err_t *nmdm_cert_associations_owner(nmdm_ctx_t *ctx,
                                         const char **device_id);


#endif /* NMDM_CERT_ASSOCIATIONS_H */
