/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_mysql.c -- MySQL and MariaDB: sessions, errors, locks. What is asked
 * of them is in db/statements.c, where MYSQL marks the texts of their own. */

#include "db/db.h"
#include "db/db_error.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* ---- Sessions ---- */

/* A command that was queued at one node of Galera is there for a poll at
 * another: else the device would sleep until the next push. */
static nmdm_err_t *settle_galera(nmdm_ctx_t *ctx)
{
    const char *is_on;

    if (!ctx->services->db_source->waits_on_galera) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_ask_if_any(ctx, &is_on, 1,
                                "SHOW VARIABLES LIKE 'wsrep_on'"));
    return is_on && !strcmp(is_on, "ON")
        ? nmdm_db_run(ctx, "SET SESSION wsrep_sync_wait"
                           " = @@SESSION.wsrep_sync_wait | 7")
        : NULL;
}

static nmdm_err_t *settle(nmdm_ctx_t *ctx)
{
    /* Without gap locks, devices that answer one command at the same time do
     * not lock each other out. */
    NMDM_TRY(nmdm_db_run(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL"
                              " READ COMMITTED"));
    /* A server may begin sessions otherwise for the sake of another program.
     * Without autocommit an answered report would not be stored, nor where
     * each COMMIT begins another transaction; tables hold UTC, and other zones
     * repeat an hour each year. Since 11.6.2 MariaDB by default gives up a
     * statement that has waited for a row which then changed (1020), also in
     * READ COMMITTED. Its mode ORACLE reserves names that we have (body), and
     * another takes "" for NULL. A max_join_size, which hosts of many sites
     * have, goes by estimates, and is not for programs whose statements are
     * bounded. */
    NMDM_TRY(nmdm_db_run(ctx, "SET NAMES utf8mb4, autocommit = 1,"
                              " completion_type = 0, time_zone = '+00:00',"
                              " sql_big_selects = 1,"
                              " sql_mode = REPLACE(REPLACE(@@sql_mode,"
                              " 'EMPTY_STRING_IS_NULL', ''), 'ORACLE', '')"
                              " /*M!110602 , innodb_snapshot_isolation"
                              " = 0 */"));
    return settle_galera(ctx);
}

/* ---- Errors ---- */

/* What passes, from the lists of MariaDB 11.8 and MySQL 9.7, whose numbers
 * libmariadb hands on, and from 2000 on libmariadb's own. Not here: what is
 * met only while connecting (1040, 1129, 1203), and what only statements meet
 * that we do not run (XA, LOCK TABLES, replication). What 4031 is in MariaDB's
 * list is one of those. */
