/* SPDX-License-Identifier: Apache-2.0 */
/* retention.h -- NanoMDMRetention: what is deleted when it is old. */

#ifndef NANOMDM_RETENTION_H
#define NANOMDM_RETENTION_H

#include "config/config.h"
#include "config/kinds.h"

#include <httpd.h>
#include <http_config.h>

/* The setter of NanoMDMRetention, as httpd calls it: NULL, or what is wrong
 * with the rule, in cmd->pool. */
const char *nanomdm_add_retention(cmd_parms *cmd, void *conf, int argc,
                                  char *const argv[]);

/* A line for each type that has a rule of its own, and one for the others. */
const char *nanomdm_show_retention(apr_pool_t *p, const nanomdm_conf_t *conf,
                                   const nanomdm_row_t *row);

#endif /* NANOMDM_RETENTION_H */
