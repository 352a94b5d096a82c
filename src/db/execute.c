/* SPDX-License-Identifier: Apache-2.0 */
/* execute.c -- runs the named statements of statements.c. */

#include "db/db.h"
#include "base/time.h"
#include "db/db_error.h"
#include "db/session.h"

#include <apr_atomic.h>
#include <apr_buckets.h>
#include <apr_strings.h>

#include <string.h>

static nmdm_err_t *prepare(nmdm_ctx_t *ctx, apr_dbd_prepared_t **out,
                           nmdm_stmt_e stmt)
{
    nmdm_db_t *db = ctx->db;
    nmdm_session_t *session = db->session;
    const char *sql;
    int rv;

    if (!session->prepared[stmt]) {
        sql = nmdm_statement_text(session->pool, stmt, db->dialect->id,
                                  ctx->services->db_source->prefix);
        rv = apr_dbd_prepare(db->driver, session->pool, db->handle, sql,
                             nmdm_statement_label(session->pool,
                                                  session->number, stmt, sql),
                             out);
        if (rv) {
            return nmdm_db_error_make(ctx, nmdm_statement_name(stmt), rv);
        }
        session->prepared[stmt] = *out;
    }
    *out = session->prepared[stmt];
    return NULL;
}

static void log_statement(nmdm_ctx_t *ctx, nmdm_stmt_e stmt, int rows,
                          apr_time_t started)
{
    if (ctx->wants_debug) {
        nmdm_log(ctx, NMDM_LOG_DEBUG,
                 NMDMNO(0103) "%s: %s: %d rows, %" APR_TIME_T_FMT " us",
                 *ctx->access_log.id ? ctx->access_log.id : "-",
                 nmdm_statement_name(stmt), rows,
                 nmdm_time_steady() - started);
    }
}

/* What surrounds the parameters in a packet. */
#define PACKET_OVERHEAD 4096

/* A limit of the database's own is the operator's to raise, so it is logged as
 * an error; the sender gets the answer that NanoMDMMaxBody gives. */
static nmdm_err_t *check_packet(nmdm_ctx_t *ctx, const char **args, int nargs)
{
    apr_uint32_t most
        = apr_atomic_read32(&ctx->services->db_source->schema->max_packet);
    apr_size_t needed = PACKET_OVERHEAD;
    int i;

    for (i = 0; most && i < nargs; i++) {
        needed += strlen(args[i]);
    }
    if (needed <= most || !most) {
        return NULL;
    }
    nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0104) "%s: a message of %"
             APR_SIZE_T_FMT " bytes does not fit the database's"
             " max_allowed_packet of %u and is refused; raise that above"
             " NanoMDMMaxBody",
             *ctx->access_log.id ? ctx->access_log.id : "-", needed, most);
    return nmdm_err(ctx->pool, NMDM_TOO_LARGE, APR_SUCCESS, NMDMNO(0105)
                    "%s: too large for the database's max_allowed_packet",
                    *ctx->access_log.id ? ctx->access_log.id : "-");
}

nmdm_err_t *nmdm_db_exec(nmdm_ctx_t *ctx, int *affected, nmdm_stmt_e stmt,
                         const char **args, int nargs)
{
    nmdm_db_t *db = ctx->db;
    apr_time_t started = ctx->wants_debug ? nmdm_time_steady() : 0;
    apr_dbd_prepared_t *prepared = NULL;
    int rows = 0, rv;

    NMDM_TRY(check_packet(ctx, args, nargs));
    NMDM_TRY(prepare(ctx, &prepared, stmt));
    rv = apr_dbd_pquery(db->driver, ctx->pool, db->handle, &rows, prepared,
                        nargs, args);
    if (rv) {
        return nmdm_db_error_make(ctx, nmdm_statement_name(stmt), rv);
    }
    if (affected) {
        *affected = rows;
    }
    log_statement(ctx, stmt, rows, started);
    return NULL;
}

