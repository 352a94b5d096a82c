/* SPDX-License-Identifier: Apache-2.0 */
/* dbd_params.h -- DBDParams as others may see it. */

#ifndef NANOMDM_DBD_PARAMS_H
#define NANOMDM_DBD_PARAMS_H

#include <apr_pools.h>

/* DBDParams without what is secret in it; NULL is "". */
const char *nanomdm_dbd_params_shown(apr_pool_t *p, const char *params);

#endif /* NANOMDM_DBD_PARAMS_H */
