/* SPDX-License-Identifier: Apache-2.0 */
/* config_dump.h -- httpd -t -D DUMP_NANOMDM. */

#ifndef NANOMDM_CONFIG_DUMP_H
#define NANOMDM_CONFIG_DUMP_H

#include <httpd.h>

/* Prints the settings in force to standard output, for -D DUMP_NANOMDM.
 * Secrets are not shown, only that they are set. */
void nanomdm_dump_config(apr_pool_t *pconf, server_rec *s);

#endif /* NANOMDM_CONFIG_DUMP_H */
