/* SPDX-License-Identifier: Apache-2.0 */
/* publish.h -- publishes a message to webhooks: by the outbox, in the
 * transaction of what it changed, or at once and without a promise. */

#ifndef NMDM_PUBLISH_H
#define NMDM_PUBLISH_H

#include "mdm/message.h"

/* The tally of a message that is no TokenUpdate. */
#define NMDM_NO_TALLY (-1)

/* What is published of one message, and whether it has been. */
typedef struct {
    const nmdm_msg_t *msg;
    long tally;                 /* of a TokenUpdate, or NMDM_NO_TALLY */
    int is_written;             /* in the outbox, with the change it is about */
    int is_too_long;            /* for the outbox, some of it at least */
    int is_unfounded;           /* a report that is not stored: only that there
                                 * was one is kept */
} nmdm_publication_t;

/* How the unit of a change has to be made that nmdm_publish_write is part of:
 * as `alone`, unless events are to be written. NMDM_UNIT_... of db/db.h. */
int nmdm_publish_unit(const nmdm_ctx_t *ctx, const nmdm_msg_t *msg, int alone);

/* Within the unit that changes something because of a message: writes its
 * events, if they are to be kept. Rolled back, they were never there. */
nmdm_err_t *nmdm_publish_write(nmdm_ctx_t *ctx,
                               nmdm_publication_t *publication);

/* Called after the message was processed: publishes what was not yet published
 * of it, if its device was admitted. `err` is the outcome, and is returned,
 * unless it is NULL and an event that must be kept could not be. */
nmdm_err_t *nmdm_publish_send(nmdm_ctx_t *ctx, nmdm_publication_t *publication,
                              nmdm_err_t *err);

#endif /* NMDM_PUBLISH_H */
