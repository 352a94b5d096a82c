/* SPDX-License-Identifier: Apache-2.0 */
/* child.h -- one child process. */

#ifndef NANOMDM_CHILD_H
#define NANOMDM_CHILD_H

#include <httpd.h>

/* Starts the services of each site and their threads, which end before pchild
 * does. */
void nanomdm_child_init(apr_pool_t *pchild, server_rec *s);
/* Requests that wait for other servers are answered before httpd loses its
 * patience. */
void nanomdm_child_stopping(apr_pool_t *pchild, int graceful);

#endif /* NANOMDM_CHILD_H */
