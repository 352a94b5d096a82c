/* SPDX-License-Identifier: Apache-2.0 */
/* webhooks.c -- directives about webhooks, and who is told. */

#include "config/webhooks.h"
#include "config/parse.h"
#include "webhook/event.h"

#include <apr_strings.h>
#include <http_core.h>

#include <string.h>

/* ---- Setters ---- */

const char *nanomdm_set_webhook_url(cmd_parms *cmd, void *conf,
                                    const char *url)
{
    return nanomdm_set_url(cmd, &((nanomdm_conf_t *)conf)->webhook_url, url);
}

const char *nanomdm_set_webhook_key(cmd_parms *cmd, void *conf,
                                    const char *value)
{
    return nanomdm_set_secret(cmd, &((nanomdm_conf_t *)conf)->webhook_key,
                              value);
}

/* all, a topic, or one with a minus in front of it, which is left out of what
 * stands before; a list that begins with that starts from all. */
static const char *add_topic(cmd_parms *cmd, unsigned *topics,
                             const char *word, int is_first)
{
    unsigned topic = nmdm_event_topic(word + (*word == '-'));

    if (!topic) {
        return nanomdm_wrong(cmd, word,
                             "no topic; write all, mdm.Authenticate,"
                             " mdm.TokenUpdate, mdm.CheckOut,"
                             " mdm.UserAuthenticate, mdm.SetBootstrapToken,"
                             " mdm.GetBootstrapToken,"
                             " mdm.DeclarativeManagement, mdm.GetToken,"
                             " mdm.Connect or mdm.Connect:Idle, or one of them"
                             " with a minus in front");
    }
    if (*word != '-') {
        *topics |= topic;
        return NULL;
    }
    if (is_first) {
        *topics = NMDM_WEBHOOK_ALL;
    }
    *topics &= ~topic;
    return NULL;
}

const char *nanomdm_set_webhook_topics(cmd_parms *cmd, void *conf, int argc,
                                       char *const argv[])
{
    unsigned topics = 0;
    const char *problem;
    int i;

    for (i = 0; i < argc; i++) {
        problem = add_topic(cmd, &topics, argv[i], i == 0);
        if (problem) {
            return problem;
        }
    }
    if (!topics) {
        return nanomdm_wrong(cmd, argc ? argv[argc - 1] : "",
                             "leaves no topic; write all or some of them");
    }
    ((nanomdm_conf_t *)conf)->webhook_topics = (int)topics;
    return NULL;
}

static const char *set_topic_list(cmd_parms *cmd, unsigned *topics,
                                  const char *list)
{
    const char *problem;
    char *rest = NULL, *word;
    int is_first = 1;

    word = apr_strtok(apr_pstrdup(cmd->temp_pool, list), ",", &rest);
    for (; word; word = apr_strtok(NULL, ",", &rest)) {
        problem = add_topic(cmd, topics, word, is_first);
        if (problem) {
            return problem;
        }
        is_first = 0;
    }
    return *topics ? NULL : nanomdm_wrong(cmd, list,
                                          "leaves no topic; write all or some"
                                          " of them");
}

/* What follows the URL. The word itself may hold a secret. */
static const char *set_option(cmd_parms *cmd, nanomdm_webhook_t *webhook,
                              const char *word)
{
    if (!strncmp(word, "key=", 4)) {
        return nanomdm_set_secret(cmd, &webhook->key,
                                  apr_pstrdup(cmd->pool, word + 4));
    }
    if (!strncmp(word, "topics=", 7)) {
        return set_topic_list(cmd, &webhook->topics, word + 7);
    }
    if (!strcasecmp(word, "redact=on") || !strcasecmp(word, "redact=off")) {
        webhook->redacts = !strcasecmp(word, "redact=on");
        return NULL;
    }
    return nanomdm_wrong(cmd,
                         apr_pstrmemdup(cmd->pool, word, strcspn(word, "=")),
                         "no option; write topics=NAME,NAME, key=SECRET or"
                         " redact=on|off behind the URL");
}

const char *nanomdm_add_webhook(cmd_parms *cmd, void *conf_, int argc,
                                char *const argv[])
{
    nanomdm_webhook_t webhook = { NULL, NULL, 0, NANOMDM_UNSET };
    nanomdm_conf_t *conf = conf_;
    const char *problem;
    int i;

    if (!argc) {
        return apr_psprintf(cmd->pool, "%s: no URL; write %s"
                            " https://HOST/PATH", cmd->cmd->name,
                            cmd->cmd->name);
    }
    problem = nanomdm_set_url(cmd, &webhook.url,
                              apr_pstrdup(cmd->pool, argv[0]));
    for (i = 1; !problem && i < argc; i++) {
        problem = set_option(cmd, &webhook, argv[i]);
    }
    if (problem) {
        return problem;
    }
    if (!conf->webhooks) {
        conf->webhooks = apr_array_make(cmd->pool, 2, sizeof(webhook));
    }
    APR_ARRAY_PUSH(conf->webhooks, nanomdm_webhook_t) = webhook;
    return NULL;
}

