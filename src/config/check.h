/* SPDX-License-Identifier: Apache-2.0 */
/* check.h -- contradictions, found while starting. */

#ifndef NANOMDM_CHECK_H
#define NANOMDM_CHECK_H

#include <httpd.h>

/* The check of the configuration, a hook of httpd (check_config): logs what is
 * wrong, with the remedy, and returns OK, or HTTP_INTERNAL_SERVER_ERROR when
 * the server must not start. */
int nanomdm_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                         apr_pool_t *ptemp, server_rec *s);

#endif /* NANOMDM_CHECK_H */
