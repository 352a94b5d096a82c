/* SPDX-License-Identifier: Apache-2.0 */
/* db_error.c -- what a database said that failed, and what it means. */

#include "db/db_error.h"
#include "db/db.h"

#include <apr_strings.h>

#include <string.h>

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

/* libmariadb hands on the server's error numbers. */
static nmdm_retry_e classify_mysql(int rv, const char *text)
{
    switch (rv) {
    case 1021:                  /* disk full */
    case 1114:                  /* table full */
        return NMDM_RETRY_LATER;
    case 1064:                  /* MariaDB: somebody else's table cache was
                                 * made while its connection was killed */
        return strstr(text, "trigger has an error") ? NMDM_RETRY_WAIT
                                                    : NMDM_RETRY_FEW;
    case 1047:                  /* Galera: node not ready */
    case 1053:                  /* shutdown in progress */
    case 1180:                  /* Galera: commit lost to another node */
    case 1205:                  /* lock wait timeout */
    case 1213:                  /* deadlock */
    case 1290:                  /* read_only: no longer the primary */
    case 1412:                  /* table definition changed */
    case 1615:                  /* prepare again */
    case 1927:                  /* connection killed */
    case 2006:                  /* server has gone away */
    case 2013:                  /* lost connection */
    case 2014:                  /* commands out of sync */
    case 2055:                  /* lost connection, with system error */
        return NMDM_RETRY_WAIT;
    }
    return NMDM_RETRY_FEW;
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
        "shutting down", "starting up", "read-only transaction", NULL
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

nmdm_err_t *nmdm_db_error_make(nmdm_ctx_t *ctx, const char *what, int rv)
{
    nmdm_db_t *db = ctx->db;
    const char *text = one_line(ctx->pool, apr_dbd_error(db->driver,
                                                         db->handle, rv));
    nmdm_err_t *err = nmdm_err(ctx->pool, NMDM_INTERNAL, APR_EGENERAL,
                               NMDMNO(0101) "%s: database: %s (%d): %s",
                               *ctx->access_log.id ? ctx->access_log.id : "-",
                               what, rv, text);

    err->retry = lacks_room(text) ? NMDM_RETRY_LATER
        : db->dialect == NMDM_MYSQL ? classify_mysql(rv, text)
                                    : classify_text(text);
    return err;
}
