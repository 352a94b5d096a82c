/* SPDX-License-Identifier: Apache-2.0 */
/* renewal.h -- enrollments that are renewed rather than begun: what
 * Authenticate says is staged, and committed by the TokenUpdate that follows.
 *
 * Every call is to be made within a transaction of db/db.h. */

#ifndef NMDM_RENEWAL_H
#define NMDM_RENEWAL_H

#include "base/context.h"
#include "mdm/message.h"

/* Keeps an Authenticate, when its device is known and enrolled. *is_staged is
 * 0 when it is not, or when the database has no place for it: then nothing was
 * written, and nothing of an earlier renewal is left. */
nmdm_err_t *nmdm_renewal_stage(nmdm_ctx_t *ctx, int *is_staged,
                               const nmdm_msg_t *msg);

/* Before the Authenticate of a device is stored by itself. */
nmdm_err_t *nmdm_renewal_drop(nmdm_ctx_t *ctx, const char *device_id);

/* Before a TokenUpdate is stored: commits what is staged for its device and
 * its certificate. A device that is set up anew, or was disabled meanwhile,
 * loses its queue and tokens as by Authenticate itself. */
nmdm_err_t *nmdm_renewal_commit(nmdm_ctx_t *ctx, const nmdm_msg_t *msg);

/* Before a device is checked out: whatever is staged ends as Authenticate
 * would have. */
nmdm_err_t *nmdm_renewal_abandon(nmdm_ctx_t *ctx, const char *device_id);

#endif /* NMDM_RENEWAL_H */
