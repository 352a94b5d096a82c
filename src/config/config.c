/* SPDX-License-Identifier: Apache-2.0 */
/* config.c -- settings: create, merge, defaults. */

#include "config/config.h"

#include <apr_lib.h>
#include <apr_network_io.h>
#include <apr_strings.h>

#include <string.h>

#define DEFAULT_MAX_BODY 33554432
#define DEFAULT_PUSH_URL "https://api.push.apple.com"
#define DEFAULT_PUSH_EXPIRATION 604800
#define DEFAULT_PUSH_TIMEOUT 30
#define DEFAULT_UPSTREAM_TIMEOUT 30

/* ---- Create, merge ---- */

void *nanomdm_create_dir_conf(apr_pool_t *p, char *dir)
{
    nanomdm_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)dir;
    conf->ca_file = NULL;
    conf->intermediate_file = NULL;
    conf->identity = NULL;
    conf->trusted_proxies = NULL;
    conf->identity_grace = NANOMDM_UNSET;
    conf->retroactive = NANOMDM_UNSET;
    conf->latest_only = NANOMDM_UNSET;
    conf->empty_challenge = NANOMDM_UNSET;
    conf->keeps_renewed = NANOMDM_UNSET;
    conf->api_key = NULL;
    conf->delete_commands = NANOMDM_UNSET;
    conf->sees_at_once = NANOMDM_UNSET;
    conf->retention = NULL;
    conf->seal = NULL;
    conf->schema_mode = NANOMDM_UNSET;
    conf->table_prefix = NULL;
    conf->max_body = NANOMDM_UNSET;
    conf->rate_limit = NULL;
    conf->tokens = NULL;
    conf->return_to_service = NULL;
    conf->push_url = NULL;
    conf->push_ca_pem = NULL;
    conf->push_expiration = NANOMDM_UNSET;
    conf->push_proxy = NULL;
    conf->push_timeout = NANOMDM_UNSET;
    conf->push_repeats = NANOMDM_UNSET;
    conf->webhook_url = NULL;
    conf->webhook_key = NULL;
    conf->webhooks = NULL;
    conf->webhook_topics = NANOMDM_UNSET;
    conf->webhook_redacts = NANOMDM_UNSET;
    conf->webhook_durable = NANOMDM_UNSET;
    conf->dm_url = NULL;
    conf->dm_send_key = NULL;
    conf->dm_receive_key = NULL;
    conf->escrow_url = NULL;
    conf->upstream_ca_pem = NULL;
    conf->upstream_timeout = NANOMDM_UNSET;
    conf->dump = NULL;
    conf->guards_devices = NANOMDM_UNSET;
    return conf;
}

/* The entries of two tables, either of which may be missing. */
static apr_hash_t *both(apr_pool_t *p, apr_hash_t *add, apr_hash_t *base)
{
    return !base ? add : !add ? base : apr_hash_overlay(p, add, base);
}

static int either(int add, int base)
{
    return add != NANOMDM_UNSET ? add : base;
}

