/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_service.h -- what to do with each message: the MDM protocol. */

#ifndef NMDM_SERVICE_H
#define NMDM_SERVICE_H

#include "nmdm.h"

/* Both need ctx->cert, the verified identity, and fill in ctx->story and
 * *reply. The connection to the database may still be held afterwards. */
nmdm_err_t *nmdm_service_checkin(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 nmdm_bytes_t body);
nmdm_err_t *nmdm_service_report(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                nmdm_bytes_t body);

#endif /* NMDM_SERVICE_H */
