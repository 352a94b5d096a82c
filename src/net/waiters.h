/* SPDX-License-Identifier: Apache-2.0 */
/* waiters.h -- how many threads of this child may wait for another machine at
 * the same time. */

#ifndef NMDM_WAITERS_H
#define NMDM_WAITERS_H

#include "base/context.h"

/* For at most this many, one at least. Each of them also takes a place of
 * `all`, which several may share and which outlives them; NULL where there is
 * none. Lives as long as p; any number of threads may use it. */
nmdm_err_t *nmdm_waiters_create(nmdm_waiters_t **out, apr_pool_t *p, int most,
                                nmdm_waiters_t *all);

/* 1 when the caller may wait, which nmdm_waiters_leave ends; 0 when there is
 * no room within `timeout`. */
int nmdm_waiters_enter(nmdm_waiters_t *waiters, apr_interval_time_t timeout);
/* The same where a machine that works answers within `timeout`: 0 at once when
 * the last to enter has waited that long, since none is about to leave then. */
int nmdm_waiters_enter_early(nmdm_waiters_t *waiters,
                             apr_interval_time_t timeout);
void nmdm_waiters_leave(nmdm_waiters_t *waiters);

#endif /* NMDM_WAITERS_H */
