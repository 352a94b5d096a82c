/* SPDX-License-Identifier: Apache-2.0 */
/* retention.h -- NanoMDMRetention: what is not kept for ever. */

#ifndef NANOMDM_RETENTION_H
#define NANOMDM_RETENTION_H

#include <httpd.h>
#include <http_config.h>

const char *nanomdm_add_retention(cmd_parms *cmd, void *conf, int argc,
                                  char *const argv[]);

#endif /* NANOMDM_RETENTION_H */
