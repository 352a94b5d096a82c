/* SPDX-License-Identifier: Apache-2.0 */
/* enrollments.h -- enrollments and their tokens in the database.
 *
 * Every call is to be made within a unit of db/db.h. */

#ifndef NMDM_ENROLLMENTS_H
#define NMDM_ENROLLMENTS_H

#include "base/context.h"
#include "crypto/identity_cert.h"
#include "mdm/message.h"

/* Whether the device has ever sent Authenticate. */
nmdm_err_t *nmdm_enrollments_is_known(nmdm_ctx_t *ctx, int *yes,
                                      const char *device_id);

/* A new or renewed device: forgets its tokens, disables it and its users and
 * empties their queues (behaviour specification 2.4). */
nmdm_err_t *nmdm_enrollments_authenticate(nmdm_ctx_t *ctx,
                                          const nmdm_msg_t *msg);

/* A TokenUpdate as the database can hold it (nmdm_schema_xml); where secrets
 * are sealed, without the unlock token: that has a column of its own. */
const char *nmdm_enrollments_token_update_text(const nmdm_ctx_t *ctx,
                                               const char *text);

/* NMDM_REFUSED when the device was never seen. `text` is that of above; is it
 * stored already? */
nmdm_err_t *nmdm_enrollments_token_update(nmdm_ctx_t *ctx,
                                          const nmdm_msg_t *msg,
                                          const char *text, int is_stored);

/* How many TokenUpdates since the last enrollment; -1 when unknown. */
nmdm_err_t *nmdm_enrollments_tally(nmdm_ctx_t *ctx, long *tally,
                                   const char *id);

/* A device leaves with all its users, a user alone. */
nmdm_err_t *nmdm_enrollments_check_out(nmdm_ctx_t *ctx, const nmdm_id_t *who);

/* The first message of the digest protocol or, with a DigestResponse, the
 * second; each has its own column. */
nmdm_err_t *nmdm_enrollments_user_authenticate(nmdm_ctx_t *ctx,
                                               const nmdm_msg_t *msg);

/* NMDM_REFUSED when the device was never seen. "" removes the token. */
nmdm_err_t *nmdm_enrollments_set_bootstrap_token(nmdm_ctx_t *ctx,
                                                 const nmdm_id_t *who,
                                                 const char *token_b64);
/* *token_b64 is NULL when there is none. */
nmdm_err_t *nmdm_enrollments_get_bootstrap_token(nmdm_ctx_t *ctx,
                                                 const char **token_b64,
                                                 const nmdm_id_t *who);

/* Sets last_seen_at of this enrollment, or of all these, to now. */
nmdm_err_t *nmdm_enrollments_seen_now(nmdm_ctx_t *ctx, const char *id);
nmdm_err_t *nmdm_enrollments_seen(nmdm_ctx_t *ctx,
                                  const apr_array_header_t *ids);

#endif /* NMDM_ENROLLMENTS_H */
