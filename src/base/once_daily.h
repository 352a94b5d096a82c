/* SPDX-License-Identifier: Apache-2.0 */
/* once_daily.h -- what is to be done once a day for each name, in this
 * child. */

#ifndef NMDM_ONCE_DAILY_H
#define NMDM_ONCE_DAILY_H

#include "base/context.h"

/* Lives as long as p; any number of threads may use it. */
nmdm_err_t *nmdm_once_daily_create(nmdm_once_daily_t **out, apr_pool_t *p);

/* 1 for the first call with this name in 24 hours. Names are never forgotten,
 * so they must be few. */
int nmdm_once_daily_is_due(nmdm_once_daily_t *daily, const char *name,
                           apr_time_t now);

#endif /* NMDM_ONCE_DAILY_H */
