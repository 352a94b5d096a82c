/* SPDX-License-Identifier: Apache-2.0 */
/* statements.h -- every statement, by name. */

#ifndef NMDM_STATEMENTS_H
#define NMDM_STATEMENTS_H

#include "db/dialect.h"

typedef enum {
    /* certificate associations */
    STMT_CERT_IS_ASSOCIATED,
    STMT_CERT_IS_LATEST,
    STMT_CERT_IS_KNOWN,
    STMT_DEVICE_HAS_CERT,
    STMT_CERT_ASSOCIATE,
    STMT_CERT_DISSOCIATE,
    STMT_LOCK,
    STMT_DEVICE_OF_CERT,
    STMT_DEVICE_OF_LATEST,
    STMT_DEVICE_CERT,
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
    STMT_SEEN_NOW,
    STMT_BOOTSTRAP_TOKEN_PUT,
    STMT_BOOTSTRAP_TOKEN_GET,
    /* renewals */
    STMT_RENEWAL_SUITS,
    STMT_RENEWAL_PUT,
    STMT_RENEWAL_FIND,
    STMT_RENEWAL_KEEP,
    STMT_RENEWAL_RESET,
    STMT_RENEWAL_CLEAR,
    STMT_RENEWAL_DROP,
    /* the command queue */
    STMT_QUEUE_WAITS,
    STMT_QUEUE_WAITS_LATEST,
    STMT_QUEUE_NEXT,
    STMT_QUEUE_NEXT_LATEST,
    STMT_QUEUE_NEXT_SCAN,
    STMT_QUEUE_CLEAR,
    STMT_QUEUE_CLEAR_SCAN,
    STMT_QUEUE_PUT,
    STMT_QUEUE_PUT_EXPIRING,
    STMT_QUEUE_HAS,
    STMT_QUEUE_REMOVE,
    STMT_COMMAND_EXISTS,
    STMT_COMMAND_PUT,
    STMT_COMMAND_REMOVE,
    STMT_COMMAND_TAKE_BACK,
    STMT_RESULT_PUT,
    STMT_RESULT_PUT_LATEST,
    STMT_RESULT_NOT_NOW,
    STMT_RESULT_NOT_NOW_LATEST,
    STMT_RESULT_PUT_NEXT,
    STMT_RESULT_NOT_NOW_NEXT,
    STMT_RESULT_REMOVE,
    STMT_ENROLLED_IDS,
    /* push */
    STMT_PUSH_INFO,
    STMT_PUSH_INFO_ALONE,
    STMT_PUSH_REFUSED,
    STMT_PUSH_EXPECT,
    STMT_PUSH_DUE,
    STMT_PUSH_STATE,
    STMT_PUSH_AGAIN,
    STMT_PUSH_LATER,
    STMT_PUSH_POSTPONE,
    STMT_PUSH_RECALL,
    STMT_PUSH_FORGET,
    STMT_PUSH_FORGET_ONE,
    STMT_TOPIC_IN_USE,
    STMT_PUSH_CERT_PUT,
    STMT_PUSH_CERT_GET,
    /* what operators see: enrollments */
    STMT_ROSTER_WALK,
    STMT_ROSTER_SKIP,
    STMT_ROSTER_IDS,
    STMT_ROSTER_SERIALS,
    STMT_ROSTER_NAME,
    STMT_ROSTER_TYPE,
    STMT_ROSTER_TYPE_SCAN,
    STMT_ROSTER_ROWS,
    STMT_CERTS_OF_DEVICE,
    STMT_LAST_REPORT,
    STMT_LAST_PUSH,
    /* what operators see and cancel: queues and results */
    STMT_PENDING,
    STMT_PENDING_SCAN,
    STMT_QUEUE_PAGE,
    STMT_QUEUE_PAGE_SCAN,
    STMT_RESULT_PAGE,
    STMT_RESULT_OF,
    STMT_RESULT_TEXT,
    STMT_COMMAND_GET,
    STMT_COMMAND_PAGE,
    STMT_COMMAND_PAGE_SCAN,
    STMT_COMMAND_RESULTS,
    STMT_CANCEL_ALL,
    STMT_CANCEL_ALL_SCAN,
    STMT_CANCEL_ONE,
    STMT_CANCEL_STRIDE,
    STMT_CANCEL_RANGE,
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
    STMT_EVENT_BYTES,
    STMT_EVENT_LIST_PENDING,
    STMT_EVENT_LIST_DEAD,
    STMT_EVENT_REPLAY,
    STMT_EVENT_REPLAY_TARGET,
    STMT_EVENT_DROP,
    /* retention */
    STMT_CHORE_DUE,
    STMT_CHORE_TAKE,
    STMT_CHORE_DONE,
    STMT_SPENT_PAGE,
    STMT_FORGET_QUEUE,
    STMT_FORGET_RESULTS,
    STMT_FORGET_COMMANDS,
    STMT_EVENT_OLD,
    STMT_EVENT_FORGET,
    /* secrets that are to be sealed */
    STMT_SEAL_DEVICES,
    STMT_SEAL_CERTS,
    STMT_SEAL_DEVICE,
    STMT_SEAL_BOOTSTRAP_TOKEN,
    STMT_SEAL_UNLOCK_TOKEN,
    STMT_SEAL_TOKEN_UPDATE,
    STMT_SEAL_PUSH_KEY,
    STMT_SEAL_CHORE_ADD,
    STMT_SEAL_CHORE_LOOK,
    STMT_SEAL_CHORE_TAKE,
    /* figures, each read to a bound */
    STMT_FIGURE_ENROLLED,
    STMT_FIGURE_ENROLLED_SCAN,
    STMT_FIGURE_PENDING,
    STMT_FIGURE_ESTIMATE,
    STMT_FIGURE_SILENT,
    STMT_FIGURE_SILENT_IDS,
    STMT_FIGURE_PUT_OFF,
    STMT_FIGURE_PUT_OFF_IDS,
    STMT_FIGURE_REFUSED,
    STMT_FIGURE_REFUSALS,
    STMT_FIGURE_EVENTS_PENDING,
    STMT_FIGURE_EVENTS_DEAD,
    STMT_FIGURE_CERTS,
    /* SCEP: challenges and issued certificates */
    STMT_CHALLENGE_PUT,
    STMT_CHALLENGE_GET,
    STMT_CHALLENGE_USE,
    STMT_CHALLENGE_EXPIRED,
    STMT_CHALLENGE_FORGET,
    STMT_CHALLENGE_COUNTS,
    STMT_TOKEN_EXPIRED,
    STMT_TOKEN_FORGET,
    STMT_ISSUED_PUT,
    STMT_ISSUED_GET,
    STMT_ISSUED_OF_TRANSACTION,
    STMT_ISSUED_BIND,
    STMT_ISSUED_REVOKE,
    STMT_ISSUED_DISSOCIATE,
    STMT_ISSUED_PAGE,
    STMT_ISSUED_OLD,
    STMT_ISSUED_FORGET,
    STMT_ISSUED_COUNTS,
    STMT_ISSUED_BY_ISSUER,
    /* the schema */
    STMT_SCHEMA_PROBE,
    STMT_MAX
} nmdm_stmt_e;

/* The name of a statement, for logs and labels. */
const char *nmdm_statement_name(nmdm_stmt_e stmt);

/* What the statement with that text is called on a connection, in 63 bytes at
 * most, allocated in p. number: of the session there, from 0. Two texts have
 * two labels, whatever tenant or version has made them: a pooler may hand over
 * a connection on which another's statements are. */
const char *nmdm_statement_label(apr_pool_t *p, int number, nmdm_stmt_e stmt,
                                 const char *sql);

/* Whether a column that a statement returns may hold more than a name does: a
 * document, a certificate, a token. */
int nmdm_statement_is_long(nmdm_stmt_e stmt, int column);

/* Whether a dialect has a statement: a few fit only one. */
int nmdm_statement_is_for(nmdm_stmt_e stmt, nmdm_dialect_e dialect);

/* The text of a statement with apr_dbd's marks, allocated in p. `prefix` is
 * put before every table name. */
const char *nmdm_statement_text(apr_pool_t *p, nmdm_stmt_e stmt,
                                nmdm_dialect_e dialect, const char *prefix);

#endif /* NMDM_STATEMENTS_H */
