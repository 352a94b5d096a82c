/* SPDX-License-Identifier: Apache-2.0 */
/* context.h -- the vocabulary of a request: who asks, what is configured, what
 * it may use, and the reply. */

#ifndef NMDM_CONTEXT_H
#define NMDM_CONTEXT_H

#include "base/error.h"
#include "base/text.h"

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

/* ---- Memory ---- */

/* A subpool of parent that other threads may allocate from, one at a time; with
 * NULL it is nobody's, and the caller destroys it. */
apr_status_t nmdm_own_pool(apr_pool_t **out, apr_pool_t *parent);

/* ---- Who ---- */

/* The five enrollment types, as stored in enrollments.type. */
extern const char NMDM_DEVICE[], NMDM_USER[], NMDM_SHARED_IPAD[],
    NMDM_USER_ENROLLMENT_DEVICE[], NMDM_USER_ENROLLMENT[];

typedef struct {
    const char *type;           /* one of the five above */
    const char *id;             /* never NULL, never "" */
    const char *device_id;      /* equal to id on the device channel */
    int on_user_channel;
} nmdm_id_t;

/* An identity certificate. ECDSA lets its holder write the issuer's signature
 * (r, s) as (r, n - s) too, n being the order of the issuer's curve: another
 * digest, but the same certificate. What follows der is known once it has been
 * verified. */
typedef struct {
    const char *sha256;         /* of the DER form, 64 hex digits */
    nmdm_bytes_t der;
    const char *other_sha256;   /* with the other signature, or NULL */
    nmdm_bytes_t order;         /* n, big-endian; empty without other_sha256 */
} nmdm_cert_t;

/* ---- One request ---- */

typedef struct nmdm_db_t nmdm_db_t;
typedef struct nmdm_db_source_t nmdm_db_source_t;
typedef struct nmdm_last_seen_t nmdm_last_seen_t;
typedef struct nmdm_sender_t nmdm_sender_t;
typedef struct nmdm_sqlite_wal_t nmdm_sqlite_wal_t;
typedef struct nmdm_once_daily_t nmdm_once_daily_t;
typedef struct nmdm_circuit_breaker_t nmdm_circuit_breaker_t;
typedef struct nmdm_combiner_t nmdm_combiner_t;
typedef struct nmdm_waiters_t nmdm_waiters_t;
typedef struct nmdm_apns_client_t nmdm_apns_client_t;
typedef struct nmdm_http_client_t nmdm_http_client_t;
typedef struct nmdm_relay_t nmdm_relay_t;
typedef struct nmdm_counters_t nmdm_counters_t;
typedef struct nmdm_stats_cache_t nmdm_stats_cache_t;

/* NanoMDMDeclarativeManagement builtin and its family. */
typedef struct {
    int notifies_changes;       /* queues the command for changes? */
    int notifies_all;           /* and by itself, for what it sees? */
    int window;                 /* seconds during which changes are
                                 * collected */
    const apr_array_header_t *sets;     /* names of those that a new
                                         * enrollment gets; or NULL */
    int clears_sets;            /* when an enrollment begins anew? */
    int has_shard;              /* serves the shard declaration? */
    int keep_reports, keep_errors;      /* how many of each enrollment */
    int lints, refuses;         /* warns of a dubious declaration, refuses
                                 * it */
    int repeats_pushes;         /* as NanoMDMPushRepeat has it */
} nmdm_declarations_conf_t;

/* NanoMDMRenewIdentity. */
typedef struct {
    int days;                   /* so long before a certificate's end; 0: off */
    int per_hour;               /* devices at most */
    const char *text;           /* as configured */
} nmdm_renewals_conf_t;

/* The merged directives, as the core needs them. */
typedef struct {
    int retroactive;            /* may associate a certificate late? */
    int latest_only;            /* counts one certificate of a device only? */
    int empty_challenge;        /* answers UserAuthenticate? else 410 */
    int keeps_renewed;          /* does a renewal leave the rest as it is? */
    int delete_commands;        /* removes a command once answered? */
    const nmdm_renewals_conf_t *renewals;       /* of identities; NULL: none */
    const char *renew_identifier;       /* of profiles that were not served
                                         * here, or NULL: their devices are
                                         * left alone */
    int sees_at_once;           /* writes last_seen_at with each poll? */
    apr_hash_t *tokens;         /* TokenServiceType -> base64, or NULL */
    apr_hash_t *return_to_service;      /* enrollment type, "" for the others,
                                         * -> plist text; or NULL */
    const struct nmdm_push_conf_t *push;
    const struct nmdm_retention_t *retention;   /* NULL: all is kept */
    const struct nmdm_seal_t *seal;     /* keys of stored secrets, or NULL */
    const apr_array_header_t *webhooks; /* of nmdm_webhook_conf_t *, or NULL:
                                         * the receivers */
    int durable;                /* are events kept until they are taken? */
    const struct nmdm_declarative_conf_t *dm; /* NULL: no server to ask */
    const nmdm_declarations_conf_t *declarations;   /* NULL: not builtin */
    const char *escrow_url;
    apr_interval_time_t upstream_timeout;
} nmdm_policy_t;

