/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_sql.h -- every statement, by name, for three dialects. */

#ifndef NMDM_SQL_H
#define NMDM_SQL_H

#include <apr_pools.h>

typedef enum {
    NMDM_SQLITE3,
    NMDM_PGSQL,
    NMDM_MYSQL,                 /* and MariaDB */
    NMDM_DIALECTS
} nmdm_dialect_e;

typedef enum {
    /* certificate associations */
    STMT_CERT_IS_ASSOCIATED,
    STMT_CERT_IS_KNOWN,
    STMT_DEVICE_HAS_CERT,
    STMT_CERT_ASSOCIATE,
    STMT_DEVICE_OF_CERT,
    /* enrollments */
    STMT_DEVICE_PUT,
    STMT_DEVICE_EXISTS,
    STMT_DEVICE_TOKEN_UPDATE,
    STMT_DEVICE_UNLOCK_TOKEN,
    STMT_USER_TOKEN_UPDATE,
    STMT_USER_AUTHENTICATE,
    STMT_USER_DIGEST,
    STMT_ENROLLMENT_PUT,
    STMT_TALLY,
    STMT_DEVICE_DISABLE,
    STMT_USER_DISABLE,
    STMT_SEEN,
    STMT_BOOTSTRAP_TOKEN_PUT,
    STMT_BOOTSTRAP_TOKEN_GET,
    /* the command queue */
    STMT_QUEUE_NEXT,
    STMT_QUEUE_NEXT_SCAN,
    STMT_QUEUE_CLEAR,
    STMT_QUEUE_CLEAR_SCAN,
    STMT_QUEUE_PUT,
    STMT_QUEUE_REMOVE,
    STMT_COMMAND_EXISTS,
    STMT_COMMAND_PUT,
    STMT_COMMAND_REMOVE,
    STMT_RESULT_PUT,
    STMT_RESULT_NOT_NOW,
    STMT_RESULT_REMOVE,
    STMT_ENROLLED_IDS,
    /* push */
    STMT_PUSH_INFO,
    STMT_PUSH_CERT_PUT,
    STMT_PUSH_CERT_GET,
    /* the outbox of webhooks */
    STMT_EVENT_PUT,
    STMT_EVENT_LOOK,
    STMT_EVENT_LEASE,
    STMT_EVENT_READ,
    STMT_EVENT_RENEW,
    STMT_EVENT_DONE,
    STMT_EVENT_FAILED,
    STMT_EVENT_DEAD,
    STMT_EVENT_PUT_OFF,
    STMT_EVENT_HURRY,
    STMT_EVENT_BACKLOG,
    STMT_EVENT_LIST_PENDING,
    STMT_EVENT_LIST_DEAD,
    STMT_EVENT_REPLAY,
    STMT_EVENT_REPLAY_TARGET,
    STMT_EVENT_DROP,
    /* the schema */
    STMT_SCHEMA_PROBE,
    STMT_MAX
} nmdm_stmt_e;

/* How many ids a statement with a list takes at once; fewer are padded by
 * repeating one. */
#define NMDM_SQL_IDS 100

/* The name of a statement, for logs and labels. */
const char *nmdm_sql_name(nmdm_stmt_e stmt);

/* The text of a statement with apr_dbd's marks, allocated in p. `prefix` is
 * put before every table name. */
const char *nmdm_sql_text(apr_pool_t *p, nmdm_stmt_e stmt,
                          nmdm_dialect_e dialect, const char *prefix);

/* SQL text with `prefix` before every name that is ours: the tables and view
 * of the schema, and whatever begins with nanomdm_ or idx_. */
const char *nmdm_sql_prefixed(apr_pool_t *p, const char *sql,
                              const char *prefix);

/* The dialect of an apr_dbd driver, or -1. */
int nmdm_sql_dialect(const char *driver);

#endif /* NMDM_SQL_H */
