/* SPDX-License-Identifier: Apache-2.0 */
/* context.h -- the vocabulary: errors, bytes, ids, policy, context, reply. */

#ifndef NMDM_H
#define NMDM_H

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#define NMDM_VERSION "0.1.0"

/* Log tags: each number once, hundreds by file; tests/check_tags.sh. */
#define NMDMNO(n) "NMDM" #n ": "

/* ---- Errors are values: NULL is success. ---- */

typedef enum {
    NMDM_INVALID,       /* the peer sent something we cannot use */
    NMDM_REFUSED,        /* understood, but not theirs to ask */
    NMDM_GONE,      /* we choose not to manage this user */
    NMDM_TOO_LARGE,     /* more bytes than NanoMDMMaxBody */
    NMDM_NOT_FOUND,
    NMDM_UPSTREAM,      /* another server failed us */
    NMDM_UNAVAILABLE,   /* the database is away; worth another try */
    NMDM_LIMITED,       /* more than NanoMDMRateLimit; worth one, later */
    NMDM_INTERNAL
} nmdm_kind_e;

/* Whether the same work may succeed when simply done again. */
typedef enum {
    NMDM_RETRY_NO,
    NMDM_RETRY_FEW,     /* a statement failed and nobody knows why */
    NMDM_RETRY_LATER,   /* no room on a disk: by the client, not by us */
    NMDM_RETRY_WAIT     /* connection lost, deadlock, busy: until deadline */
} nmdm_retry_e;

typedef struct {
    nmdm_kind_e kind;
    nmdm_retry_e retry;
    apr_status_t rv;    /* what APR said, or APR_SUCCESS */
    const char *msg;    /* one line for the log, tag included */
} nmdm_err_t;

/* Makes an error in pool p, whose text is UTF-8 whatever it cites. Never
 * returns NULL. */
