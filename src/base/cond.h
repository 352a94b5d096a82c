/* SPDX-License-Identifier: Apache-2.0 */
/* cond.h -- a lock, and a condition of what it guards whose patience is
 * measured on the steady clock. APR's is measured on that of the machine: once
 * it is set back by an hour, a wait of one second lasts an hour. */

#ifndef NMDM_COND_H
#define NMDM_COND_H

#include "base/context.h"

typedef struct nmdm_cond_t nmdm_cond_t;

/* Lives as long as p. */
apr_status_t nmdm_cond_create(nmdm_cond_t **out, apr_pool_t *p);

/* The mutex that goes with the condition; not recursive. */
void nmdm_cond_lock(nmdm_cond_t *bell);
void nmdm_cond_unlock(nmdm_cond_t *bell);

/* With the lock held: wakes all who wait. */
void nmdm_cond_signal(nmdm_cond_t *bell);

/* With the lock held, which others may have meanwhile: until it rings or so
 * much time is over. It may also end for no reason. */
void nmdm_cond_wait(nmdm_cond_t *bell, apr_interval_time_t patience);

#endif /* NMDM_COND_H */
