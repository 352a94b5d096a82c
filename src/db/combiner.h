/* SPDX-License-Identifier: Apache-2.0 */
/* combiner.h -- one question to the database for many threads that ask the
 * same at the same time.
 *
 * An answer is as good as that of a statement of one's own: the statement that
 * brings it begins after each of its callers has asked. */

#ifndef NMDM_COMBINER_H
#define NMDM_COMBINER_H

#include "base/batch_queue.h"
#include "base/context.h"

/* By measurement: with fewer callers of a server than these, waiting for others
 * takes longer than it saves. SQLite has one writer at a time, so that two are
 * many. */
#define NMDM_COMBINER_FEW 8
#define NMDM_COMBINER_FEW_SQLITE 1

/* How long a caller waits for a batch to begin before it goes on by itself. */
#define NMDM_COMBINER_TIMEOUT apr_time_from_msec(250)

/* What callers of one combiner ask. */
typedef struct {
    /* By itself, with all repetitions: the same that would be done without a
     * combiner. The result goes into *call. */
    nmdm_err_t *(*single)(nmdm_ctx_t *ctx, void *call);
    /* Two entries and more, linked from the first on, each of which is the
     * first member of its call. Tried once; after an error nothing may have
     * changed in the database, and each caller goes on by itself. */
    nmdm_err_t *(*together)(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first);
} nmdm_combined_t;

/* Up to `few` callers at a time go by themselves, but not soon after there were
 * more. Lives as long as p. */
nmdm_err_t *nmdm_combiner_create(nmdm_combiner_t **out, apr_pool_t *p,
                                 int few);

/* Asks, alone or with others; `call` begins with its nmdm_batch_entry_t, whose
 * key is set. Without a combiner (NULL) each goes by itself. No connection may
 * be held. */
nmdm_err_t *nmdm_combiner_run(nmdm_combiner_t *combiner, nmdm_ctx_t *ctx,
                              const nmdm_combined_t *what, void *call);

/* From now on all callers go by themselves. Without a combiner: nothing. */
void nmdm_combiner_stop(nmdm_combiner_t *combiner);

#endif /* NMDM_COMBINER_H */
