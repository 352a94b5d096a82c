/* SPDX-License-Identifier: Apache-2.0 */
/* storage_key.h -- NanoMDMStorageKey: the keys that seal stored secrets. */

#ifndef NANOMDM_STORAGE_KEY_H
#define NANOMDM_STORAGE_KEY_H

#include "crypto/seal.h"

#include <httpd.h>
#include <http_config.h>

const char *nanomdm_set_storage_key(cmd_parms *cmd, void *conf, int argc,
                                    char *const argv[]);
/* Another server behind s that has the same tables and other keys, or NULL:
 * each would store what the other cannot read. */
server_rec *nanomdm_storage_key_conflict(apr_pool_t *p, const server_rec *s);
/* What may be shown of the keys, or NULL. */
const char *nanomdm_storage_key_text(apr_pool_t *p,
                                     const nmdm_seal_t *keys);

#endif /* NANOMDM_STORAGE_KEY_H */
