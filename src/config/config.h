/* SPDX-License-Identifier: Apache-2.0 */
/* config.h -- what the administrator wrote: the settings of a section and of
 * a server, their defaults, and how to get at them. src/config knows httpd and
 * everything below; nothing below knows it. */

#ifndef NANOMDM_CONFIG_H
#define NANOMDM_CONFIG_H

#include "base/context.h"
#include "push/apns_message.h"
#include "crypto/trust.h"

#include <apr_hash.h>
#include <httpd.h>
#include <http_config.h>

/* The one name that the module exports: everything else is compiled with
 * hidden visibility. */
extern module AP_MODULE_DECLARE_DATA nanomdm_module
    __attribute__((visibility("default")));

#define NANOMDM_UNSET (-1)

typedef enum {
    NANOMDM_FROM_TLS,
    NANOMDM_FROM_SIGNATURE,
    NANOMDM_FROM_HEADER
} nanomdm_from_e;

/* One SOURCE of NanoMDMIdentity. */
typedef struct {
    nanomdm_from_e from;
    const char *header;
} nanomdm_source_t;

/* One NanoMDMWebhook; 0 topics and UNSET mean those of the others. */
typedef struct {
    const char *url;
    const char *key;
    unsigned topics;
    int redacts;
} nanomdm_webhook_t;

/* Unset is UNSET for numbers and NULL for pointers, here and in create, merge
 * and the directive table, which have the same order. */
typedef struct {
    const char *ca_file;
    const char *intermediate_file;
    apr_array_header_t *identity;       /* of nanomdm_source_t */
    apr_array_header_t *trusted_proxies;        /* of apr_ipsubnet_t * */
    apr_int64_t identity_grace;         /* seconds */
    int retroactive;
    int latest_only;
    int empty_challenge;
    int keeps_renewed;
    const char *api_key;                /* the secret itself */
    int delete_commands;
    int sees_at_once;
    struct nmdm_retention_t *retention;
    struct nmdm_seal_t *seal;
    int schema_mode;                    /* nmdm_schema_mode_e */
    const char *table_prefix;
    apr_off_t max_body;
    struct nmdm_rate_limit_t *rate_limit;
    apr_hash_t *tokens;                 /* TokenServiceType -> base64 */
    apr_hash_t *return_to_service;      /* enrollment type -> plist text */
    const char *push_url;
    const char *push_ca_pem;            /* the text of the file */
    apr_int64_t push_expiration;        /* seconds */
    const char *push_proxy;
    apr_int64_t push_timeout;           /* seconds */
    int push_repeats;
    const char *webhook_url;
    const char *webhook_key;
    apr_array_header_t *webhooks;       /* of nanomdm_webhook_t */
    int webhook_topics;
    int webhook_redacts;
    int webhook_durable;
    const char *dm_url;
    const char *dm_send_key;
    const char *dm_receive_key;
    const char *escrow_url;
    const char *upstream_ca_pem;
    apr_int64_t upstream_timeout;       /* seconds */
    struct nanomdm_dump_t *dump;        /* NULL: exchanges are not recorded */
    int guards_devices;                 /* has Require nanomdm-enrolled */
} nanomdm_conf_t;

/* What belongs to a server or virtual host as a whole. */
typedef struct {
    nmdm_trust_t *trust;                /* NULL without a CA file */
    int uses_database;
    int serves_api;                     /* so it is one that pushes */
    int pool_size;                      /* DBDMax */
    const char *database;               /* DBDriver and DBDParams */
    /* Paths of the Locations whose handlers answer no path below; NULL when
     * one stands in any other section, whose URLs cannot be told. */
    apr_array_header_t *exact_paths;
    struct nanomdm_site_t *site;        /* set in each child */
} nanomdm_server_t;

void *nanomdm_create_dir_conf(apr_pool_t *p, char *dir);
void *nanomdm_merge_dir_conf(apr_pool_t *p, void *base, void *add);
void *nanomdm_create_server_conf(apr_pool_t *p, server_rec *s);

nanomdm_conf_t *nanomdm_conf(const request_rec *r);
nanomdm_conf_t *nanomdm_server_defaults(const server_rec *s);
nanomdm_server_t *nanomdm_server(const server_rec *s);
apr_off_t nanomdm_max_body(const nanomdm_conf_t *conf);
apr_interval_time_t nanomdm_identity_grace(const nanomdm_conf_t *conf);
apr_interval_time_t nanomdm_upstream_timeout(const nanomdm_conf_t *conf);
/* The push directives, defaults applied. */
nmdm_push_conf_t nanomdm_push_conf(const nanomdm_conf_t *conf);
/* The sources of NanoMDMIdentity, or the default. */
const apr_array_header_t *nanomdm_identity_sources(apr_pool_t *p,
                                                   const nanomdm_conf_t *c);

#endif /* NANOMDM_CONFIG_H */