const char *nanomdm_set_webhook_delivery(cmd_parms *cmd, void *conf,
                                         const char *word)
{
    if (strcmp(word, "durable") && strcmp(word, "besteffort")) {
        return nanomdm_wrong(cmd, word, "write durable or besteffort");
    }
    ((nanomdm_conf_t *)conf)->webhook_durable = !strcmp(word, "durable");
    return NULL;
}

/* ---- Who is told ---- */

/* What a webhook does not say is as NanoMDMWebhookTopics and
 * NanoMDMWebhookRedact say. */
static nmdm_webhook_conf_t *receiver(apr_pool_t *p,
                                     const nanomdm_conf_t *conf,
                                     const nanomdm_webhook_t *webhook)
{
    nmdm_webhook_conf_t *made = apr_palloc(p, sizeof(*made));

    made->url = webhook->url;
    made->key = webhook->key;
    made->target = nmdm_event_target(p, webhook->url);
    made->redacts = webhook->redacts != NANOMDM_UNSET
        ? webhook->redacts : conf->webhook_redacts == 1;
    made->topics = webhook->topics;
    if (!made->topics && conf->webhook_topics != NANOMDM_UNSET) {
        made->topics = (unsigned)conf->webhook_topics;
    }
    if (!made->topics) {
        made->topics = conf->webhook_durable == 1 ? NMDM_WEBHOOK_DURABLE
                                                  : NMDM_WEBHOOK_ALL;
    }
    return made;
}

apr_array_header_t *nanomdm_webhooks(apr_pool_t *p,
                                     const nanomdm_conf_t *conf)
{
    nanomdm_webhook_t simple = { conf->webhook_url, conf->webhook_key, 0,
                                 NANOMDM_UNSET };
    apr_array_header_t *made;
    int i;

    if (!conf->webhook_url && !conf->webhooks) {
        return NULL;
    }
    made = apr_array_make(p, 2, sizeof(nmdm_webhook_conf_t *));
    if (simple.url) {
        APR_ARRAY_PUSH(made, nmdm_webhook_conf_t *) = receiver(p, conf,
                                                               &simple);
    }
    for (i = 0; conf->webhooks && i < conf->webhooks->nelts; i++) {
        APR_ARRAY_PUSH(made, nmdm_webhook_conf_t *) = receiver(
            p, conf, &APR_ARRAY_IDX(conf->webhooks, i, nanomdm_webhook_t));
    }
    return made;
}

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
    apr_array_header_t *webhooks = conf->webhook_durable == 1
        ? nanomdm_webhooks(p, conf) : NULL;
    const char *problem = NULL;
    int i;

    for (i = 0; !problem && webhooks && i < webhooks->nelts; i++) {
        problem = add_target(all, p, APR_ARRAY_IDX(webhooks, i,
                                                   nmdm_webhook_conf_t *));
    }
    return problem;
}

static const char *add_sections(apr_array_header_t *all, apr_pool_t *p,
                                nanomdm_conf_t *base,
                                const apr_array_header_t *sections)
{
    const char *problem = NULL;
    int i;

    for (i = 0; !problem && sections && i < sections->nelts; i++) {
        nanomdm_conf_t *conf = ap_get_module_config(
            APR_ARRAY_IDX(sections, i, ap_conf_vector_t *), &nanomdm_module);

        if (conf) {
            problem = add_all(all, p, nanomdm_merge_dir_conf(p, base, conf));
        }
    }
    return problem;
}

const char *nanomdm_all_webhooks(apr_array_header_t **out, apr_pool_t *p,
                                 const server_rec *s)
{
    const core_server_config *core
        = ap_get_core_module_config(s->module_config);
    nanomdm_conf_t *base = nanomdm_server_defaults(s);
    const char *problem;

    *out = apr_array_make(p, 4, sizeof(nmdm_webhook_conf_t *));
    problem = add_all(*out, p, base);
    if (!problem) {
        problem = add_sections(*out, p, base, core->sec_url);
    }
    return problem ? problem : add_sections(*out, p, base, core->sec_dir);
}
