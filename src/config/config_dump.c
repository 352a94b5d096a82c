/* SPDX-License-Identifier: Apache-2.0 */
/* config_dump.c -- httpd -t -D DUMP_NANOMDM: what is in force where, with
 * what was inherited and what is a default. Secrets are not shown. */

#include "config/config_dump.h"
#include "base/version.h"
#include "config/config.h"
#include "config/handlers.h"
#include "config/rate_limit.h"
#include "config/storage_key.h"
#include "config/traffic_dump_file.h"
#include "config/webhooks.h"
#include "db/schema.h"
#include "webhook/event.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <ap_expr.h>
#include <http_core.h>
#include <util_cfgtree.h>

#include <string.h>

typedef struct {
    apr_pool_t *pool;
    apr_file_t *out;
} dump_t;

static void line(const dump_t *dump, const char *name, const char *value)
{
    if (value) {
        apr_file_printf(dump->out, "    %-38s %s\n", name, value);
    }
}

static void number(const dump_t *dump, const char *name, apr_int64_t value)
{
    line(dump, name, apr_psprintf(dump->pool, "%" APR_INT64_T_FMT, value));
}

static void flag(const dump_t *dump, const char *name, int value)
{
    line(dump, name, value ? "On" : "Off");
}

static void secret(const dump_t *dump, const char *name, const char *value)
{
    line(dump, name, value ? "(set; not shown)" : NULL);
}

/* A URL may hold a password, before its host or behind its question mark. */
static void url(const dump_t *dump, const char *name, const char *value)
{
    const char *host = value ? strstr(value, "://") : NULL;
    apr_size_t len;
    const char *at;

    if (!host) {
        line(dump, name, value);
        return;
    }
    host += 3;
    len = strcspn(host, "/?#");
    at = memchr(host, '@', len);
    line(dump, name, apr_pstrcat(
        dump->pool, apr_pstrmemdup(dump->pool, value,
                                   (apr_size_t)(host - value)),
        apr_pstrmemdup(dump->pool, at ? at + 1 : host,
                       strcspn(at ? at + 1 : host, "?#")), NULL));
}

/* ---- What is not one word ---- */

static void identity(const dump_t *dump, const nanomdm_conf_t *conf)
{
    const apr_array_header_t *sources = nanomdm_identity_sources(dump->pool,
                                                                 conf);
    const char *text = "";
    int i;

    for (i = 0; i < sources->nelts; i++) {
        const nanomdm_source_t *source = &APR_ARRAY_IDX(sources, i,
                                                        nanomdm_source_t);

        text = apr_pstrcat(dump->pool, text, *text ? " " : "",
                           source->from == NANOMDM_FROM_TLS ? "tls"
                           : source->from == NANOMDM_FROM_SIGNATURE
                               ? "signature" : "header:",
                           source->header ? source->header : "", NULL);
    }
    line(dump, "NanoMDMIdentity", text);
    if (conf->trusted_proxies) {
        number(dump, "NanoMDMTrustedProxy (networks)",
               conf->trusted_proxies->nelts);
    }
}

/* The names of a table; what they stand for may be secret. */
static void names(const dump_t *dump, const char *name, apr_hash_t *table)
{
    apr_hash_index_t *hi;

    for (hi = table ? apr_hash_first(dump->pool, table) : NULL; hi;
         hi = apr_hash_next(hi)) {
        const char *key = apr_hash_this_key(hi);

        line(dump, name, apr_pstrcat(dump->pool, *key ? key : "(any)",
                                     " (set; not shown)", NULL));
    }
}

static void webhooks(const dump_t *dump, const nanomdm_conf_t *conf)
{
    const apr_array_header_t *all = nanomdm_webhooks(dump->pool, conf);
    int i;

    for (i = 0; all && i < all->nelts; i++) {
        const nmdm_webhook_conf_t *one = APR_ARRAY_IDX(
            all, i, const nmdm_webhook_conf_t *);

        /* Some receivers take the path for a password. */
        line(dump, "webhook", apr_pstrcat(
            dump->pool, nmdm_event_target(dump->pool, one->url),
            one->key ? " key=(set; not shown)" : "",
            one->redacts ? " redact=on" : "", NULL));
    }
    if (all && all->nelts) {
        line(dump, "NanoMDMWebhookDelivery",
             conf->webhook_durable == 1 ? "durable" : "besteffort");
    }
}

/* ---- Sections ---- */

static void dump_location(const dump_t *dump, const nanomdm_conf_t *conf)
{
    identity(dump, conf);
    flag(dump, "NanoMDMRetroactive", conf->retroactive == 1);
    line(dump, "NanoMDMAssociation",
         conf->latest_only == 1 ? "latest" : "all");
    line(dump, "NanoMDMUserAuthenticate",
         conf->empty_challenge == 1 ? "empty-challenge" : "decline");
    names(dump, "NanoMDMToken", conf->tokens);
    names(dump, "NanoMDMReturnToService", conf->return_to_service);
    number(dump, "NanoMDMMaxBody", nanomdm_max_body(conf));
    line(dump, "NanoMDMDump", conf->dump
         ? nanomdm_dump_text(dump->pool, conf->dump) : NULL);
    line(dump, "NanoMDMRateLimit", nanomdm_rate_limit_text(conf));
    webhooks(dump, conf);
    url(dump, "NanoMDMDeclarativeManagementURL", conf->dm_url);
    secret(dump, "NanoMDMDeclarativeManagementSendKey", conf->dm_send_key);
    secret(dump, "NanoMDMDeclarativeManagementReceiveKey",
           conf->dm_receive_key);
}

