/* SPDX-License-Identifier: Apache-2.0 */
/* db_error.c -- what a database said that failed, and what it means. */

#include "db/db_error.h"
#include "db/db.h"

#include <apr_strings.h>

#include <string.h>

#define TAKE_OVER \
    "; the file of DBDParams and its folder must belong to httpd's User:" \
    " chown -R both to it, then restart httpd gracefully"

static int contains(const char *text, const char *const *parts)
{
    for (; *parts && !strstr(text, *parts); parts++) {
    }
    return *parts != NULL;
}

/* The disk of a database is full, or gives way. Nothing that is done at once
 * makes room, and each try would cost others what little there is. */
static int lacks_room(const char *text)
{
    static const char *const SAID[] = {
        "disk is full", "disk I/O error", "No space left on device",
        "could not extend file", "Disk quota exceeded", NULL
    };

    return contains(text, SAID);
}

/* SQLite's file, or the folder in which it makes others, is not httpd's: until
 * somebody changes the owner. */
static int lacks_rights(const char *text)
{
    static const char *const SAID[] = {
        "attempt to write a readonly database",
        "unable to open database file", NULL
    };

    return contains(text, SAID);
}

/* What passes, from the lists of MariaDB 11.8 and MySQL 9.7, whose numbers
 * libmariadb hands on, and from 2000 on libmariadb's own. Not here: what is
 * met only while connecting (1040, 1129, 1203), and what only statements meet
 * that we do not run (XA, LOCK TABLES, replication). What 4031 is in MariaDB's
 * list is one of those. */
static const struct {
    int number;
    nmdm_retry_e retry;
} MYSQL[] = {
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

static nmdm_retry_e classify_mysql(int rv, const char *text)
{
    apr_size_t i;

    for (i = 0; i < sizeof(MYSQL) / sizeof(*MYSQL); i++) {
        if (MYSQL[i].number == rv) {
            return MYSQL[i].retry;
        }
    }
    /* MariaDB: another session's table cache was made while its connection was
     * killed. */
    return rv == 1064 && strstr(text, "trigger has an error")
        ? NMDM_RETRY_WAIT : NMDM_RETRY_FEW;
}

/* The other two drivers tell no more than the text, which PostgreSQL may
 * translate: what is not recognised here is tried a few times anyway. */
static nmdm_retry_e classify_text(const char *text)
{
    static const char *const PASSING[] = {
        "is locked", "schema has changed", "deadlock detected",
        "could not serialize", "server closed the connection",
        "terminating connection", "connection to server", "no connection",
        "SSL connection", "prepared statement", "cached plan",
        "shutting down", "starting up", "read-only transaction",
        /* A lock or a time limit (lock_timeout, statement_timeout), an
         * administrator (pg_cancel_backend), a standby's conflict. */
        "could not obtain lock", "canceling statement",
        "not yet accepting connections", "in recovery mode",
        /* pgbouncer, whose server is away. */
        "server login", "query_wait_timeout", NULL
    };

    return contains(text, PASSING) ? NMDM_RETRY_WAIT : NMDM_RETRY_FEW;
}

/* One line, without the line breaks that libpq's texts end with. */
static const char *one_line(apr_pool_t *p, const char *text)
{
    char *line = apr_pstrdup(p, text ? text : "no reason given"), *at;

    for (at = line; *at; at++) {
        if (*at == '\n' || *at == '\r') {
            *at = ' ';
        }
    }
    while (at > line && at[-1] == ' ') {
        *--at = '\0';
    }
    return line;
}

nmdm_retry_e nmdm_db_error_retry(nmdm_dialect_e dialect, int rv,
                                 const char *text)
{
    return lacks_room(text)
            || (dialect == NMDM_SQLITE3 && lacks_rights(text))
        ? NMDM_RETRY_LATER
        : dialect == NMDM_MYSQL ? classify_mysql(rv, text)
                                : classify_text(text);
}

nmdm_err_t *nmdm_db_error_make(nmdm_ctx_t *ctx, const char *what, int rv)
{
    nmdm_db_t *db = ctx->db;
    const char *text = one_line(ctx->pool, apr_dbd_error(db->driver,
                                                         db->handle, rv));
    nmdm_err_t *err = nmdm_err(ctx->pool, NMDM_INTERNAL, APR_EGENERAL,
                               NMDMNO(0101) "%s: database: %s (%d): %s%s",
                               *ctx->access_log.id ? ctx->access_log.id : "-",
                               what, rv, text,
                               db->dialect == NMDM_SQLITE3
                               && lacks_rights(text) ? TAKE_OVER : "");

    err->retry = nmdm_db_error_retry(db->dialect, rv, text);
    return err;
}
