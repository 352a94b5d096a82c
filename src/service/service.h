/* SPDX-License-Identifier: Apache-2.0 */
/* service.h -- what to do with each message: the MDM protocol. */

#ifndef NMDM_SERVICE_H
#define NMDM_SERVICE_H

#include "base/context.h"

/* Both need ctx->cert, the verified identity, or for a check-in
 * ctx->is_migration, and fill in ctx->access_log and *reply. The connection to
 * the database may still be held afterwards. */
nmdm_err_t *nmdm_service_checkin(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 nmdm_bytes_t body);
nmdm_err_t *nmdm_service_report(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                nmdm_bytes_t body);

/* The device whose verified identity ctx->cert is: the one it was associated
 * with last. NMDM_REFUSED when it is nobody's. */
nmdm_err_t *nmdm_service_device_of_cert(nmdm_ctx_t *ctx, const char **id);

#endif /* NMDM_SERVICE_H */
