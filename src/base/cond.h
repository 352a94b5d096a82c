/* SPDX-License-Identifier: Apache-2.0 */
/* cond.h -- a mutex and a condition whose timeout is measured on the steady
 * clock. APR measures its own on the clock of the machine: once that is set
 * back by an hour, a wait of one second lasts an hour. */

#ifndef NMDM_COND_H
#define NMDM_COND_H

#include "base/context.h"

typedef struct nmdm_cond_t nmdm_cond_t;

/* Lives as long as p. Returns APR_SUCCESS, or what the system said. */
apr_status_t nmdm_cond_create(nmdm_cond_t **out, apr_pool_t *p);

/* The mutex that goes with the condition; not recursive. */
void nmdm_cond_lock(nmdm_cond_t *cond);
void nmdm_cond_unlock(nmdm_cond_t *cond);

/* With the lock held: wakes all who wait; one of them at least. */
void nmdm_cond_signal(nmdm_cond_t *cond);
void nmdm_cond_signal_one(nmdm_cond_t *cond);

/* With the lock held, which is released meanwhile: returns after a signal, at
 * the timeout (microseconds), or for no reason. */
void nmdm_cond_wait(nmdm_cond_t *cond, apr_interval_time_t timeout);

#endif /* NMDM_COND_H */