static const struct {
    int number;
    nmdm_retry_e retry;
} ERRORS[] = {
    /* Another session's work was in the way and may be over. */
    { 1020, NMDM_RETRY_WAIT },  /* MariaDB, innodb_snapshot_isolation: a row
                                 * that was waited for has changed */
    { 1205, NMDM_RETRY_WAIT },  /* lock wait timeout; Galera: not caught up */
    { 1213, NMDM_RETRY_WAIT },  /* deadlock; Galera: lost to another node */
    { 1412, NMDM_RETRY_WAIT },  /* table definition changed */
    { 1615, NMDM_RETRY_WAIT },  /* to be prepared again */
    { 1637, NMDM_RETRY_WAIT },  /* too many transactions write at once */
    { 1689, NMDM_RETRY_WAIT },  /* a lock given up for an ALTER TABLE */
    { 3058, NMDM_RETRY_WAIT },  /* MySQL: deadlock over GET_LOCK */
    { 3101, NMDM_RETRY_WAIT },  /* Group Replication: lost to another node */
    { 3572, NMDM_RETRY_WAIT },  /* MySQL: NOWAIT, of a trigger's author */
    /* An administrator or a time limit has stopped this statement alone. */
    { 1317, NMDM_RETRY_WAIT },  /* KILL QUERY */
    { 1969, NMDM_RETRY_WAIT },  /* MariaDB: max_statement_time */
    { 3024, NMDM_RETRY_WAIT },  /* MySQL: max_execution_time */
    /* The server is going, coming, or no longer the one that writes. */
    { 1047, NMDM_RETRY_WAIT },  /* Galera: node not ready */
    { 1053, NMDM_RETRY_WAIT },  /* shutdown in progress */
    { 1180, NMDM_RETRY_WAIT },  /* Galera: commit lost to another node */
    { 1181, NMDM_RETRY_WAIT },  /* the same, of a rollback */
    { 1290, NMDM_RETRY_WAIT },  /* read_only: no longer the primary */
    { 1792, NMDM_RETRY_WAIT },  /* the same, by transaction_read_only */
    { 1836, NMDM_RETRY_WAIT },  /* the same, by innodb_read_only */
    { 1874, NMDM_RETRY_WAIT },  /* the same */
    { 3032, NMDM_RETRY_WAIT },  /* MySQL: offline_mode */
    { 3100, NMDM_RETRY_WAIT },  /* Group Replication: node not online */
    { 3168, NMDM_RETRY_WAIT },  /* MySQL: server not available */
    { 3797, NMDM_RETRY_WAIT },  /* Group Replication: not caught up */
    { 9001, NMDM_RETRY_WAIT },  /* ProxySQL: no server took it in time */
    /* The connection is lost; another may do. */
    { 1152, NMDM_RETRY_WAIT },  /* aborted by the server */
    { 1158, NMDM_RETRY_WAIT },  /* error reading from us */
    { 1159, NMDM_RETRY_WAIT },  /* timeout reading from us */
    { 1160, NMDM_RETRY_WAIT },  /* error writing to us */
    { 1161, NMDM_RETRY_WAIT },  /* timeout writing to us */
    { 1184, NMDM_RETRY_WAIT },  /* aborted by the server */
    { 1243, NMDM_RETRY_WAIT },  /* unknown statement: a proxy changed servers */
    { 1927, NMDM_RETRY_WAIT },  /* MariaDB: connection killed */
    { 3169, NMDM_RETRY_WAIT },  /* MySQL: session killed */
    { 4031, NMDM_RETRY_WAIT },  /* MySQL: idle for longer than wait_timeout */
    { 2002, NMDM_RETRY_WAIT },  /* a proxy cannot reach its server */
    { 2003, NMDM_RETRY_WAIT },  /* the same */
    { 2006, NMDM_RETRY_WAIT },  /* server has gone away */
    { 2013, NMDM_RETRY_WAIT },  /* lost connection */
    { 2014, NMDM_RETRY_WAIT },  /* commands out of sync */
    { 2026, NMDM_RETRY_WAIT },  /* TLS broke off */
    { 2055, NMDM_RETRY_WAIT },  /* lost connection, with system error */
    /* Something has run out, and trying again at once takes more of it. */
    { 1021, NMDM_RETRY_LATER }, /* disk full */
    { 1037, NMDM_RETRY_LATER }, /* out of memory */
    { 1038, NMDM_RETRY_LATER }, /* out of memory to sort */
    { 1041, NMDM_RETRY_LATER }, /* out of memory */
    { 1114, NMDM_RETRY_LATER }, /* table full */
    { 1197, NMDM_RETRY_LATER }, /* transaction beyond max_binlog_cache_size */
    { 1206, NMDM_RETRY_LATER }, /* no room for more row locks */
    { 1226, NMDM_RETRY_LATER }, /* the user's statements of this hour */
    { 1461, NMDM_RETRY_LATER }, /* prepared statements */
    { 3015, NMDM_RETRY_LATER }, /* MySQL: InnoDB out of memory */
};

static nmdm_retry_e classify(int rv, const char *text)
{
    apr_size_t i;

    for (i = 0; i < sizeof(ERRORS) / sizeof(*ERRORS); i++) {
        if (ERRORS[i].number == rv) {
            return ERRORS[i].retry;
        }
    }
    /* MariaDB: another session's table cache was made while its connection was
     * killed. */
    return rv == 1064 && strstr(text, "trigger has an error")
        ? NMDM_RETRY_WAIT : NMDM_RETRY_FEW;
}

/* ---- What the server can do ---- */

/* MySQL drops the connection of a client that sends more than this at once,
 * which looks like a passing fault. */
static nmdm_err_t *learn_limits(nmdm_ctx_t *ctx)
{
    const char *bytes;

    NMDM_TRY(nmdm_db_ask(ctx, &bytes, "SELECT @@max_allowed_packet"));
    apr_atomic_set32(&ctx->services->db_source->schema->max_packet,
                     (apr_uint32_t)apr_atoi64(bytes));
    return NULL;
}

/* A group of an option file is named for the sake of TLS, most often, where
 * libmariadb takes "ssl" alone for no reason to ask for it. */
static nmdm_err_t *learn_encryption(nmdm_ctx_t *ctx)
{
    const char *cipher;

    if (!ctx->services->db_source->names_options) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_ask_column(ctx, &cipher, 1,
                                "SHOW SESSION STATUS LIKE 'Ssl_cipher'"));
    if (!*cipher) {
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0814)
                 "-: the connection to the database is not encrypted, with the"
                 " option file's group that DBDParams names; TLS wants"
                 " \"ssl-ca = FILE\" there, \"ssl\" alone is not enough");
    }
    return NULL;
}

/* NanoMDM's tables have the character set of their database, which may know
 * less than devices say: a report that does not fit would be sent again and
 * again. */
