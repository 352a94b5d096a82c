/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_pgsql.c -- PostgreSQL: sessions, errors, locks. What is asked of it
 * is in db/statements.c, where PGSQL marks the texts of its own. */

#include "db/db.h"
#include "db/db_error.h"
#include "db/session.h"

#include <apr_strings.h>

/* ---- Sessions ---- */

/* Every statement has its index. A plan that was made while a table was small,
 * and is kept, would read the whole of it until it is analyzed. A cursor holds
 * a time as text. */
static nmdm_err_t *settle(nmdm_ctx_t *ctx)
{
    const char *encoding;

    /* What devices say is UTF-8, whatever encoding a role or database begins
     * its sessions with. Where the database has another one itself, bytes stay
     * as they are: it would refuse the characters that it lacks, and a report
     * would be sent again and again. What a device was answered has to be on
     * the disk; whether on a standby's too is for the administrator to say. */
    NMDM_TRY(nmdm_db_ask(ctx, &encoding,
                         "SELECT SET_CONFIG('client_encoding',"
                         " CASE CURRENT_SETTING('server_encoding')"
                         " WHEN 'UTF8' THEN 'UTF8'"
                         " ELSE CURRENT_SETTING('client_encoding') END,"
                         " FALSE),"
                         " SET_CONFIG('synchronous_commit',"
                         " CASE CURRENT_SETTING('synchronous_commit')"
                         " WHEN 'off' THEN 'local'"
                         " ELSE CURRENT_SETTING('synchronous_commit') END,"
                         " FALSE)"));
    /* Sequential scans are avoided, so that a plan kept from small tables does
     * no harm until they are analyzed. Where one is needed all the same, its
     * cost is enormous, for which PostgreSQL would compile the statement. */
    return nmdm_db_run(ctx, "SET enable_seqscan = off; SET jit = off;"
                            " SET DateStyle = 'ISO';"
                            " SET default_transaction_isolation"
                            " = 'read committed'");
}

/* Of this session alone: another prefix, and modules like mod_authn_dbd, have
 * statements of their own on the same connection. */
static nmdm_err_t *deallocate(nmdm_ctx_t *ctx)
{
    nmdm_db_t *db = ctx->db;
    const char *sql = apr_psprintf(
        ctx->pool, "SELECT name FROM pg_prepared_statements"
        " WHERE starts_with(name, 'nmdm%d_')", db->session->number);
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int n, rv;

    rv = apr_dbd_select(db->driver, ctx->pool, db->handle, &results, sql, 1);
    if (rv) {
        return nmdm_db_error_make(ctx, sql, rv);
    }
    for (n = 1; !apr_dbd_get_row(db->driver, ctx->pool, results, &row, n);
         n++) {
        NMDM_TRY(nmdm_db_run(ctx, apr_pstrcat(
            ctx->pool, "DEALLOCATE ", apr_dbd_get_entry(db->driver, row, 0),
            NULL)));
    }
    return NULL;
}

/* ---- Errors ---- */

/* The driver has no more than the text, which PostgreSQL may translate: what
 * is not recognised here is tried a few times anyway. */
static nmdm_retry_e classify(int rv, const char *text)
{
    static const char *const PASSING[] = {
        "is locked", "deadlock detected", "could not serialize",
        "server closed the connection", "terminating connection",
        "connection to server", "no connection", "SSL connection",
        "prepared statement", "cached plan", "shutting down", "starting up",
        "read-only transaction",
        /* A lock or a time limit (lock_timeout, statement_timeout), an
         * administrator (pg_cancel_backend), a standby's conflict. */
        "could not obtain lock", "canceling statement",
        "not yet accepting connections", "in recovery mode",
        /* pgbouncer, whose server is away. */
        "server login", "query_wait_timeout", NULL
    };

    (void)rv;
    return nmdm_db_error_has(text, PASSING) ? NMDM_RETRY_WAIT
                                            : NMDM_RETRY_FEW;
}

/* ---- Schema ---- */

static nmdm_err_t *lock_schema(nmdm_ctx_t *ctx)
{
    NMDM_TRY(nmdm_db_run(ctx, "BEGIN"));
    return nmdm_db_run(ctx, "SELECT pg_advisory_xact_lock(624171)");
}

static nmdm_err_t *unlock_schema(nmdm_ctx_t *ctx, int has_failed)
{
    return nmdm_db_run(ctx, has_failed ? "ROLLBACK" : "COMMIT");
}

const nmdm_dialect_t nmdm_dialect_pgsql = {
    .id = NMDM_PGSQL,
    .name = "pgsql",
    .now = "CURRENT_TIMESTAMP",
    .epoch_seconds = "CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) AS BIGINT)",
    .byte_length = "OCTET_LENGTH",
    .calls = {
        [NMDM_CALL_SECONDS] = { "EXTRACT(EPOCH FROM CAST(",
                                " AS TIMESTAMPTZ))" },
        [NMDM_CALL_DIGITS] = { "(", ")" },
        [NMDM_CALL_INTEGER_OF] = { "CAST(", " AS INTEGER)" },
        [NMDM_CALL_TIME_OF] = { "CAST(TO_TIMESTAMP(CAST(",
                                " AS DOUBLE PRECISION)) AS TIMESTAMP)" },
        [NMDM_CALL_TEXT_OF_TIME] = { "CAST(", " AS TEXT)" },
        [NMDM_CALL_TIME_OF_TEXT] = { "CAST(", " AS TIMESTAMP)" },
    },
    .begin = "BEGIN",
    .count_table = { "SELECT COUNT(to_regclass('", "'))" },
    /* A statement that fails would end the transaction. */
    .attempt = { "SAVEPOINT look", "ROLLBACK TO SAVEPOINT look" },
    .has_arrays = 1,
    .writes_return_rows = 1,
    .settle = settle,
    .flush = { "fsync", "SELECT CURRENT_SETTING('fsync')", "on" },
    .deallocate = deallocate,
    .classify = classify,
    .lock_schema = lock_schema,
    .unlock_schema = unlock_schema,
};