/* The mysql driver cuts long text, unless it is asked for buckets. They cost
 * ten times as much as a string, so short columns do without. */
static nmdm_err_t *read_by_buckets(nmdm_ctx_t *ctx, apr_pool_t *p,
                                   const char **out, apr_dbd_row_t *row,
                                   int column)
{
    apr_bucket_alloc_t *allocator = apr_bucket_alloc_create(p);
    apr_bucket_brigade *brigade = apr_brigade_create(p, allocator);
    apr_status_t rv;
    apr_size_t len;
    char *text;

    rv = apr_dbd_datum_get(ctx->db->driver, row, column, APR_DBD_TYPE_CLOB,
                           brigade);
    if (rv == APR_ENOENT) {
        *out = NULL;
        return NULL;
    }
    if (rv == APR_SUCCESS) {
        rv = apr_brigade_pflatten(brigade, &text, &len, p);
    }
    if (rv != APR_SUCCESS) {
        return nmdm_db_error_make(ctx, "reading a column", rv);
    }
    *out = apr_pstrmemdup(p, text, len);
    apr_brigade_destroy(brigade);
    return NULL;
}

static int is_read_by_buckets(const nmdm_ctx_t *ctx, nmdm_stmt_e stmt,
                              int column)
{
    return ctx->db->dialect->cuts_long_text
        && nmdm_statement_is_long(stmt, column);
}

/* By buckets it is in p, else it goes with the result. */
static nmdm_err_t *read_column(nmdm_ctx_t *ctx, apr_pool_t *p,
                               const char **out, nmdm_stmt_e stmt,
                               apr_dbd_row_t *row,
                               int column)
{
    apr_status_t rv;

    if (is_read_by_buckets(ctx, stmt, column)
        && apr_dbd_get_entry(ctx->db->driver, row, column)) {
        return read_by_buckets(ctx, p, out, row, column);
    }
    rv = apr_dbd_datum_get(ctx->db->driver, row, column, APR_DBD_TYPE_STRING,
                           out);
    if (rv == APR_ENOENT) {
        *out = NULL;
        return NULL;
    }
    return rv ? nmdm_db_error_make(ctx, "reading a column", rv) : NULL;
}

/* Where the driver reserves much, the request's allocator would get it from the
 * system and give it back for each result, which costs more than the statement:
 * the connection keeps it. */
static apr_pool_t *results_pool(const nmdm_ctx_t *ctx)
{
    apr_pool_t *p = ctx->db->session->results;

    return p ? p : ctx->pool;
}

static void end_results(const nmdm_ctx_t *ctx)
{
    if (ctx->db->session->results) {
        apr_pool_clear(ctx->db->session->results);
    }
}

/* With random access the whole result is in memory. What it is read into goes
 * with end_results(), which is due after an error as well. */
static nmdm_err_t *select_rows(nmdm_ctx_t *ctx, apr_dbd_results_t **results,
                               nmdm_stmt_e stmt, int is_random,
                               const char **args, int nargs)
{
    nmdm_db_t *db = ctx->db;
    apr_dbd_prepared_t *prepared = NULL;
    int rv;

    NMDM_TRY(prepare(ctx, &prepared, stmt));
    rv = apr_dbd_pselect(db->driver, results_pool(ctx), db->handle, results,
                         prepared, is_random, nargs, args);
    return rv ? nmdm_db_error_make(ctx, nmdm_statement_name(stmt), rv) : NULL;
}