void *nanomdm_merge_dir_conf(apr_pool_t *p, void *base_conf, void *add_conf)
{
    nanomdm_conf_t *conf = apr_pcalloc(p, sizeof(*conf));
    const nanomdm_conf_t *base = base_conf, *add = add_conf;

    conf->ca_file = add->ca_file ? add->ca_file : base->ca_file;
    conf->intermediate_file = add->intermediate_file
        ? add->intermediate_file : base->intermediate_file;
    conf->identity = add->identity ? add->identity : base->identity;
    conf->trusted_proxies = add->trusted_proxies
        ? add->trusted_proxies : base->trusted_proxies;
    conf->identity_grace = add->identity_grace != NANOMDM_UNSET
        ? add->identity_grace : base->identity_grace;
    conf->retroactive = either(add->retroactive, base->retroactive);
    conf->latest_only = either(add->latest_only, base->latest_only);
    conf->empty_challenge = either(add->empty_challenge,
                                   base->empty_challenge);
    conf->keeps_renewed = either(add->keeps_renewed, base->keeps_renewed);
    conf->api_key = add->api_key ? add->api_key : base->api_key;
    conf->delete_commands = either(add->delete_commands,
                                   base->delete_commands);
    conf->sees_at_once = either(add->sees_at_once, base->sees_at_once);
    conf->retention = add->retention ? add->retention : base->retention;
    conf->seal = add->seal ? add->seal : base->seal;
    conf->schema_mode = either(add->schema_mode, base->schema_mode);
    conf->table_prefix = add->table_prefix ? add->table_prefix
                                           : base->table_prefix;
    conf->max_body = add->max_body != NANOMDM_UNSET ? add->max_body
                                                    : base->max_body;
    conf->rate_limit = add->rate_limit ? add->rate_limit : base->rate_limit;
    conf->tokens = both(p, add->tokens, base->tokens);
    conf->return_to_service = both(p, add->return_to_service,
                                   base->return_to_service);
    conf->push_url = add->push_url ? add->push_url : base->push_url;
    conf->push_ca_pem = add->push_ca_pem ? add->push_ca_pem
                                           : base->push_ca_pem;
    conf->push_expiration = add->push_expiration != NANOMDM_UNSET
        ? add->push_expiration : base->push_expiration;
    conf->push_proxy = add->push_proxy ? add->push_proxy : base->push_proxy;
    conf->push_timeout = add->push_timeout != NANOMDM_UNSET
        ? add->push_timeout : base->push_timeout;
    conf->push_repeats = either(add->push_repeats, base->push_repeats);
    conf->webhook_url = add->webhook_url ? add->webhook_url
                                         : base->webhook_url;
    conf->webhook_key = add->webhook_key ? add->webhook_key
                                         : base->webhook_key;
    conf->webhooks = add->webhooks ? add->webhooks : base->webhooks;
    conf->webhook_topics = either(add->webhook_topics, base->webhook_topics);
    conf->webhook_redacts = either(add->webhook_redacts,
                                   base->webhook_redacts);
    conf->webhook_durable = either(add->webhook_durable,
                                   base->webhook_durable);
    conf->dm_url = add->dm_url ? add->dm_url : base->dm_url;
    conf->dm_send_key = add->dm_send_key ? add->dm_send_key
                                         : base->dm_send_key;
    conf->dm_receive_key = add->dm_receive_key ? add->dm_receive_key
                                               : base->dm_receive_key;
    conf->escrow_url = add->escrow_url ? add->escrow_url : base->escrow_url;
    conf->upstream_ca_pem = add->upstream_ca_pem ? add->upstream_ca_pem
                                                   : base->upstream_ca_pem;
    conf->upstream_timeout = add->upstream_timeout != NANOMDM_UNSET
        ? add->upstream_timeout : base->upstream_timeout;
    conf->dump = add->dump ? add->dump : base->dump;
    conf->guards_devices = either(add->guards_devices, base->guards_devices);
    return conf;
}

void *nanomdm_create_server_conf(apr_pool_t *p, server_rec *s)
{
    (void)s;
    return apr_pcalloc(p, sizeof(nanomdm_server_t));
}

/* ---- Access ---- */

nanomdm_conf_t *nanomdm_conf(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &nanomdm_module);
}

nanomdm_conf_t *nanomdm_server_defaults(const server_rec *s)
{
    return ap_get_module_config(s->lookup_defaults, &nanomdm_module);
}

nanomdm_server_t *nanomdm_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &nanomdm_module);
}

apr_off_t nanomdm_max_body(const nanomdm_conf_t *conf)
{
    return conf->max_body == NANOMDM_UNSET ? DEFAULT_MAX_BODY
                                           : conf->max_body;
}

apr_interval_time_t nanomdm_identity_grace(const nanomdm_conf_t *conf)
{
    return apr_time_from_sec(conf->identity_grace == NANOMDM_UNSET
                             ? 0 : conf->identity_grace);
}

apr_interval_time_t nanomdm_upstream_timeout(const nanomdm_conf_t *conf)
{
    return apr_time_from_sec(conf->upstream_timeout == NANOMDM_UNSET
                             ? DEFAULT_UPSTREAM_TIMEOUT
                             : conf->upstream_timeout);
}

nmdm_push_conf_t nanomdm_push_conf(const nanomdm_conf_t *conf)
{
    return (nmdm_push_conf_t){
        .url = conf->push_url ? conf->push_url : DEFAULT_PUSH_URL,
        .expiration = conf->push_expiration == NANOMDM_UNSET
            ? DEFAULT_PUSH_EXPIRATION : conf->push_expiration,
        .timeout = apr_time_from_sec(conf->push_timeout == NANOMDM_UNSET
                                     ? DEFAULT_PUSH_TIMEOUT
                                     : conf->push_timeout),
        .repeats = conf->push_repeats != 0,
    };
}

const apr_array_header_t *nanomdm_identity_sources(apr_pool_t *p,
                                                   const nanomdm_conf_t *c)
{
    apr_array_header_t *sources = c->identity;

    if (!sources) {
        sources = apr_array_make(p, 1, sizeof(nanomdm_source_t));
        APR_ARRAY_PUSH(sources, nanomdm_source_t)
            = (nanomdm_source_t){ NANOMDM_FROM_TLS, NULL };
    }
    return sources;
}
