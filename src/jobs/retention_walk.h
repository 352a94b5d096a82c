/* SPDX-License-Identifier: Apache-2.0 */
/* retention_walk.h -- for retention.c: one enrollment of a run. */

#ifndef NMDM_RETENTION_WALK_H
#define NMDM_RETENTION_WALK_H

#include "jobs/retention.h"

#include <apr_hash.h>

/* Rows, after which a run is over. */
#define NMDM_RETENTION_MAX_REMOVED 1000

/* Seconds. */
#define NMDM_RETENTION_DAY 86400

typedef struct {
    nmdm_ctx_t *ctx;            /* of the whole run */
    const nmdm_retention_t *rules;
    const char *position;       /* the last enrollment that is done with */
    apr_int64_t now;            /* by the database's clock */
    int is_mine;
    apr_time_t started;
    apr_hash_t *tally[2];       /* RequestType -> int *, [1] of dry runs */
    int removed, events;
    int is_over;                /* the budget is spent */
    int is_complete;            /* the pass is */
} nmdm_retention_run_t;

/* An nmdm_part_fn for one id; the baton is the run. Does nothing when the run
 * is over; otherwise the position of the run is this id once it is done. */
nmdm_err_t *nmdm_retention_walk_enrollment(nmdm_ctx_t *ctx,
                                           const apr_array_header_t *ids,
                                           int done, void *baton);

#endif /* NMDM_RETENTION_WALK_H */