nmdm_err_t *nmdm_err(apr_pool_t *p, nmdm_kind_e kind, apr_status_t rv,
                     const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The same error in another pool. */
nmdm_err_t *nmdm_err_copy(apr_pool_t *p, const nmdm_err_t *err);

/* The text of an error without its tag: what an operator may be shown. */
const char *nmdm_err_text(const nmdm_err_t *err);

#define NMDM_TRY(expr)                      \
    do {                                    \
        nmdm_err_t *nmdm_try_ = (expr);     \
        if (nmdm_try_) {                    \
            return nmdm_try_;               \
        }                                   \
    } while (0)

/* ---- Memory ---- */

/* A subpool of parent that other threads may allocate from, one at a time. */
apr_status_t nmdm_own_pool(apr_pool_t **out, apr_pool_t *parent);

/* ---- Bytes and text ---- */

/* Bytes that may hold NUL. Whatever nmdm_* hands out has a NUL after the
 * last byte, so that text can be used as a string. */
typedef struct {
    const char *data;
    apr_size_t len;
} nmdm_bytes_t;

/* Standard base64 with mandatory padding, as Mdm-Signature, property lists
 * and RFC 9440 have it. Decoding is strict; `spaces` allows the white space
 * of a property list. Returns 0 when the text is not base64. */
int nmdm_base64_decode(nmdm_bytes_t *out, apr_pool_t *p, const char *text,
                       apr_size_t len, int spaces);
const char *nmdm_base64_encode(apr_pool_t *p, nmdm_bytes_t bytes);

/* Lower-case hexadecimal. */
const char *nmdm_hex(apr_pool_t *p, nmdm_bytes_t bytes);
/* The way back, from digits of either case; what is none ends it. */
nmdm_bytes_t nmdm_hex_decode(apr_pool_t *p, const char *text);

/* The number of characters (code points) of UTF-8 text: columns of the
 * database are measured in them. */
apr_size_t nmdm_utf8_length(const char *text);
/* The first of them, as many as a column has. */
const char *nmdm_utf8_shortened(apr_pool_t *p, const char *text,
                                apr_size_t most);

/* Whether text is well-formed UTF-8 (RFC 3629). */
int nmdm_utf8_valid(const char *text, apr_size_t len);

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

/* An identity certificate that has been verified. */
typedef struct {
    const char *sha256;         /* of the DER form, 64 hex digits */
    nmdm_bytes_t der;
} nmdm_cert_t;

/* ---- One request ---- */

typedef struct nmdm_db_t nmdm_db_t;
typedef struct nmdm_db_source_t nmdm_db_source_t;
typedef struct nmdm_last_seen_t nmdm_last_seen_t;
typedef struct nmdm_sqlite_wal_t nmdm_sqlite_wal_t;
typedef struct nmdm_once_daily_t nmdm_once_daily_t;
typedef struct nmdm_circuit_breaker_t nmdm_circuit_breaker_t;
typedef struct nmdm_apns_client_t nmdm_apns_client_t;
typedef struct nmdm_http_client_t nmdm_http_client_t;
typedef struct nmdm_relay_t nmdm_relay_t;
typedef struct nmdm_counters_t nmdm_counters_t;
typedef struct nmdm_stats_cache_t nmdm_stats_cache_t;

/* The merged directives, as the core needs them. */
typedef struct {
    int retroactive;            /* may associate a certificate late? */
    int latest_only;            /* counts one certificate of a device only? */
    int empty_challenge;        /* answers UserAuthenticate? else 410 */
    int keeps_renewed;          /* does a renewal leave the rest as it is? */
    int delete_commands;        /* removes a command once answered? */
    int sees_at_once;           /* writes last_seen_at with each poll? */
    apr_hash_t *tokens;         /* TokenServiceType -> base64, or NULL */
    apr_hash_t *return_to_service;      /* enrollment type, "" for the others,
                                         * -> plist text; or NULL */
    const struct nmdm_push_conf_t *push;
    const struct nmdm_retention_t *retention;   /* NULL: all is kept */
    const struct nmdm_seal_t *seal;     /* keys of stored secrets, or NULL */
    const apr_array_header_t *webhooks; /* of nmdm_webhook_conf_t *, or NULL:
                                         * who is told */
    int durable;                /* are events kept until they are taken? */
    const struct nmdm_declarative_conf_t *dm; /* NULL: nobody to ask */
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

typedef struct nmdm_ctx_t nmdm_ctx_t;
struct nmdm_ctx_t {
    apr_pool_t *pool;           /* lives as long as the request */
    const nmdm_policy_t *policy;
    const nmdm_db_source_t *db_source;
    nmdm_db_t *db;              /* NULL until the first statement */
    nmdm_last_seen_t *seen;          /* of this child, or NULL */
    nmdm_once_daily_t *daily;        /* of this child, or NULL */
    nmdm_circuit_breaker_t *breaker;    /* of this child, by topic; or NULL */
    nmdm_apns_client_t *apns;          /* pushes of this child */
    nmdm_http_client_t *http;       /* its webhook, DM and escrow requests */
    nmdm_relay_t *relay;    /* brings durable events, or NULL */
    nmdm_counters_t *counters;  /* shared by all children, or NULL */
    nmdm_stats_cache_t *totals;      /* counted lately by this child, or NULL */
    const nmdm_cert_t *cert;    /* the verified identity, or NULL */
    apr_time_t cert_ends;       /* when it does, or did */
    apr_time_t cert_expired;    /* when it ended; 0: it has not */
    int is_migration;           /* an operator speaks for the device */
    int is_admitted;            /* the certificate is this device's */
    const char *query;          /* of the URL, for webhooks; or NULL */
    const char *trace_id;       /* 16 hex digits */
    const char *traceparent;    /* as sent (W3C Trace Context), or NULL */
    apr_time_t now;             /* read once: one request has one time */
    nmdm_access_log_t access_log;

    /* Remarks on the way, for the log; errors travel as values instead.
     * NULL when nobody listens. */
    void (*log)(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line);
    void *log_baton;
    int wants_debug;            /* does log take NMDM_LOG_DEBUG? */
};

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

#endif /* NMDM_H */