static nmdm_err_t *read_row(nmdm_ctx_t *ctx, int *found, const char **cols,
                            int ncols, nmdm_stmt_e stmt, const char **args,
                            int nargs)
{
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int i;

    NMDM_TRY(select_rows(ctx, &results, stmt, 1, args, nargs));
    *found = !apr_dbd_get_row(ctx->db->driver, results_pool(ctx), results,
                              &row, 1);
    for (i = 0; *found && i < ncols; i++) {
        NMDM_TRY(read_column(ctx, ctx->pool, &cols[i], stmt, row, i));
        if (ctx->db->session->results && !is_read_by_buckets(ctx, stmt, i)) {
            cols[i] = apr_pstrdup(ctx->pool, cols[i]);
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_db_row(nmdm_ctx_t *ctx, int *found, const char **cols,
                        int ncols, nmdm_stmt_e stmt, const char **args,
                        int nargs)
{
    apr_time_t started = ctx->wants_debug ? nmdm_time_steady() : 0;
    nmdm_err_t *err = read_row(ctx, found, cols, ncols, stmt, args, nargs);

    end_results(ctx);
    NMDM_TRY(err);
    log_statement(ctx, stmt, *found, started);
    return NULL;
}

/* The columns of a row, which goes with its result. */
static nmdm_err_t *push_row(nmdm_ctx_t *ctx, apr_array_header_t *values,
                            int ncols, nmdm_stmt_e stmt, apr_dbd_row_t *row,
                            apr_pool_t *scratch)
{
    const char *value;
    int i;

    for (i = 0; i < ncols; i++) {
        NMDM_TRY(read_column(ctx, scratch, &value, stmt, row, i));
        APR_ARRAY_PUSH(values, const char *) = apr_pstrdup(ctx->pool, value);
    }
    return NULL;
}

/* A row is asked for as the next one: given a number, the drivers of SQLite
 * and MySQL go through the result from its first row on, for each row. The
 * mysql driver has a next row only without random access; without that, the
 * pgsql driver takes an error for an empty result, and sleeps. */
nmdm_err_t *nmdm_db_rows(nmdm_ctx_t *ctx, apr_array_header_t *values,
                         int ncols, nmdm_stmt_e stmt, const char **args,
                         int nargs)
{
    apr_time_t started = ctx->wants_debug ? nmdm_time_steady() : 0;
    int is_random = !ctx->db->dialect->reads_forward;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    nmdm_err_t *err = NULL;
    apr_pool_t *scratch;        /* buckets cost 8 KiB for each value */
    int n = 0, rv;

    err = select_rows(ctx, &results, stmt, is_random, args, nargs);
    if (err) {
        end_results(ctx);
        return err;
    }
    apr_pool_create(&scratch, ctx->pool);
    while (!(rv = apr_dbd_get_row(ctx->db->driver, results_pool(ctx), results,
                                  &row, -1))) {
        /* After an error too, to the last row: before that, MySQL's
         * connection takes no other statement. */
        if (!err) {
            err = push_row(ctx, values, ncols, stmt, row, scratch);
            apr_pool_clear(scratch);
        }
        n++;
    }
    apr_pool_destroy(scratch);
    end_results(ctx);
    if (!is_random && rv > 0 && !err) {
        err = nmdm_db_error_make(ctx, nmdm_statement_name(stmt), rv);
    }
    log_statement(ctx, stmt, n, started);
    return err;
}

int nmdm_db_fill_ids(const char **places, const apr_array_header_t *ids,
                     int done)
{
    int n = ids->nelts - done, i;

    if (n > NMDM_SQL_IDS) {
        n = NMDM_SQL_IDS;
    }
    for (i = 0; i < NMDM_SQL_IDS; i++) {
        places[i] = APR_ARRAY_IDX(ids, done + (i < n ? i : 0), const char *);
    }
    return n;
}

nmdm_err_t *nmdm_db_exec_ids(nmdm_ctx_t *ctx, nmdm_stmt_e stmt,
                             const char *before,
                             const apr_array_header_t *ids)
{
    const char *args[1 + NMDM_SQL_IDS];
    int done;

    args[0] = before;
    for (done = 0; done < ids->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args + 1, ids, done);
        NMDM_TRY(nmdm_db_exec(ctx, NULL, stmt, before ? args : args + 1,
                              (before != NULL) + NMDM_SQL_IDS));
    }
    return NULL;
}
