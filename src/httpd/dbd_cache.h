/* SPDX-License-Identifier: Apache-2.0 */
/* dbd_cache.h -- keeps connections of mod_dbd from one request to the next. */

#ifndef NANOMDM_DBD_CACHE_H
#define NANOMDM_DBD_CACHE_H

#include <apr_pools.h>
#include <httpd.h>

typedef struct nanomdm_dbd_cache_t nanomdm_dbd_cache_t;
/* A connection, and the server whose pool it is of. */
typedef struct {
    void *dbd;                          /* ap_dbd_t */
    server_rec *server;
} nanomdm_dbd_conn_t;
typedef void (*nanomdm_dbd_cache_fn)(nanomdm_dbd_conn_t conn);

/* For a pool of mod_dbd that has `size` connections; close gives one back to
 * it. Beyond `few`, unless that is 0, mod_dbd is asked for one only where none
 * is put back within a moment. NULL when there is no mutex. */
nanomdm_dbd_cache_t *nanomdm_dbd_cache_create(apr_pool_t *p, int size,
                                              int few,
                                              nanomdm_dbd_cache_fn close);
/* Whether there is a connection that was used just now, or is put back within
 * a moment where few suffice. If not, the caller asks mod_dbd and then says
 * whether it got one. */
int nanomdm_dbd_cache_take(nanomdm_dbd_cache_t *cache,
                           nanomdm_dbd_conn_t *conn);
void nanomdm_dbd_cache_asked(nanomdm_dbd_cache_t *cache, int got);
/* Where mod_dbd gave none: until another request gives one back, or the
 * timeout (microseconds). Then the caller takes again. */
void nanomdm_dbd_cache_wait(nanomdm_dbd_cache_t *cache,
                            apr_interval_time_t timeout);
/* For the next request, or to mod_dbd if a thread waits there. */
void nanomdm_dbd_cache_put(nanomdm_dbd_cache_t *cache,
                           nanomdm_dbd_conn_t conn);
void nanomdm_dbd_cache_close(nanomdm_dbd_cache_t *cache,
                             nanomdm_dbd_conn_t conn);
/* While the database gives no new ones: what is here stays, however long it is
 * not used. A dead one is found out by its next use. It is no more than at
 * other times: other modules need the rest of the pool. */
void nanomdm_dbd_cache_keep(nanomdm_dbd_cache_t *cache, int yes);
/* Closes what was not used lately; everything; everything, and keeps nothing
 * from then on. */
void nanomdm_dbd_cache_expire(nanomdm_dbd_cache_t *cache);
void nanomdm_dbd_cache_empty(nanomdm_dbd_cache_t *cache);
void nanomdm_dbd_cache_shut(nanomdm_dbd_cache_t *cache);

#endif /* NANOMDM_DBD_CACHE_H */
