/* SPDX-License-Identifier: Apache-2.0 */
/* cond.c -- a lock and a condition, on the steady clock. */

#include "base/cond.h"
#include "base/time.h"

#include <pthread.h>
#include <time.h>

struct nmdm_cond_t {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static apr_status_t remove_cond(void *data)
{
    nmdm_cond_t *cond = data;

    pthread_cond_destroy(&cond->changed);
    pthread_mutex_destroy(&cond->lock);
    return APR_SUCCESS;
}

apr_status_t nmdm_cond_create(nmdm_cond_t **out, apr_pool_t *p)
{
    nmdm_cond_t *cond = apr_pcalloc(p, sizeof(*cond));
    pthread_condattr_t attr;
    int rv = pthread_condattr_init(&attr);

    if (rv) {
        return rv;
    }
    rv = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!rv) {
        rv = pthread_cond_init(&cond->changed, &attr);
    }
    pthread_condattr_destroy(&attr);
    if (rv) {
        return rv;
    }
    rv = pthread_mutex_init(&cond->lock, NULL);
    if (rv) {
        pthread_cond_destroy(&cond->changed);
        return rv;
    }
    apr_pool_cleanup_register(p, cond, remove_cond, apr_pool_cleanup_null);
    *out = cond;
    return APR_SUCCESS;
}

void nmdm_cond_lock(nmdm_cond_t *cond)
{
    pthread_mutex_lock(&cond->lock);
}

void nmdm_cond_unlock(nmdm_cond_t *cond)
{
    pthread_mutex_unlock(&cond->lock);
}

void nmdm_cond_signal(nmdm_cond_t *cond)
{
    pthread_cond_broadcast(&cond->changed);
}

void nmdm_cond_signal_one(nmdm_cond_t *cond)
{
    pthread_cond_signal(&cond->changed);
}

void nmdm_cond_wait(nmdm_cond_t *cond, apr_interval_time_t timeout)
{
    apr_time_t until = nmdm_time_steady() + timeout;
    struct timespec end = { .tv_sec = apr_time_sec(until),
                            .tv_nsec = apr_time_usec(until) * 1000 };

    pthread_cond_timedwait(&cond->changed, &cond->lock, &end);
}
