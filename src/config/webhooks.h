/* SPDX-License-Identifier: Apache-2.0 */
/* webhooks.h -- directives about webhooks, and what is sent where. */

#ifndef NANOMDM_WEBHOOKS_H
#define NANOMDM_WEBHOOKS_H

#include "config/config.h"
#include "config/kinds.h"

/* The setters of webhook directives, as httpd calls them (NULL, or what is
 * wrong with the value, in cmd->pool), and their values as they would be
 * written, in p, without keys. */
const char *nanomdm_set_webhook_url(cmd_parms *cmd, void *conf,
                                    const char *url);
const char *nanomdm_add_webhook(cmd_parms *cmd, void *conf, int argc,
                                char *const argv[]);
const char *nanomdm_set_webhook_topics(cmd_parms *cmd, void *conf, int argc,
                                       char *const argv[]);
const char *nanomdm_show_webhooks(apr_pool_t *p, const nanomdm_conf_t *conf,
                                  const nanomdm_row_t *row);
const char *nanomdm_show_webhook_topics(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row);
/* The receivers of events, as nmdm_webhook_conf_t *, or NULL. */
apr_array_header_t *nanomdm_webhooks(apr_pool_t *p,
                                     const nanomdm_conf_t *conf);

#endif /* NANOMDM_WEBHOOKS_H */
