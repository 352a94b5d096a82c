/* SPDX-License-Identifier: Apache-2.0 */
/* cond.c -- a lock and a condition, on the steady clock. */

#include "base/cond.h"
#include "base/time.h"

#include <pthread.h>
#include <time.h>

struct nmdm_cond_t {
    pthread_mutex_t lock;
    pthread_cond_t rung;
};

static apr_status_t remove_bell(void *data)
{
    nmdm_cond_t *bell = data;

    pthread_cond_destroy(&bell->rung);
    pthread_mutex_destroy(&bell->lock);
    return APR_SUCCESS;
}

apr_status_t nmdm_cond_create(nmdm_cond_t **out, apr_pool_t *p)
{
    nmdm_cond_t *bell = apr_pcalloc(p, sizeof(*bell));
    pthread_condattr_t attr;
    int rv = pthread_condattr_init(&attr);

    if (rv) {
        return rv;
    }
    rv = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!rv) {
        rv = pthread_cond_init(&bell->rung, &attr);
    }
    pthread_condattr_destroy(&attr);
    if (rv) {
        return rv;
    }
    rv = pthread_mutex_init(&bell->lock, NULL);
    if (rv) {
        pthread_cond_destroy(&bell->rung);
        return rv;
    }
    apr_pool_cleanup_register(p, bell, remove_bell, apr_pool_cleanup_null);
    *out = bell;
    return APR_SUCCESS;
}

void nmdm_cond_lock(nmdm_cond_t *bell)
{
    pthread_mutex_lock(&bell->lock);
}

void nmdm_cond_unlock(nmdm_cond_t *bell)
{
    pthread_mutex_unlock(&bell->lock);
}

void nmdm_cond_signal(nmdm_cond_t *bell)
{
    pthread_cond_broadcast(&bell->rung);
}

void nmdm_cond_wait(nmdm_cond_t *bell, apr_interval_time_t patience)
{
    apr_time_t until = nmdm_time_steady() + patience;
    struct timespec end = { .tv_sec = apr_time_sec(until),
                            .tv_nsec = apr_time_usec(until) * 1000 };

    pthread_cond_timedwait(&bell->rung, &bell->lock, &end);
}
