/* SPDX-License-Identifier: Apache-2.0 */
/* identity_sources.h -- how a device's certificate may arrive. */

#ifndef NANOMDM_IDENTITY_SOURCES_H
#define NANOMDM_IDENTITY_SOURCES_H

#include "config/config.h"
#include "config/kinds.h"

#include <httpd.h>
#include <http_config.h>

/* Setters: NULL, or what httpd is to say about the line. */
const char *nanomdm_add_identity(cmd_parms *cmd, void *conf_,
                                 const char *word);
const char *nanomdm_add_trusted_proxy(cmd_parms *cmd, void *conf_,
                                      const char *word);

/* For DUMP_NANOMDM, in p: the value as a line would have it, or NULL. */
const char *nanomdm_show_identity(apr_pool_t *p, const nanomdm_conf_t *conf,
                                  const nanomdm_row_t *row);
const char *nanomdm_show_trusted_proxies(apr_pool_t *p,
                                         const nanomdm_conf_t *conf,
                                         const nanomdm_row_t *row);

#endif /* NANOMDM_IDENTITY_SOURCES_H */
