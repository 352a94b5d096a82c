/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_enrollment.h -- the command that makes a device ask for its
 * declarations, and what follows from the life of an enrollment (declarative
 * management specification 6), for contexts with policy->declarations. */

#ifndef NMDM_DECLARATIVE_ENROLLMENT_H
#define NMDM_DECLARATIVE_ENROLLMENT_H

#include "codec/json_text.h"
#include "mdm/message.h"

/* Puts the present token into a DeclarativeManagement command without Data that
 * is about to be delivered; leaves others as they are. */
nmdm_err_t *nmdm_declarative_enrollment_deliver(nmdm_ctx_t *ctx,
                                                nmdm_command_t *command,
                                                const nmdm_id_t *who);

/* After a report on a command was stored: notes that the command was put off,
 * or queues another when the device does not have the present token. */
nmdm_err_t *nmdm_declarative_enrollment_report(nmdm_ctx_t *ctx,
                                               const nmdm_msg_t *msg);
/* After a status report: the same for what it says. */
nmdm_err_t *nmdm_declarative_enrollment_compare(nmdm_ctx_t *ctx, const char *id,
                                                int is_mismatch);

/* Within the transaction of a TokenUpdate, a CheckOut, and an Authenticate
 * that begins the enrollment anew. */
nmdm_err_t *nmdm_declarative_enrollment_begin(nmdm_ctx_t *ctx,
                                              const nmdm_id_t *who);
nmdm_err_t *nmdm_declarative_enrollment_end(nmdm_ctx_t *ctx,
                                            const nmdm_id_t *who);
nmdm_err_t *nmdm_declarative_enrollment_reset(nmdm_ctx_t *ctx,
                                              const char *device_id);

/* What `tokens` answers, and what a command has as its Data. */
nmdm_json_text_t *nmdm_declarative_enrollment_tokens(nmdm_ctx_t *ctx,
                                                     const char *token);

#endif /* NMDM_DECLARATIVE_ENROLLMENT_H */
