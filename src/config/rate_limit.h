/* SPDX-License-Identifier: Apache-2.0 */
/* rate_limit.h -- NanoMDMRateLimit: how often a device may ask. */

#ifndef NANOMDM_RATE_LIMIT_H
#define NANOMDM_RATE_LIMIT_H

#include "config/config.h"
#include "config/kinds.h"

/* The setter, as httpd calls it (NULL, or what is wrong with the value, in
 * cmd->pool), and the value as it would be written, in p. */
const char *nanomdm_set_rate_limit(cmd_parms *cmd, void *conf,
                                   const char *rate, const char *burst);
const char *nanomdm_show_rate_limit(apr_pool_t *p, const nanomdm_conf_t *conf,
                                    const nanomdm_row_t *row);

#endif /* NANOMDM_RATE_LIMIT_H */
