/* SPDX-License-Identifier: Apache-2.0 */
/* run.c -- runs SQL text that is not in the table of statements. */

#include "db/db.h"
#include "db/db_error.h"

#include <apr_strings.h>

#include <string.h>

nmdm_err_t *nmdm_db_run(nmdm_ctx_t *ctx, const char *sql)
{
    nmdm_db_t *db = ctx->db;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int affected, rv, returns_rows;

    returns_rows = !strncmp(sql, "SELECT", 6) || !strncmp(sql, "PRAGMA", 6);
    if (!returns_rows) {
        rv = apr_dbd_query(db->driver, db->handle, &affected, sql);
        return rv ? nmdm_db_error_make(ctx, sql, rv) : NULL;
    }
    rv = apr_dbd_select(db->driver, ctx->pool, db->handle, &results, sql, 0);
    if (rv) {
        return nmdm_db_error_make(ctx, sql, rv);
    }
    while (!apr_dbd_get_row(db->driver, ctx->pool, results, &row, -1)) {
        /* to its end, or the connection cannot be used again */
    }
    return NULL;
}

nmdm_err_t *nmdm_db_ask_if_any(nmdm_ctx_t *ctx, const char **value, int column,
                               const char *sql)
{
    nmdm_db_t *db = ctx->db;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    const char *text = NULL;
    int rv;

    *value = NULL;
    rv = apr_dbd_select(db->driver, ctx->pool, db->handle, &results, sql, 1);
    if (rv) {
        return nmdm_db_error_make(ctx, sql, rv);
    }
    if (!apr_dbd_get_row(db->driver, ctx->pool, results, &row, 1)) {
        text = apr_dbd_get_entry(db->driver, row, column);
        *value = apr_pstrdup(ctx->pool, text ? text : "");
    }
    return NULL;
}

nmdm_err_t *nmdm_db_ask_column(nmdm_ctx_t *ctx, const char **value, int column,
                               const char *sql)
{
    NMDM_TRY(nmdm_db_ask_if_any(ctx, value, column, sql));
    return *value ? NULL
        : nmdm_err(ctx->pool, NMDM_INTERNAL, APR_EGENERAL,
                   NMDMNO(0106) "-: database: no answer to %s", sql);
}

nmdm_err_t *nmdm_db_ask(nmdm_ctx_t *ctx, const char **value, const char *sql)
{
    return nmdm_db_ask_column(ctx, value, 0, sql);
}
