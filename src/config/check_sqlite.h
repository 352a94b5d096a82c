/* SPDX-License-Identifier: Apache-2.0 */
/* check_sqlite.h -- whether httpd can keep a database file where DBDParams
 * says. */

#ifndef NANOMDM_CHECK_SQLITE_H
#define NANOMDM_CHECK_SQLITE_H

#include <apr_pools.h>

/* What keeps httpd's User from the file of this path, with what to write, or
 * NULL when nothing does. From p. */
const char *nanomdm_check_sqlite(apr_pool_t *p, const char *path);

#endif /* NANOMDM_CHECK_SQLITE_H */
