/* SPDX-License-Identifier: Apache-2.0 */
/* rate_limit.h -- NanoMDMRateLimit: how often a device may come. */

#ifndef NANOMDM_RATE_LIMIT_H
#define NANOMDM_RATE_LIMIT_H

#include "config/config.h"

const char *nanomdm_set_rate_limit(cmd_parms *cmd, void *conf,
                                   const char *rate, const char *burst);
const char *nanomdm_rate_limit_text(const nanomdm_conf_t *conf);

#endif /* NANOMDM_RATE_LIMIT_H */
