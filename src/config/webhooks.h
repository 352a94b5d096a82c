/* SPDX-License-Identifier: Apache-2.0 */
/* webhooks.h -- directives about webhooks, and who is told. */

#ifndef NANOMDM_WEBHOOKS_H
#define NANOMDM_WEBHOOKS_H

#include "config/config.h"

const char *nanomdm_set_webhook_url(cmd_parms *cmd, void *conf,
                                    const char *url);
const char *nanomdm_set_webhook_key(cmd_parms *cmd, void *conf,
                                    const char *value);
const char *nanomdm_add_webhook(cmd_parms *cmd, void *conf, int argc,
                                char *const argv[]);
const char *nanomdm_set_webhook_topics(cmd_parms *cmd, void *conf, int argc,
                                       char *const argv[]);
const char *nanomdm_set_webhook_delivery(cmd_parms *cmd, void *conf,
                                         const char *word);
/* Those of a server and of all its sections, each target once. Returns what
 * contradicts itself, or NULL. */
const char *nanomdm_all_webhooks(apr_array_header_t **out, apr_pool_t *p,
                                 const server_rec *s);

/* Who is told of messages, as nmdm_webhook_conf_t *, or NULL. */
apr_array_header_t *nanomdm_webhooks(apr_pool_t *p,
                                     const nanomdm_conf_t *conf);

#endif /* NANOMDM_WEBHOOKS_H */