typedef enum {
    NMDM_LOG_ERROR, NMDM_LOG_WARNING, NMDM_LOG_NOTICE, NMDM_LOG_INFO,
    NMDM_LOG_DEBUG
} nmdm_log_e;

/* What a request left for the access log: "" when it does not apply. */
typedef struct {
    const char *id;
    const char *type;
    const char *message;        /* MessageType or report status */
    const char *command_uuid;   /* of the command reported on */
    const char *next_command_uuid;
    const char *request_type;   /* of the command delivered */
} nmdm_access_log_t;

/* What requests of one server have in common, made once in each child process;
 * each is safe to use from many threads. NULL where there is none. */
typedef struct {
    nmdm_db_source_t *db_source;        /* never NULL */
    nmdm_combiner_t *polls;             /* NULL: each asks by itself */
    nmdm_combiner_t *reports;           /* NULL: each is stored by itself */
    nmdm_last_seen_t *seen;
    nmdm_last_seen_t *pushed;           /* APNs took a push to these */
    nmdm_once_daily_t *daily;
    nmdm_circuit_breaker_t *breaker;    /* by topic */
    nmdm_waiters_t *waiters;            /* requests that wait for APNs */
    nmdm_waiters_t *upstream;           /* and for other servers */
    nmdm_apns_client_t *apns;           /* for pushes */
    nmdm_http_client_t *http;           /* for webhooks, DM and escrow */
    nmdm_relay_t *relay;                /* delivers durable events */
    nmdm_counters_t *counters;          /* shared by all children */
    nmdm_stats_cache_t *totals;         /* counted a short while ago */
    const apr_array_header_t *profiles; /* of nmdm_profile_conf_t *: one of
                                         * each Location that enrolls */
    int has_recorded_retention; /* for the maintenance thread alone */
} nmdm_services_t;

typedef struct nmdm_ctx_t nmdm_ctx_t;
struct nmdm_ctx_t {
    apr_pool_t *pool;           /* lives as long as the request */
    const nmdm_policy_t *policy;
    nmdm_services_t *services;  /* never NULL */
    nmdm_db_t *db;              /* NULL until the first statement */
    const nmdm_cert_t *cert;    /* the verified identity, or NULL */
    apr_time_t cert_ends;       /* when it does, or did */
    apr_time_t cert_expired;    /* when it ended; 0: it has not */
    struct nmdm_shared_pool_t *body_pool;       /* where the request's body
                                                 * lives; NULL: in `pool` */
    int is_migration;           /* an operator speaks for the device */
    int is_admitted;            /* the certificate is this device's */
    const nmdm_sender_t *sender;        /* what one look found of who sent
                                         * this, or NULL: storage/sender.h */
    const char *query;          /* of the URL, for webhooks; or NULL */
    const char *trace_id;       /* 16 hex digits */
    const char *traceparent;    /* as sent (W3C Trace Context), or NULL */
    apr_time_t now;             /* read once: one request has one time */
    nmdm_access_log_t access_log;

    /* Remarks on the way, for the log; errors travel as values instead.
     * NULL when there is no receiver. */
    void (*log)(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line);
    void *log_baton;
    int wants_debug;            /* does log take NMDM_LOG_DEBUG? */
};

/* Logs a line that is no error: printf's arguments, text that begins with a
 * tag of NMDMNO. Safe with text from outside, which is escaped by httpd's
 * log. */
void nmdm_log(nmdm_ctx_t *ctx, nmdm_log_e level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What to send back. content_type NULL means there is no body at all. */
typedef struct {
    const char *content_type;
    nmdm_bytes_t body;
    const apr_table_t *headers; /* further ones, or NULL */
} nmdm_reply_t;

#define NMDM_TYPE_PLIST "text/xml; charset=utf-8"
#define NMDM_TYPE_JSON "application/json"

#endif /* NMDM_CONTEXT_H */
