/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_changes.h -- which enrollments are still to be notified, and
 * the command that notifies them (declarative management specification 6). */

#ifndef NMDM_DECLARATIONS_CHANGES_H
#define NMDM_DECLARATIONS_CHANGES_H

#include "base/context.h"

/* Notes that all enrollments with a set, one enrollment, or these at most 1000
 * are to be notified; in the transaction of the change. */
nmdm_err_t *nmdm_declarations_changes_set(nmdm_ctx_t *ctx, const char *set);
nmdm_err_t *nmdm_declarations_changes_id(nmdm_ctx_t *ctx, const char *id);
nmdm_err_t *nmdm_declarations_changes_ids(nmdm_ctx_t *ctx,
                                          const apr_array_header_t *ids);
/* For an enrollment that has its command already: it is pushed to, and what
 * was noted before is forgotten. */
nmdm_err_t *nmdm_declarations_changes_push(nmdm_ctx_t *ctx, const char *id);

/* Queues the command for those of at most 1000 ids that are enabled and have
 * none waiting; *queued is how many. */
nmdm_err_t *nmdm_declarations_changes_queue(nmdm_ctx_t *ctx, int *queued,
                                            const apr_array_header_t *ids,
                                            apr_array_header_t *queued_ids);

/* One transaction of the worker: ids to push to afterwards, and whether there
 * is more to do at once. `owner` has the lease of all of it; *is_owner is 0
 * when another child took it meanwhile. Nothing is done before a change is
 * `window` seconds old. */
typedef struct {
    const char *owner;
    int window;
    apr_array_header_t *ids;    /* to push to */
    int is_owner, is_done;
} nmdm_declarations_run_t;
nmdm_err_t *nmdm_declarations_changes_run(nmdm_ctx_t *ctx,
                                          nmdm_declarations_run_t *run);

/* Whether anything is due at all: one cheap look. */
nmdm_err_t *nmdm_declarations_changes_due(nmdm_ctx_t *ctx, int *yes,
                                          int window);
/* The lease, for ten seconds from the last page or until it is given back. */
nmdm_err_t *nmdm_declarations_changes_take(nmdm_ctx_t *ctx, int *taken,
                                           const char *owner);
nmdm_err_t *nmdm_declarations_changes_give_back(nmdm_ctx_t *ctx);

#endif /* NMDM_DECLARATIONS_CHANGES_H */
