/* SPDX-License-Identifier: Apache-2.0 */
/* waiters.c -- how many threads may wait for another machine at once. */

#include "net/waiters.h"
#include "base/cond.h"
#include "base/time.h"

struct nmdm_waiters_t {
    nmdm_waiters_t *all;        /* a place here is one there, or NULL */
    nmdm_cond_t *cond;          /* that of `all`; guards the rest */
    int room;
    apr_time_t entered;         /* when the last did, on the steady clock */
};

nmdm_err_t *nmdm_waiters_create(nmdm_waiters_t **out, apr_pool_t *p, int most,
                                nmdm_waiters_t *all)
{
    nmdm_waiters_t *waiters = apr_pcalloc(p, sizeof(*waiters));
    apr_status_t rv = APR_SUCCESS;

    waiters->all = all;
    if (all) {
        waiters->cond = all->cond;
    }
    else {
        rv = nmdm_cond_create(&waiters->cond, p);
    }
    if (rv != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, rv, NMDMNO(0163)
                        "no memory for the count of waiting threads");
    }
    waiters->room = most > 1 ? most : 1;
    *out = waiters;
    return NULL;
}

static int has_room(const nmdm_waiters_t *waiters)
{
    return waiters->room > 0 && (!waiters->all || waiters->all->room > 0);
}

static void take(nmdm_waiters_t *waiters, int places)
{
    waiters->room -= places;
    if (waiters->all) {
        waiters->all->room -= places;
    }
}

/* `patience` is how long the last to enter may have waited. */
static int enter(nmdm_waiters_t *waiters, apr_interval_time_t timeout,
                 apr_interval_time_t patience)
{
    apr_time_t now = nmdm_time_steady(), until = now + timeout;
    int may_wait;

    nmdm_cond_lock(waiters->cond);
    while (!has_room(waiters) && now < until
           && now < waiters->entered + patience) {
        apr_time_t end = waiters->entered + patience;

        nmdm_cond_wait(waiters->cond, (end < until ? end : until) - now);
        now = nmdm_time_steady();
    }
    may_wait = has_room(waiters);
    if (may_wait) {
        take(waiters, 1);
        waiters->entered = now;
    }
    nmdm_cond_unlock(waiters->cond);
    return may_wait;
}

int nmdm_waiters_enter(nmdm_waiters_t *waiters, apr_interval_time_t timeout)
{
    return enter(waiters, timeout, NMDM_TIME_DAY);
}

int nmdm_waiters_enter_early(nmdm_waiters_t *waiters,
                             apr_interval_time_t timeout)
{
    return enter(waiters, timeout, timeout);
}

void nmdm_waiters_leave(nmdm_waiters_t *waiters)
{
    nmdm_cond_lock(waiters->cond);
    take(waiters, -1);
    nmdm_cond_signal(waiters->cond);
    nmdm_cond_unlock(waiters->cond);
}
