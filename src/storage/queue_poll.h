/* SPDX-License-Identifier: Apache-2.0 */
/* queue_poll.h -- does anything wait for each of many devices? */

#ifndef NMDM_QUEUE_POLL_H
#define NMDM_QUEUE_POLL_H

#include "base/batch_queue.h"
#include "base/context.h"
#include "storage/queue.h"

/* One device's poll, on its own channel. */
typedef struct {
    nmdm_batch_entry_t entry;   /* first; its key is the id of the device */
    const char *sha256;         /* of its certificate, as received */
    nmdm_next_e next;
} nmdm_queue_poll_t;

/* Asks for all polls that are linked from the first on, in one statement. Each
 * `next` becomes NMDM_NEXT_NOTHING, NMDM_NEXT_COMMAND where something is
 * likely to wait, or stays as it is where this statement cannot decide: for a
 * stranger, among others. To be called within a unit of db/db.h. */
nmdm_err_t *nmdm_queue_poll(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first);

#endif /* NMDM_QUEUE_POLL_H */
