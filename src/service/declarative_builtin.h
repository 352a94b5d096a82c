/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_builtin.h -- declarative management from the database: what a
 * device asks (declarative management specification 4). For a context whose
 * policy has `declarations`. */

#ifndef NMDM_DECLARATIVE_BUILTIN_H
#define NMDM_DECLARATIVE_BUILTIN_H

#include "codec/json_text.h"
#include "mdm/message.h"

/* Answers a DeclarativeManagement check-in that was admitted. NMDM_INVALID and
 * NMDM_NOT_FOUND are for the device. */
nmdm_err_t *nmdm_declarative_builtin_answer(nmdm_ctx_t *ctx,
                                            nmdm_reply_t *reply,
                                            const nmdm_msg_t *msg);

/* Each of these answers an endpoint for any enrollment, as a device would be
 * answered; `path` is KIND/IDENTIFIER. */
nmdm_err_t *nmdm_declarative_builtin_tokens(nmdm_ctx_t *ctx,
                                            nmdm_reply_t *reply,
                                            const char *id);
nmdm_err_t *nmdm_declarative_builtin_items(nmdm_ctx_t *ctx,
                                           nmdm_reply_t *reply,
                                           const char *id, int is_device);
nmdm_err_t *nmdm_declarative_builtin_declaration(nmdm_ctx_t *ctx,
                                                 nmdm_reply_t *reply,
                                                 const char *id,
                                                 const char *path);

#endif /* NMDM_DECLARATIVE_BUILTIN_H */
