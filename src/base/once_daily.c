/* SPDX-License-Identifier: Apache-2.0 */
/* once_daily.c -- what is to be done once a day for each name. */

#include "base/once_daily.h"
#include "base/time.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

struct nmdm_once_daily_t {
    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_pool_t *pool;
    apr_hash_t *last;           /* name -> apr_time_t */
};

nmdm_err_t *nmdm_once_daily_create(nmdm_once_daily_t **out, apr_pool_t *p)
{
    nmdm_once_daily_t *daily = apr_pcalloc(p, sizeof(*daily));
    apr_status_t rv = apr_thread_mutex_create(&daily->lock,
                                              APR_THREAD_MUTEX_DEFAULT, p);

    if (rv == APR_SUCCESS) {
        rv = nmdm_own_pool(&daily->pool, p);
    }
    if (rv != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, rv, NMDMNO(0161)
                        "no memory for what is done once a day");
    }
    daily->last = apr_hash_make(daily->pool);
    *out = daily;
    return NULL;
}

int nmdm_once_daily_is_due(nmdm_once_daily_t *daily, const char *name,
                           apr_time_t now)
{
    apr_time_t *last;
    int is_due;

    apr_thread_mutex_lock(daily->lock);
    last = apr_hash_get(daily->last, name, APR_HASH_KEY_STRING);
    /* Or the clock was ahead by years, and has been set right. */
    is_due = !last || now - *last >= NMDM_TIME_DAY
        || *last - now >= NMDM_TIME_DAY;
    if (!last) {
        last = apr_palloc(daily->pool, sizeof(*last));
        apr_hash_set(daily->last, apr_pstrdup(daily->pool, name),
                     APR_HASH_KEY_STRING, last);
    }
    if (is_due) {
        *last = now;
    }
    apr_thread_mutex_unlock(daily->lock);
    return is_due;
}
