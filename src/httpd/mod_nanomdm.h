/* SPDX-License-Identifier: Apache-2.0 */
/* httpd/mod_nanomdm.h -- what the files that speak httpd share. */

#ifndef MOD_NANOMDM_H
#define MOD_NANOMDM_H

#include "base/context.h"
#include "api/db_stats.h"
#include "push/apns_message.h"
#include "db/schema.h"
#include "crypto/trust.h"

#include <apr_hash.h>
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

extern module AP_MODULE_DECLARE_DATA nanomdm_module;

/* ---- config/config.c: what the administrator wrote ---- */

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

typedef struct nanomdm_dump_t nanomdm_dump_t;

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
    nanomdm_dump_t *dump;               /* NULL: exchanges are not recorded */
    int guards_devices;                 /* has Require nanomdm-enrolled */
} nanomdm_conf_t;

/* What belongs to a server or virtual host as a whole. */
typedef struct nanomdm_site_t nanomdm_site_t;
typedef struct {
    nmdm_trust_t *trust;                /* NULL without a CA file */
    int uses_database;
    int serves_api;                     /* so it is one that pushes */
    int pool_size;                      /* DBDMax */
    const char *database;               /* DBDriver and DBDParams */
    /* Paths of the Locations whose handlers answer no path below; NULL when
     * one stands in any other section, whose URLs cannot be told. */
    apr_array_header_t *exact_paths;
    nanomdm_site_t *site;               /* set in each child */
} nanomdm_server_t;

extern const command_rec nanomdm_directives[];
void *nanomdm_create_dir_conf(apr_pool_t *p, char *dir);
void *nanomdm_merge_dir_conf(apr_pool_t *p, void *base, void *add);
void *nanomdm_create_server_conf(apr_pool_t *p, server_rec *s);

nanomdm_conf_t *nanomdm_conf(const request_rec *r);
nanomdm_conf_t *nanomdm_server_defaults(const server_rec *s);
nanomdm_server_t *nanomdm_server(const server_rec *s);
apr_off_t nanomdm_max_body(const nanomdm_conf_t *conf);
apr_interval_time_t nanomdm_identity_grace(const nanomdm_conf_t *conf);
apr_interval_time_t nanomdm_upstream_timeout(const nanomdm_conf_t *conf);
/* Who is told of messages, as nmdm_webhook_conf_t *, or NULL. */
apr_array_header_t *nanomdm_webhooks(apr_pool_t *p,
                                     const nanomdm_conf_t *conf);
/* The push directives, defaults applied. */
nmdm_push_conf_t nanomdm_push_conf(const nanomdm_conf_t *conf);
/* The sources of NanoMDMIdentity, or the default. */
const apr_array_header_t *nanomdm_identity_sources(apr_pool_t *p,
                                                   const nanomdm_conf_t *c);

/* ---- config/parse.c: values that several directives take ---- */

/* Each returns NULL, or what httpd is to say about the line; what it sets and
 * what it reads lives as long as the configuration. */

/* What to say: the directive, the value and the remedy. */
const char *nanomdm_wrong(cmd_parms *cmd, const char *value,
                          const char *remedy);
/* Up to `most` bytes of a file, and NUL; `said` is how the administrator named
 * it. */
const char *nanomdm_read_file(cmd_parms *cmd, char **text, apr_size_t *len,
                              const char *path, const char *said,
                              apr_size_t most);
/* SECRET: file:PATH, env:NAME, or the secret itself, which is never repeated
 * in a message. */
const char *nanomdm_set_secret(cmd_parms *cmd, const char **slot,
                               const char *value);
/* The path of a PEM file with certificates; `problem` is how NanoMDM calls a
 * bad one. */
const char *nanomdm_set_certificates(cmd_parms *cmd, const char **slot,
                                     const char *path, const char *problem);
/* Their text, because a child may not be allowed to read it later. */
const char *nanomdm_read_certificates(cmd_parms *cmd, const char **pem,
                                      const char *path, const char *problem);
/* scheme://host[:port], with nothing but a slash behind it. */
const char *nanomdm_set_origin(cmd_parms *cmd, const char **slot,
                               const char *url, const char *scheme);
/* http or https, with a host and whatever path and query. */
const char *nanomdm_set_url(cmd_parms *cmd, const char **slot,
                            const char *url);

/* ---- config/webhooks.c: directives about webhooks ---- */

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

/* ---- config/device_answers.c: files that devices are answered with ---- */

const char *nanomdm_add_token(cmd_parms *cmd, void *conf, const char *type,
                              const char *path);
const char *nanomdm_add_return_to_service(cmd_parms *cmd, void *conf,
                                          const char *path, const char *type);

/* ---- config/retention.c: what is not kept for ever ---- */

const char *nanomdm_add_retention(cmd_parms *cmd, void *conf, int argc,
                                  char *const argv[]);

/* ---- httpd/traffic_dump.c: exchanges with devices, written down ---- */

