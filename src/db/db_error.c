/* SPDX-License-Identifier: Apache-2.0 */
/* db_error.c -- what a database said that failed, and what it means. */

#include "db/db_error.h"
#include "db/db.h"

#include <apr_strings.h>

#include <string.h>

int nmdm_db_error_has(const char *text, const char *const *parts)
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

    return nmdm_db_error_has(text, SAID);
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

nmdm_retry_e nmdm_db_error_retry(const nmdm_dialect_t *dialect, int rv,
                                 const char *text)
{
    return lacks_room(text) ? NMDM_RETRY_LATER : dialect->classify(rv, text);
}

nmdm_err_t *nmdm_db_error_make(nmdm_ctx_t *ctx, const char *what, int rv)
{
    nmdm_db_t *db = ctx->db;
    const char *text = one_line(ctx->pool, apr_dbd_error(db->driver,
                                                         db->handle, rv));
    nmdm_err_t *err = nmdm_err(ctx->pool, NMDM_INTERNAL, APR_EGENERAL,
                               NMDMNO(0101) "%s: database: %s (%d): %s%s",
                               *ctx->access_log.id ? ctx->access_log.id : "-",
                               what, rv, text, db->dialect->remedy
                                   ? db->dialect->remedy(text) : "");

    err->retry = nmdm_db_error_retry(db->dialect, rv, text);
    return err;
}
