/* SPDX-License-Identifier: Apache-2.0 */
/* waiters.c -- how many threads may wait for another machine at once. */

#include "net/waiters.h"
#include "base/cond.h"
#include "base/time.h"

struct nmdm_waiters_t {
    nmdm_cond_t *cond;          /* guards the rest */
    int room;
};

nmdm_err_t *nmdm_waiters_create(nmdm_waiters_t **out, apr_pool_t *p, int most)
{
    nmdm_waiters_t *waiters = apr_pcalloc(p, sizeof(*waiters));
    apr_status_t rv = nmdm_cond_create(&waiters->cond, p);

    if (rv != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, rv, NMDMNO(0163)
                        "no memory for the count of waiting threads");
    }
    waiters->room = most > 1 ? most : 1;
    *out = waiters;
    return NULL;
}

int nmdm_waiters_enter(nmdm_waiters_t *waiters, apr_interval_time_t timeout)
{
    apr_time_t until = nmdm_time_steady() + timeout;
    apr_time_t now;
    int may_wait;

    nmdm_cond_lock(waiters->cond);
    while (!waiters->room && (now = nmdm_time_steady()) < until) {
        nmdm_cond_wait(waiters->cond, until - now);
    }
    may_wait = waiters->room > 0;
    waiters->room -= may_wait;
    nmdm_cond_unlock(waiters->cond);
    return may_wait;
}

void nmdm_waiters_leave(nmdm_waiters_t *waiters)
{
    nmdm_cond_lock(waiters->cond);
    waiters->room++;
    nmdm_cond_signal(waiters->cond);
    nmdm_cond_unlock(waiters->cond);
}