const char *nanomdm_set_dump(cmd_parms *cmd, void *conf, const char *path,
                             const char *word);
/* As it was written. */
const char *nanomdm_dump_text(apr_pool_t *p, const nanomdm_dump_t *dump);
void nanomdm_traffic_dump_hooks(void);

/* Whether the end of the request will want what these keep of it, which lives
 * as long as the request. */
int nanomdm_traffic_dump_is_on(request_rec *r);
void nanomdm_traffic_dump_cert(request_rec *r, const nmdm_cert_t *cert);
void nanomdm_traffic_dump_body(request_rec *r, nmdm_bytes_t body);
void nanomdm_traffic_dump_reply(request_rec *r, nmdm_bytes_t reply);

/* ---- config/storage_key.c: what seals the secrets of the database ---- */

const char *nanomdm_set_storage_key(cmd_parms *cmd, void *conf, int argc,
                                    char *const argv[]);
/* Another server behind s that has the same tables and other keys, or NULL:
 * each would store what the other cannot read. */
server_rec *nanomdm_storage_key_conflict(apr_pool_t *p, const server_rec *s);
/* What may be shown of the keys, or NULL. */
const char *nanomdm_storage_key_text(apr_pool_t *p,
                                     const struct nmdm_seal_t *keys);

/* ---- config/check.c: contradictions, found while starting ---- */

int nanomdm_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                         apr_pool_t *ptemp, server_rec *s);

/* ---- httpd/child.c: one child process ---- */

void nanomdm_child_init(apr_pool_t *pchild, server_rec *s);
/* Requests that wait for other servers are answered before httpd loses its
 * patience. */
void nanomdm_child_stopping(apr_pool_t *pchild, int graceful);
/* Fills in what a context has of the child. */
void nanomdm_site_lend(const nanomdm_site_t *site, nmdm_ctx_t *ctx);

/* ---- httpd/dbd_cache.c: connections between two requests ---- */

typedef struct nanomdm_dbd_cache_t nanomdm_dbd_cache_t;
/* A connection, and the server whose pool it is of. */
typedef struct {
    void *dbd;                          /* ap_dbd_t */
    server_rec *server;
} nanomdm_dbd_conn_t;
typedef void (*nanomdm_dbd_cache_fn)(nanomdm_dbd_conn_t loan);

/* For a pool of mod_dbd that has `size` connections; close gives one back to
 * it. NULL when there is no mutex. */
nanomdm_dbd_cache_t *nanomdm_dbd_cache_create(apr_pool_t *p, int size,
                                              nanomdm_dbd_cache_fn close);
/* Whether there is a connection that was used just now. If not, the caller
 * asks mod_dbd and then says whether it got one. */
int nanomdm_dbd_cache_take(nanomdm_dbd_cache_t *shelf,
                           nanomdm_dbd_conn_t *loan);
void nanomdm_dbd_cache_asked(nanomdm_dbd_cache_t *shelf, int got);
/* For the next request, or to mod_dbd if somebody waits there. */
void nanomdm_dbd_cache_put(nanomdm_dbd_cache_t *shelf, nanomdm_dbd_conn_t loan);
void nanomdm_dbd_cache_close(nanomdm_dbd_cache_t *shelf,
                             nanomdm_dbd_conn_t loan);
/* Closes what nobody wanted lately; everything; everything for good. */
void nanomdm_dbd_cache_expire(nanomdm_dbd_cache_t *shelf);
void nanomdm_dbd_cache_empty(nanomdm_dbd_cache_t *shelf);
void nanomdm_dbd_cache_shut(nanomdm_dbd_cache_t *shelf);

/* ---- httpd/identity.c: who is asking ---- */

void nanomdm_identity_hooks(void);

/* The verified identity of a device, in ctx->cert. When body is NULL and the
 * answer depends on it, that stays NULL and there is no error. */
nmdm_err_t *nanomdm_identity(nmdm_ctx_t *ctx, request_rec *r,
                             const nmdm_bytes_t *body);

/* ---- httpd/rate_limiter.c: how often a device may come ---- */

void nanomdm_rate_limiter_hooks(void);
const char *nanomdm_set_rate_limit(cmd_parms *cmd, void *conf,
                                   const char *rate, const char *burst);
const char *nanomdm_rate_limit_text(const nanomdm_conf_t *conf);
/* Counts a request of ctx->cert; an error if it is one too many. */
nmdm_err_t *nanomdm_rate_limiter_check(nmdm_ctx_t *ctx, request_rec *r);

/* ---- httpd/request.c: from request_rec to context ---- */

/* Once in each child, before requests. 0 when there are no random numbers. */
int nanomdm_trace_init(void);

/* Sixteen hex digits, like NanoMDM's, whatever the client sent. */
const char *nanomdm_new_trace_id(apr_pool_t *p);
nmdm_err_t *nanomdm_context(nmdm_ctx_t **out, request_rec *r);
nmdm_err_t *nanomdm_body(nmdm_bytes_t *body, request_rec *r);

