/* SPDX-License-Identifier: Apache-2.0 */
/* durable_webhooks.h -- the receivers that events are kept for. */

#ifndef NANOMDM_DURABLE_WEBHOOKS_H
#define NANOMDM_DURABLE_WEBHOOKS_H

#include <apr_tables.h>
#include <httpd.h>

/* Those of a server and of all its sections, each target once, as
 * nmdm_webhook_conf_t *. Returns what contradicts itself, or NULL. */
const char *nanomdm_all_webhooks(apr_array_header_t **out, apr_pool_t *p,
                                 const server_rec *s);

#endif /* NANOMDM_DURABLE_WEBHOOKS_H */
