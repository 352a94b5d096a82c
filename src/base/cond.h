/* SPDX-License-Identifier: Apache-2.0 */
/* cond.h -- a lock, and a condition of what it guards whose patience is
 * measured on the steady clock. APR's is measured on that of the machine: once
 * somebody sets it back by an hour, who waits for a second waits an hour. */

#ifndef NMDM_BELL_H
#define NMDM_BELL_H

#include "base/context.h"

typedef struct nmdm_bell_t nmdm_bell_t;

/* Lives as long as p. */
apr_status_t nmdm_bell_create(nmdm_bell_t **out, apr_pool_t *p);

void nmdm_bell_lock(nmdm_bell_t *bell);
void nmdm_bell_unlock(nmdm_bell_t *bell);

/* With the lock held: wakes all who wait. */
void nmdm_bell_ring(nmdm_bell_t *bell);

/* With the lock held, which others may have meanwhile: until it rings or so
 * much time is over. It may also end for no reason. */
void nmdm_bell_wait(nmdm_bell_t *bell, apr_interval_time_t patience);

#endif /* NMDM_BELL_H */
