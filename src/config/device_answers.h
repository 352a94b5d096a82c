/* SPDX-License-Identifier: Apache-2.0 */
/* device_answers.h -- NanoMDMToken and NanoMDMReturnToService: files that
 * devices are answered with. */

#ifndef NANOMDM_DEVICE_ANSWERS_H
#define NANOMDM_DEVICE_ANSWERS_H

#include <httpd.h>
#include <http_config.h>

/* The setters of NanoMDMToken and NanoMDMReturnToService, as httpd calls them:
 * NULL, or what is wrong with the value or the file, in cmd->pool. */
const char *nanomdm_add_token(cmd_parms *cmd, void *conf, const char *type,
                              const char *path);
const char *nanomdm_add_return_to_service(cmd_parms *cmd, void *conf,
                                          const char *path, const char *type);

#endif /* NANOMDM_DEVICE_ANSWERS_H */
