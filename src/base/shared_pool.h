/* SPDX-License-Identifier: Apache-2.0 */
/* shared_pool.h -- a pool that lives as long as the last of its users. */

#ifndef NMDM_SHARED_POOL_H
#define NMDM_SHARED_POOL_H

#include <apr_pools.h>

typedef struct nmdm_shared_pool_t nmdm_shared_pool_t;

/* Has an allocator of its own. Allocate from it before there is a second user:
 * there is no lock. NULL where memory is out. */
nmdm_shared_pool_t *nmdm_shared_pool_make(apr_pool_t *user);

/* The pool to keep `size` bytes in: that of a new *shared, or `user` where they
 * are few enough to be copied for users that need them longer; then *shared is
 * NULL. */
apr_pool_t *nmdm_shared_pool_for(apr_size_t size, apr_pool_t *user,
                                 nmdm_shared_pool_t **shared);

/* The pool to allocate from; it lives as long as the last user. */
apr_pool_t *nmdm_shared_pool_of(nmdm_shared_pool_t *shared);

/* Lives until `user` is cleared or destroyed, too. Any thread that is a user
 * already may call it for another. */
void nmdm_shared_pool_hold(nmdm_shared_pool_t *shared, apr_pool_t *user);

/* `user` does not need it any more. */
void nmdm_shared_pool_release(nmdm_shared_pool_t *shared, apr_pool_t *user);

#endif /* NMDM_SHARED_POOL_H */
