/* SPDX-License-Identifier: Apache-2.0 */
/* push_retry.h -- pushes again to devices that did not answer a push. */

#ifndef NMDM_PUSH_RETRY_H
#define NMDM_PUSH_RETRY_H

#include "base/context.h"

/* Pushes again to enrollments that have a command waiting and were not heard
 * of since their last push, a hundred at most, and forgets those that were
 * served. *more is set when there are others. Any number of children and nodes
 * may do this at once: each enrollment is taken by one. */
nmdm_err_t *nmdm_push_retry_run(nmdm_ctx_t *ctx, int *more);

#endif /* NMDM_PUSH_RETRY_H */
