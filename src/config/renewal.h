/* SPDX-License-Identifier: Apache-2.0 */
/* renewal.h -- NanoMDMRenewIdentity and NanoMDMRenewIdentifier. */

#ifndef NANOMDM_CONFIG_RENEWAL_H
#define NANOMDM_CONFIG_RENEWAL_H

#include "config/config.h"
#include "config/kinds.h"

/* Setters, as httpd calls them (NULL, or what is wrong with the value, in
 * cmd->pool), and the value as it would be written, in p. */
const char *nanomdm_set_renew_identity(cmd_parms *cmd, void *conf,
                                       const char *days, const char *rate);
const char *nanomdm_show_renew_identity(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row);
const char *nanomdm_set_renew_identifier(cmd_parms *cmd, void *conf,
                                         const char *identifier);

#endif /* NANOMDM_CONFIG_RENEWAL_H */
