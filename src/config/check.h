/* SPDX-License-Identifier: Apache-2.0 */
/* check.h -- contradictions, found while starting. */

#ifndef NANOMDM_CHECK_H
#define NANOMDM_CHECK_H

#include <httpd.h>

int nanomdm_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                         apr_pool_t *ptemp, server_rec *s);

#endif /* NANOMDM_CHECK_H */
