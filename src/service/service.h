/* SPDX-License-Identifier: Apache-2.0 */
/* service.h -- what to do with each message: the MDM protocol. */

#ifndef NMDM_SERVICE_H
#define NMDM_SERVICE_H

#include "mdm/message.h"

/* Both need ctx->cert, the verified identity, or for a check-in
 * ctx->is_migration, and fill in ctx->access_log and *reply. The connection to
 * the database may still be held afterwards. */
nmdm_err_t *nmdm_service_checkin(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 nmdm_bytes_t body);
nmdm_err_t *nmdm_service_report(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                nmdm_bytes_t body);

/* The device whose verified identity ctx->cert is: the one it was associated
 * with last. NMDM_REFUSED when it has no association. */
nmdm_err_t *nmdm_service_device_of_cert(nmdm_ctx_t *ctx, const char **id);

/* ---- For checkin.c and report.c ---- */

/* Notes for the access log who sends what; the strings stay those of msg. */
void nmdm_service_begin(nmdm_ctx_t *ctx, const nmdm_msg_t *msg);

/* Logs how many characters of the message XML does not allow, if any. */
void nmdm_service_log_repair(nmdm_ctx_t *ctx, const nmdm_msg_t *msg);

/* Records that an enrollment was seen: at once, within a unit that may write
 * (NanoMDMLastSeen), or in memory for the thread that writes it later. */
nmdm_err_t *nmdm_service_see(nmdm_ctx_t *ctx, const nmdm_id_t *who);

#endif /* NMDM_SERVICE_H */
