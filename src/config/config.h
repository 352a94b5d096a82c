/* SPDX-License-Identifier: Apache-2.0 */
/* config.h -- what the administrator wrote: the settings of a section and of
 * a server, their defaults, and how to get at them. src/config knows httpd and
 * everything below; nothing below knows it. */

#ifndef NANOMDM_CONFIG_H
#define NANOMDM_CONFIG_H

#include "base/context.h"
#include "push/apns_message.h"
#include "service/declarative.h"

#include <apr_hash.h>
#include <apr_network_io.h>
#include <httpd.h>
#include <http_config.h>

/* The one name that the module exports: everything else is compiled with
 * hidden visibility. */
extern module AP_MODULE_DECLARE_DATA nanomdm_module
    __attribute__((visibility("default")));

/* A number that is not set; a pointer is NULL then. */
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

/* One network of NanoMDMTrustedProxy. */
typedef struct {
    apr_ipsubnet_t *subnet;
    const char *text;           /* as it was written */
} nanomdm_network_t;

/* A value that is not for every eye, and what DUMP_NANOMDM shows instead: of a
 * secret file:PATH or env:NAME, of the text of a file its path. */
typedef struct {
    const char *value;          /* NULL: not set */
    const char *shown;
} nanomdm_hidden_t;

#define NANOMDM_NOT_SHOWN "(set; not shown)"

/* One NanoMDMWebhook; 0 topics and UNSET mean those of the others. */
typedef struct {
    nanomdm_hidden_t url;       /* shown: its nmdm_event_target */
    nanomdm_hidden_t key;
    unsigned topics;
    int redacts;
} nanomdm_webhook_t;

/* What is in force in a section: each member has its value or its default. One
 * that a directive sets is named by its row in config/directives.c. */
typedef struct {
    nmdm_policy_t policy;               /* what the core reads */
    const char *ca_file;
    const char *intermediate_file;
    apr_array_header_t *identity;       /* of nanomdm_source_t */
    apr_array_header_t *trusted_proxies;        /* of nanomdm_network_t, or
                                                 * NULL */
    apr_interval_time_t identity_grace;
    nanomdm_hidden_t api_key;
    apr_array_header_t *api_users;      /* of const char *; NULL: nanomdm */
    struct nmdm_retention_t *retention;
    struct nanomdm_storage_key_t *storage_key;
    int schema_mode;                    /* nmdm_schema_mode_e */
    const char *table_prefix;           /* or NULL */
    int waits_on_galera;
    int combines;
    apr_int64_t max_body;               /* bytes */
    struct nmdm_rate_limit_t *rate_limit;       /* NULL: none */
    nmdm_push_conf_t push;
    nanomdm_hidden_t push_ca;           /* PEM text */
    const char *push_proxy;
    nanomdm_hidden_t webhook_url;       /* shown: its nmdm_event_target */
    nanomdm_hidden_t webhook_key;
    apr_array_header_t *webhooks;       /* of nanomdm_webhook_t */
    int webhook_topics;                 /* 0: by NanoMDMWebhookDelivery */
    int webhook_redacts;
    const char *dm_url;
    nanomdm_hidden_t dm_send_key;
    nanomdm_hidden_t dm_receive_key;
    int dm_mode;                        /* nanomdm_declarative_e */
    int dm_notify, dm_keep;             /* pairs, config/declarative.h */
    apr_array_header_t *dm_sets;        /* of const char *, or NULL */
    int dm_lint;                        /* 0 off, 1 warn, 2 refuse */
    nmdm_declarations_conf_t declarations;      /* of these */
    nmdm_declarative_conf_t dm;         /* of these three */
    nanomdm_hidden_t upstream_ca;       /* PEM text */
    struct nanomdm_dump_t *dump;        /* NULL: exchanges are not recorded */
    struct nanomdm_paths_t *issuer_files, *issuer_keys; /* NULL: none */
    const char *recipient_file, *recipient_key;
    struct nanomdm_scep_challenge_t *scep_challenge;    /* NULL: default */
    int scep_takes_des;
    int scep_renewal_days;              /* 0: renewals need a challenge */
    int scep_validity_days;
    struct nanomdm_enroll_file_t *enroll_template;      /* NULL: none */
    struct nanomdm_enroll_file_t *enroll_anchors;
    struct nanomdm_enroll_file_t *enroll_signer;
    const char *enroll_identifier;
    const char *enroll_organization;
    const char *enroll_server_url;
    const char *enroll_topic;
    int enroll_require;                 /* of nmdm_enroll_by_e */
    int enroll_open;
    nanomdm_hidden_t enroll_device_ca;  /* PEM text */
    apr_hash_t *enroll_minimum;         /* nmdm_minimum_os_t by family */
    struct nanomdm_enroll_if_t *enroll_if;
    const struct nmdm_platform_sso_t *enroll_sso;
    apr_int64_t enroll_limit;
    int guards_devices;                 /* has Require nanomdm-enrolled */
} nanomdm_conf_t;

/* What belongs to a server or virtual host as a whole. */
typedef struct {
    struct nmdm_trust_t *trust;         /* NULL without a CA file */
    int uses_database;
    int serves_api;                     /* so it is one that pushes */
    int serves_status;
    const char *api_path;               /* of the first Location with
                                         * nanomdm-api that is no pattern;
                                         * without a slash at the end; NULL:
                                         * there is none */
    int has_declarations;               /* builtin, at least somewhere */
    int pool_size;                      /* DBDMax */
    const char *database;               /* DBDriver and DBDParams */
    const char *driver, *params;        /* the same, each by itself */
    const char *params_at;              /* file and line of DBDParams */
    /* Paths of the Locations whose handlers answer no path below; NULL when
     * one is in any other section, whose URLs are not known. */
    apr_array_header_t *exact_paths;
    struct nanomdm_scep_keys_t *scep_keys;      /* NULL without the handler */
    struct nanomdm_enroll_site_t *enroll;       /* likewise */
    nmdm_counters_t *counters;          /* shared by all children and by the
                                         * servers of one database; or NULL */
    struct nanomdm_site_t *site;        /* set in each child */
} nanomdm_server_t;

/* Of module hooks. What create and merge return begins with what was written,
 * as a nanomdm_conf_t for setters: not set is UNSET or NULL there. */
void *nanomdm_create_dir_conf(apr_pool_t *p, char *dir);
void *nanomdm_merge_dir_conf(apr_pool_t *p, void *base, void *add);
void *nanomdm_create_server_conf(apr_pool_t *p, server_rec *s);

/* Once all servers are read, before the rest is asked for. */
void nanomdm_config_read(apr_pool_t *p, server_rec *main_server);

/* What is in force for a request; for a server outside of its sections; in one
 * section of a server, which lives as long as p. */
const nanomdm_conf_t *nanomdm_conf(const request_rec *r);
const nanomdm_conf_t *nanomdm_server_defaults(const server_rec *s);
const nanomdm_conf_t *nanomdm_section_conf(apr_pool_t *p, const server_rec *s,
                                           ap_conf_vector_t *section);
nanomdm_server_t *nanomdm_server(const server_rec *s);

#endif /* NANOMDM_CONFIG_H */
