/* SPDX-License-Identifier: Apache-2.0 */
/* shared_pool.c -- a pool that lives as long as the last of its users. */

#include "base/shared_pool.h"

#include <apr_atomic.h>

/* What is longer, in bytes, is worth a pool: its memory is mapped and unmapped
 * by the system, which would cost a third of an idle poll. */
#define FEW 65536

struct nmdm_shared_pool_t {
    apr_pool_t *pool;           /* this struct lives in it, too */
    apr_uint32_t users;         /* atomic */
};

static apr_status_t release(void *data)
{
    nmdm_shared_pool_t *shared = data;

    if (!apr_atomic_dec32(&shared->users)) {
        apr_pool_destroy(shared->pool);
    }
    return APR_SUCCESS;
}

nmdm_shared_pool_t *nmdm_shared_pool_make(apr_pool_t *user)
{
    nmdm_shared_pool_t *shared;
    apr_pool_t *pool;

    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) {
        return NULL;
    }
    shared = apr_pcalloc(pool, sizeof(*shared));
    shared->pool = pool;
    nmdm_shared_pool_hold(shared, user);
    return shared;
}

apr_pool_t *nmdm_shared_pool_for(apr_size_t size, apr_pool_t *user,
                                 nmdm_shared_pool_t **shared)
{
    *shared = size > FEW ? nmdm_shared_pool_make(user) : NULL;
    return *shared ? (*shared)->pool : user;
}

apr_pool_t *nmdm_shared_pool_of(nmdm_shared_pool_t *shared)
{
    return shared->pool;
}

void nmdm_shared_pool_hold(nmdm_shared_pool_t *shared, apr_pool_t *user)
{
    apr_atomic_inc32(&shared->users);
    apr_pool_cleanup_register(user, shared, release, apr_pool_cleanup_null);
}

void nmdm_shared_pool_release(nmdm_shared_pool_t *shared, apr_pool_t *user)
{
    apr_pool_cleanup_run(user, shared, release);
}
