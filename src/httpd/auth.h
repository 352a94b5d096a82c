/* SPDX-License-Identifier: Apache-2.0 */
/* auth.h -- AuthBasicProvider nanomdm; Require nanomdm-enrolled. */

#ifndef NANOMDM_AUTH_H
#define NANOMDM_AUTH_H

#include <apr_pools.h>

/* Registers the AuthBasicProvider nanomdm and Require nanomdm-enrolled. */
void nanomdm_auth_hooks(apr_pool_t *p);

#endif /* NANOMDM_AUTH_H */
