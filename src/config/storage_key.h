/* SPDX-License-Identifier: Apache-2.0 */
/* storage_key.h -- NanoMDMStorageKey: the keys that seal stored secrets. */

#ifndef NANOMDM_STORAGE_KEY_H
#define NANOMDM_STORAGE_KEY_H

#include "config/config.h"
#include "config/kinds.h"
#include "crypto/seal.h"

#include <httpd.h>
#include <http_config.h>

typedef struct nanomdm_storage_key_t nanomdm_storage_key_t;

/* The setter of NanoMDMStorageKey, as httpd calls it: NULL, or what is wrong
 * with a key, in cmd->pool. */
const char *nanomdm_set_storage_key(cmd_parms *cmd, void *conf, int argc,
                                    char *const argv[]);
/* The keys, or NULL without any. */
nmdm_seal_t *nanomdm_storage_key_seal(const nanomdm_storage_key_t *key);
/* How many there are, and the sources of those that are not in the
 * configuration itself. */
const char *nanomdm_show_storage_key(apr_pool_t *p, const nanomdm_conf_t *conf,
                                     const nanomdm_row_t *row);

#endif /* NANOMDM_STORAGE_KEY_H */
