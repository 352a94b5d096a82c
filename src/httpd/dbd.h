/* SPDX-License-Identifier: Apache-2.0 */
/* dbd.h -- acquires and releases connections of mod_dbd. */

#ifndef NANOMDM_DBD_H
#define NANOMDM_DBD_H

#include "httpd/dbd_cache.h"
#include "base/context.h"

/* Once in each child, before the rest. 0 when mod_dbd is not loaded. */
int nanomdm_dbd_init(void);
/* Returns a connection to mod_dbd: the cache's `close`. */
void nanomdm_dbd_close(nanomdm_dbd_conn_t conn);
/* The connections to the database of s, by way of the cache. Its wal is the
 * caller's to make. NULL when there is no mutex. */
nmdm_db_source_t *nanomdm_dbd_create(apr_pool_t *pchild, server_rec *s,
                                     nanomdm_dbd_cache_t *cache);

#endif /* NANOMDM_DBD_H */