/* ---- httpd/reply.c: from reply or error to the wire ---- */

/* Seconds after which a client may come again while the database is away. */
#define NANOMDM_RETRY_AFTER "5"

/* Sends a reply, gives the connection back and notes the story. */
int nanomdm_reply(request_rec *r, nmdm_ctx_t *ctx, const nmdm_reply_t *reply,
                  int status);

/* Logs err and answers a device: status and its reason phrase. */
int nanomdm_fail(request_rec *r, nmdm_ctx_t *ctx, const nmdm_err_t *err);

/* Logs err and answers an operator in JSON. */
int nanomdm_fail_json(request_rec *r, nmdm_ctx_t *ctx,
                      const nmdm_err_t *err);

/* The error body of device URLs and of plain API errors. */
int nanomdm_plain(request_rec *r, int status, const char *text);

int nanomdm_status_of(const nmdm_err_t *err);
void nanomdm_reply_set_log_notes(request_rec *r, const nmdm_ctx_t *ctx);
/* ctx may be NULL: then there is no trace id to add. */
void nanomdm_log_error(request_rec *r, const nmdm_ctx_t *ctx,
                       const nmdm_err_t *err);
int nanomdm_log_level(nmdm_log_e level);        /* as httpd calls it */
/* ctx->log; its baton is the request. */
void nanomdm_log_remark(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line);

/* ---- httpd/request_counters.c: counted by all children together ---- */

/* NULL until the server has started. */
nmdm_counters_t *nanomdm_counters(void);
void nanomdm_counters_hooks(void);
/* Zeroed when it is new, which *is_new (or NULL) tells; children share it, and
 * it stays through graceful restarts. */
void *nanomdm_shared_memory(apr_pool_t *pconf, server_rec *s,
                            const char *name, apr_size_t size, int *is_new);

/* Before the end of a certificate something should be done about it. */
#define NANOMDM_WARN_BEFORE_DAYS 30

/* ---- httpd/status.c, _metrics.c and _page.c: how things are ---- */

typedef struct {
    apr_time_t now;
    nmdm_counters_t *counters;
    nmdm_db_stats_t db;
    const char *trouble;        /* why db is not known, or NULL */
} nanomdm_status_t;

int nanomdm_status_handler(request_rec *r);

nmdm_bytes_t nanomdm_status_prometheus(apr_pool_t *p,
                                       const nanomdm_status_t *status);
/* In HTML: of the server, of one enrollment, of what stands against that. */
nmdm_bytes_t nanomdm_status_html_server(apr_pool_t *p,
                                        const nanomdm_status_t *status);
nmdm_bytes_t nanomdm_status_html_enrollment(apr_pool_t *p,
                                            const nmdm_timeline_t *one,
                                            apr_time_t now);
nmdm_bytes_t nanomdm_status_html_problem(apr_pool_t *p, const char *title,
                                         const char *text);

/* ---- config/config_dump.c: httpd -t -D DUMP_NANOMDM ---- */

void nanomdm_dump_config(apr_pool_t *pconf, server_rec *s);

/* ---- handlers and hooks ---- */

/* httpd/device.c */
int nanomdm_device_handler(request_rec *r);
/* A Location also covers what lies below its path; devices ask for the path
 * itself. */
int nanomdm_is_below_path(request_rec *r);
/* httpd/api.c */
int nanomdm_api_handler(request_rec *r);
/* The first value of a parameter of the URL, or NULL. */
const char *nanomdm_parameter(request_rec *r, const char *name);
int nanomdm_version_handler(request_rec *r);
int nanomdm_migration_handler(request_rec *r);
/* httpd/auth.c */
void nanomdm_auth_hooks(apr_pool_t *p);
/* httpd/status_guard.c */
void nanomdm_status_guard_hooks(void);

/* What is known of a request whose client is, or says it is, a device. */
typedef struct {
    int is_ours;                /* our handler: no file */
    int asked_enrolled;         /* Require nanomdm-enrolled was asked */
    int granted;                /* and said yes */
    int status;                 /* to send instead of 401 or 403, or 0 */
    const char *text;           /* with it, or NULL for its phrase */
    const char *cert_sha256;    /* of the certificate shown, or NULL */
    nmdm_bytes_t *unread;       /* of a body read for its signature, or NULL */
    /* For NanoMDMDump; NULL is what was not there, or not ours. */
    nmdm_bytes_t body, reply;
} nanomdm_request_state_t;
nanomdm_request_state_t *nanomdm_request_state(request_rec *r);
/* A plain text in place of any ErrorDocument for 401 and 403. */
void nanomdm_keep_error_documents_out(request_rec *r);
int nanomdm_is_our_handler(const char *name);
/* What SetHandler says for a request, or NULL. */
const char *nanomdm_configured_handler(request_rec *r);
int nanomdm_is_device_handler(const char *name);

#endif /* MOD_NANOMDM_H */