static void dump_server(const dump_t *dump, const nanomdm_conf_t *conf)
{
    nmdm_push_conf_t push = nanomdm_push_conf(conf);

    line(dump, "NanoMDMCACertificateFile", conf->ca_file);
    line(dump, "NanoMDMIntermediateCertificateFile",
         conf->intermediate_file);
    secret(dump, "NanoMDMAPIKey", conf->api_key);
    flag(dump, "NanoMDMDeleteCommands", conf->delete_commands == 1);
    line(dump, "NanoMDMSchema",
         conf->schema_mode == NMDM_SCHEMA_AUTO ? "auto"
         : conf->schema_mode == NMDM_SCHEMA_CHECK ? "check"
         : "(by the database)");
    line(dump, "NanoMDMTablePrefix", conf->table_prefix);
    line(dump, "NanoMDMStorageKey",
         nanomdm_storage_key_text(dump->pool, conf->seal));
    line(dump, "NanoMDMLastSeen",
         conf->sees_at_once == 1 ? "immediate" : "buffered");
    url(dump, "NanoMDMPushURL", push.url);
    line(dump, "NanoMDMPushCACertificateFile",
         conf->push_ca_pem ? "(set)" : NULL);
    number(dump, "NanoMDMPushExpiration", push.expiration);
    url(dump, "NanoMDMPushProxy", conf->push_proxy);
    number(dump, "NanoMDMPushTimeout", apr_time_sec(push.timeout));
    flag(dump, "NanoMDMPushRepeat", push.repeats);
    url(dump, "NanoMDMEscrowURL", conf->escrow_url);
    line(dump, "NanoMDMUpstreamCACertificateFile",
         conf->upstream_ca_pem ? "(set)" : NULL);
    number(dump, "NanoMDMUpstreamTimeout",
           apr_time_sec(nanomdm_upstream_timeout(conf)));
    dump_location(dump, conf);
}

/* The directive of a line of a file. */
static const ap_directive_t *directive_at(const ap_directive_t *node,
                                          const char *filename,
                                          unsigned line_number)
{
    for (; node; node = node->next) {
        const ap_directive_t *found = node->first_child
            ? directive_at(node->first_child, filename, line_number) : NULL;

        if (found) {
            return found;
        }
        if ((unsigned)node->line_num == line_number
            && !strcmp(node->filename, filename)) {
            return node;
        }
    }
    return NULL;
}

/* httpd keeps even a plain word as an expression, which wants a request; the
 * tree of directives has the word. */
static const char *handler_of(const dump_t *dump,
                              const core_dir_config *core)
{
    const ap_expr_info_t *expr = core->expr_handler;
    const ap_directive_t *node;
    const char *args;

    if (!expr) {
        return core->handler;
    }
    node = directive_at(ap_conftree, expr->filename, expr->line_number);
    args = node ? node->args : "";
    return ap_getword_conf(dump->pool, &args);
}

/* A section that has a handler of ours, or says something to it. */
static void dump_section(const dump_t *dump, nanomdm_conf_t *base,
                         ap_conf_vector_t *section)
{
    const core_dir_config *core = ap_get_core_module_config(section);
    nanomdm_conf_t *conf = ap_get_module_config(section, &nanomdm_module);
    const char *handler = core ? handler_of(dump, core) : NULL;

    if (!core || (!nanomdm_is_our_handler(handler)
                  && (!conf || conf->guards_devices != 1))) {
        return;
    }
    apr_file_printf(dump->out, "  Location %s: %s\n", core->d ? core->d : "",
                    nanomdm_is_our_handler(handler) ? handler
                    : "Require nanomdm-enrolled");
    if (nanomdm_is_device_handler(handler)
        || !nanomdm_is_our_handler(handler)) {
        dump_location(dump, conf ? nanomdm_merge_dir_conf(dump->pool, base,
                                                          conf) : base);
    }
}

void nanomdm_dump_config(apr_pool_t *pconf, server_rec *s)
{
    dump_t dump = { pconf, NULL };
    int i;

    if (!ap_exists_config_define("DUMP_NANOMDM")) {
        return;
    }
    apr_file_open_stdout(&dump.out, pconf);
    apr_file_printf(dump.out, "mod_nanomdm " NMDM_VERSION ":\n");
    for (; s; s = s->next) {
        const core_server_config *core
            = ap_get_core_module_config(s->module_config);
        const char *database = nanomdm_server(s)->database;

        if (!nanomdm_server(s)->uses_database) {
            continue;
        }
        apr_file_printf(dump.out, "Server %s:%u (%s)\n",
                        s->server_hostname ? s->server_hostname : "-",
                        s->addrs ? s->addrs->host_port : s->port,
                        s->defn_name ? apr_psprintf(
                            pconf, "%s:%u", s->defn_name,
                            s->defn_line_number) : "main server");
        /* Parameters hold the password. */
        line(&dump, "DBDriver", database ? apr_pstrmemdup(
            pconf, database, strcspn(database, " ")) : NULL);
        dump_server(&dump, nanomdm_server_defaults(s));
        for (i = 0; i < core->sec_url->nelts; i++) {
            dump_section(&dump, nanomdm_server_defaults(s), APR_ARRAY_IDX(
                core->sec_url, i, ap_conf_vector_t *));
        }
    }
}
