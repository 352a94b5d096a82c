/* SPDX-License-Identifier: Apache-2.0 */
/* background.h -- work without a request. */

#ifndef NANOMDM_BACKGROUND_H
#define NANOMDM_BACKGROUND_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <httpd.h>

typedef struct nanomdm_background_t nanomdm_background_t;
/* Starts the threads that work for these sites (nanomdm_site_t *); they end
 * with pchild, before mod_dbd's connections do. NULL when they cannot start,
 * which is in the log of s. */
nanomdm_background_t *nanomdm_background_start(apr_pool_t *pchild,
                                               const apr_array_header_t *sites,
                                               server_rec *s);
/* Other children have the configuration now. */
void nanomdm_background_stop_jobs(nanomdm_background_t *threads);

#endif /* NANOMDM_BACKGROUND_H */