static nmdm_err_t *learn_characters(nmdm_ctx_t *ctx)
{
    const char *others;

    NMDM_TRY(nmdm_db_ask(ctx, &others, nmdm_dialect_prefixed(
        ctx->pool,
        "SELECT COUNT(*) FROM information_schema.columns"
        " WHERE table_schema = DATABASE()"
        "   AND table_name IN ('devices', 'users', 'command_results')"
        "   AND column_name IN ('authenticate', 'token_update',"
        "                       'user_authenticate',"
        "                       'user_authenticate_digest', 'result')"
        "   AND character_set_name <> 'utf8mb4'",
        ctx->services->db_source->prefix)));
    if (atoi(others)) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0812)
                 "-: NanoMDM's tables are not of character set utf8mb4:"
                 " property lists are stored with character references for"
                 " what is not ASCII, and a user whose name does not fit"
                 " cannot enroll. For each table: SET foreign_key_checks = 0;"
                 " ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4; then"
                 " restart gracefully");
    }
    apr_atomic_set32(&ctx->services->db_source->schema->only_ascii,
                     atoi(others) != 0);
    return NULL;
}

static nmdm_err_t *learn(nmdm_ctx_t *ctx)
{
    NMDM_TRY(learn_limits(ctx));
    NMDM_TRY(learn_encryption(ctx));
    return learn_characters(ctx);
}

/* ---- Schema ---- */

static nmdm_err_t *lock_schema(nmdm_ctx_t *ctx)
{
    const char *got;

    NMDM_TRY(nmdm_db_ask(ctx, &got, "SELECT GET_LOCK('nanomdm_schema', 60)"));
    return !strcmp(got, "1") ? NULL
        : nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0807)
                   "-: another session has been changing the schema for a"
                   " minute (GET_LOCK 'nanomdm_schema')");
}

/* Each statement that changes a table has committed itself. */
static nmdm_err_t *unlock_schema(nmdm_ctx_t *ctx, int has_failed)
{
    (void)has_failed;
    return nmdm_db_run(ctx, "SELECT RELEASE_LOCK('nanomdm_schema')");
}

/* A list of names keeps other programs' tables out of the count. */
static nmdm_err_t *count_tables(nmdm_ctx_t *ctx, int *count)
{
    const char *number;

    NMDM_TRY(nmdm_db_ask(ctx, &number, nmdm_dialect_prefixed(
        ctx->pool,
        "SELECT COUNT(*) FROM information_schema.tables"
        " WHERE table_schema = DATABASE()"
        "   AND table_name IN ('devices', 'users', 'enrollments',"
        "                      'commands', 'command_results',"
        "                      'enrollment_queue', 'push_certs',"
        "                      'cert_auth_associations')",
        ctx->services->db_source->prefix)));
    *count = atoi(number);
    return NULL;
}

/* NanoMDM's have another collation, and no foreign key of ours would fit. */
static nmdm_err_t *made_tables(nmdm_ctx_t *ctx, int *yes)
{
    const char *count;

    NMDM_TRY(nmdm_db_ask(ctx, &count, nmdm_dialect_prefixed(
        ctx->pool,
        "SELECT COUNT(*) FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = 'devices'"
        "   AND column_name = 'authenticate' AND data_type = 'longtext'",
        ctx->services->db_source->prefix)));
    *yes = atoi(count) > 0;
    return NULL;
}

const nmdm_dialect_t nmdm_dialect_mysql = {
    .id = NMDM_MYSQL,
    .name = "mysql",
    .now = "CURRENT_TIMESTAMP(6)",
    .epoch_seconds = "UNIX_TIMESTAMP()",
    .byte_length = "OCTET_LENGTH",
    .calls = {
        [NMDM_CALL_SECONDS] = { "UNIX_TIMESTAMP(", ")" },
        /* As text, because in buckets the driver may cut a number to the
         * length of the one in the row before. */
        [NMDM_CALL_DIGITS] = { "CAST(", " AS CHAR)" },
        [NMDM_CALL_INTEGER_OF] = { "CAST(", " AS SIGNED)" },
        [NMDM_CALL_TIME_OF] = { "FROM_UNIXTIME(CAST(", " AS SIGNED))" },
        [NMDM_CALL_TEXT_OF_TIME] = { "CAST(", " AS CHAR(26))" },
        [NMDM_CALL_TIME_OF_TEXT] = { "CAST(", " AS DATETIME(6))" },
    },
    .begin = "START TRANSACTION",
    .count_table = { "SELECT COUNT(*) FROM information_schema.tables"
                     " WHERE table_schema = DATABASE() AND table_name = ('",
                     "')" },
    .looks_first = 1,
    .cuts_long_text = 1,
    .reserves_long_text = 1,
    .reads_forward = 1,
    .settle = settle,
    .classify = classify,
    .learn = learn,
    .flush = { "innodb_flush_log_at_trx_commit",
               "SELECT @@innodb_flush_log_at_trx_commit", "1" },
    .lock_schema = lock_schema,
    .unlock_schema = unlock_schema,
    .count_tables = count_tables,
    .made_tables = made_tables,
};
