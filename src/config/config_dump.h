/* SPDX-License-Identifier: Apache-2.0 */
/* config_dump.h -- httpd -t -D DUMP_NANOMDM. */

#ifndef NANOMDM_CONFIG_DUMP_H
#define NANOMDM_CONFIG_DUMP_H

#include <httpd.h>

void nanomdm_dump_config(apr_pool_t *pconf, server_rec *s);

#endif /* NANOMDM_CONFIG_DUMP_H */
