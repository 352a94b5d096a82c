/* SPDX-License-Identifier: Apache-2.0 */
/* webhooks.c -- directives about webhooks, and what is sent where. */

#include "config/webhooks.h"
#include "config/parse.h"
#include "webhook/event.h"

#include <apr_strings.h>

#include <string.h>

/* ---- Setters ---- */

/* Receivers may take the path of a URL for a password, so it is not shown. */
static const char *set_target(cmd_parms *cmd, nanomdm_hidden_t *slot,
                              const char *url)
{
    const char *problem = nanomdm_set_url(cmd, &slot->value, url);

    if (!problem) {
        slot->shown = nmdm_event_target(cmd->pool, slot->value);
    }
    return problem;
}

const char *nanomdm_set_webhook_url(cmd_parms *cmd, void *conf,
                                    const char *url)
{
    return set_target(cmd, &((nanomdm_conf_t *)conf)->webhook_url, url);
}

/* all, a topic, or one with a minus in front of it, which is removed from the
 * topics before it; a list that begins with such a topic starts from all. */
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
                             " mdm.DeclarativeManagement,"
                             " mdm.DeclarativeManagement:status, mdm.GetToken,"
                             " mdm.ReturnToService, mdm.SCEP,"
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
                         " redact=on|off after the URL");
}

const char *nanomdm_add_webhook(cmd_parms *cmd, void *conf_, int argc,
                                char *const argv[])
{
    nanomdm_webhook_t webhook = { .redacts = NANOMDM_UNSET };
    nanomdm_conf_t *conf = conf_;
    const char *problem;
    int i;

    if (!argc) {
        return apr_psprintf(cmd->pool, "%s: no URL; write %s"
                            " https://HOST/PATH", cmd->cmd->name,
                            cmd->cmd->name);
    }
    problem = set_target(cmd, &webhook.url, apr_pstrdup(cmd->pool, argv[0]));
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

/* ---- Which receivers get events ---- */

/* Of NanoMDMWebhookTopics, or by default. */
static unsigned topics_of(const nanomdm_conf_t *conf)
{
    return conf->webhook_topics ? (unsigned)conf->webhook_topics
        : conf->policy.durable ? NMDM_WEBHOOK_DURABLE : NMDM_WEBHOOK_ALL;
}

/* What a webhook does not say is as NanoMDMWebhookTopics and
 * NanoMDMWebhookRedact say. */
static nmdm_webhook_conf_t *receiver(apr_pool_t *p,
                                     const nanomdm_conf_t *conf,
                                     const nanomdm_webhook_t *webhook)
{
    nmdm_webhook_conf_t *made = apr_palloc(p, sizeof(*made));

    made->url = webhook->url.value;
    made->key = webhook->key.value;
    made->target = webhook->url.shown;
    made->redacts = webhook->redacts != NANOMDM_UNSET
        ? webhook->redacts : conf->webhook_redacts;
    made->topics = webhook->topics ? webhook->topics : topics_of(conf);
    return made;
}

apr_array_header_t *nanomdm_webhooks(apr_pool_t *p,
                                     const nanomdm_conf_t *conf)
{
    nanomdm_webhook_t simple = { conf->webhook_url, conf->webhook_key, 0,
                                 NANOMDM_UNSET };
    apr_array_header_t *made;
    int i;

    if (!conf->webhook_url.value && !conf->webhooks) {
        return NULL;
    }
    made = apr_array_make(p, 2, sizeof(nmdm_webhook_conf_t *));
    if (simple.url.value) {
        APR_ARRAY_PUSH(made, nmdm_webhook_conf_t *) = receiver(p, conf,
                                                               &simple);
    }
    for (i = 0; conf->webhooks && i < conf->webhooks->nelts; i++) {
        APR_ARRAY_PUSH(made, nmdm_webhook_conf_t *) = receiver(
            p, conf, &APR_ARRAY_IDX(conf->webhooks, i, nanomdm_webhook_t));
    }
    return made;
}

/* ---- Showing ---- */

#define DECLARATIVE "mdm.DeclarativeManagement"

/* Whether a name is to be said, 1; with a minus, -1; or follows from another
 * one, 0. Status reports are part of a topic, and one by themselves. */
static int sign_of(unsigned topics, const char *name)
{
    unsigned status = nmdm_event_topic(DECLARATIVE ":status");
    int has_status = (topics & status) != 0;
    int has_others = (topics & nmdm_event_topic(DECLARATIVE) & ~status) != 0;

    if (!strcmp(name, DECLARATIVE)) {
        return has_others ? 1 : -1;
    }
    if (!strcmp(name, DECLARATIVE ":status")) {
        return has_status == has_others ? 0 : has_status ? 1 : -1;
    }
    return topics & nmdm_event_topic(name) ? 1 : -1;
}

/* The names of a set of topics, with `between` between them; most of all of
 * them as all without the rest. */
static const char *topic_names(apr_pool_t *p, unsigned topics,
                               const char *between)
{
    static const char *const NAMES[] = {
        "mdm.Authenticate", "mdm.TokenUpdate", "mdm.CheckOut",
        "mdm.UserAuthenticate", "mdm.SetBootstrapToken",
        "mdm.GetBootstrapToken", DECLARATIVE, "mdm.GetToken",
        "mdm.ReturnToService", "mdm.SCEP",
        "mdm.Connect", "mdm.Connect:Idle", DECLARATIVE ":status", NULL
    };
    const char *with = NULL, *without = "all";
    int i, n = 0;

    for (i = 0; NAMES[i]; i++) {
        int sign = sign_of(topics, NAMES[i]);
        int is_part = !strcmp(NAMES[i], DECLARATIVE ":status");

        if (sign > 0 || (sign < 0 && is_part)) {
            with = apr_pstrcat(p, with ? with : "", with ? between : "",
                               sign < 0 ? "-" : "", NAMES[i], NULL);
        }
        if (sign < 0 || (sign > 0 && is_part)) {
            without = apr_pstrcat(p, without, between, sign < 0 ? "-" : "",
                                  NAMES[i], NULL);
        }
        n += sign > 0;
    }
    return n > i / 2 ? without : with;
}

const char *nanomdm_show_webhook_topics(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row)
{
    (void)row;
    return topic_names(p, topics_of(conf), " ");
}

const char *nanomdm_show_webhooks(apr_pool_t *p, const nanomdm_conf_t *conf,
                                  const nanomdm_row_t *row)
{
    const char *text = NULL;
    int i;

    (void)row;
    for (i = 0; conf->webhooks && i < conf->webhooks->nelts; i++) {
        const nanomdm_webhook_t *one = &APR_ARRAY_IDX(conf->webhooks, i,
                                                      nanomdm_webhook_t);
        const nmdm_webhook_conf_t *made = receiver(p, conf, one);

        text = apr_pstrcat(p, text ? text : "", text ? "\n" : "",
                           made->target, " topics=",
                           topic_names(p, made->topics, ","),
                           one->key.shown ? " key=" : "",
                           one->key.shown ? one->key.shown : "",
                           made->redacts ? " redact=on" : " redact=off",
                           NULL);
    }
    return text;
}
