/* SPDX-License-Identifier: Apache-2.0 */
/* durable_webhooks.c -- the receivers that events are kept for. */

#include "config/durable_webhooks.h"
#include "config/config.h"
#include "webhook/event.h"

#include <apr_strings.h>
#include <http_core.h>

#include <string.h>

/* Events are kept by target, and signed when they are sent: one URL, one
 * key. */
static const char *add_target(apr_array_header_t *all, apr_pool_t *p,
                              nmdm_webhook_conf_t *webhook)
{
    int i;

    for (i = 0; i < all->nelts; i++) {
        const nmdm_webhook_conf_t *known
            = APR_ARRAY_IDX(all, i, nmdm_webhook_conf_t *);

        if (strcmp(known->target, webhook->target)) {
            continue;
        }
        return !known->key == !webhook->key
               && (!known->key || !strcmp(known->key, webhook->key))
            ? NULL : apr_psprintf(p, "the webhook %s has two keys, or one"
                                  " and none; give its URL the same key"
                                  " everywhere", known->target);
    }
    APR_ARRAY_PUSH(all, nmdm_webhook_conf_t *) = webhook;
    return NULL;
}

static const char *add_all(apr_array_header_t *all, apr_pool_t *p,
                           const nanomdm_conf_t *conf)
{
    const apr_array_header_t *webhooks = conf->policy.durable
        ? conf->policy.webhooks : NULL;
    const char *problem = NULL;
    int i;

    for (i = 0; !problem && webhooks && i < webhooks->nelts; i++) {
        problem = add_target(all, p, APR_ARRAY_IDX(webhooks, i,
                                                   nmdm_webhook_conf_t *));
    }
    return problem;
}

static const char *add_sections(apr_array_header_t *all, apr_pool_t *p,
                                const server_rec *s,
                                const apr_array_header_t *sections)
{
    const char *problem = NULL;
    int i;

    for (i = 0; !problem && sections && i < sections->nelts; i++) {
        problem = add_all(all, p, nanomdm_section_conf(
            p, s, APR_ARRAY_IDX(sections, i, ap_conf_vector_t *)));
    }
    return problem;
}

const char *nanomdm_all_webhooks(apr_array_header_t **out, apr_pool_t *p,
                                 const server_rec *s)
{
    const core_server_config *core
        = ap_get_core_module_config(s->module_config);
    const char *problem;

    *out = apr_array_make(p, 4, sizeof(nmdm_webhook_conf_t *));
    problem = add_all(*out, p, nanomdm_server_defaults(s));
    if (!problem) {
        problem = add_sections(*out, p, s, core->sec_url);
    }
    return problem ? problem : add_sections(*out, p, s, core->sec_dir);
}
