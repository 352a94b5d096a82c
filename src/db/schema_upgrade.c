/* SPDX-License-Identifier: Apache-2.0 */
/* schema_upgrade.c -- creates and upgrades tables, one process at a time. */

#include "db/schema_upgrade.h"
#include "db/db.h"
#include "db/schema.h"
#include "db/schema_scripts.h"
#include "db/session.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Whether a failure says that the connection works and the tables do not. When
 * the connection is at fault, the caller tries another. */
int nmdm_schema_upgrade_is_of_tables(const nmdm_err_t *err)
{
    return err->retry != NMDM_RETRY_WAIT && err->retry != NMDM_RETRY_LATER;
}

/* 0 also when there is no such table, or on MariaDB and MySQL no index of the
 * queue, which statements name there. Not prepared: a statement that was would
 * not survive the upgrade. */
nmdm_err_t *nmdm_schema_upgrade_read_version(nmdm_ctx_t *ctx, int *version)
{
    const char *text = "0";
    nmdm_err_t *err = nmdm_db_ask(ctx, &text, nmdm_dialect_prefixed(
        ctx->pool, "SELECT MAX(s.version) FROM nanomdm_schema s"
        "  LEFT JOIN enrollment_queue q"
        "       /*! FORCE INDEX (idx_queue_pending) */ ON 1 = 0",
        ctx->services->db_source->prefix));

    *version = err ? 0 : atoi(text);
    return err && !nmdm_schema_upgrade_is_of_tables(err) ? err : NULL;
}

nmdm_err_t *nmdm_schema_upgrade_count_tables(nmdm_ctx_t *ctx, int *count)
{
    *count = 0;
    return ctx->db->dialect->count_tables
        ? ctx->db->dialect->count_tables(ctx, count) : NULL;
}

/* What was prepared before does not survive: SQLite refuses it once. */
static nmdm_err_t *unlock(nmdm_ctx_t *ctx, nmdm_err_t *err)
{
    nmdm_err_t *end = ctx->db->dialect->unlock_schema(ctx, err != NULL);

    ctx->db->session->stale = 1;
    return err ? err : end;
}

/* Asks without failing: after a failure PostgreSQL could not go on in its
 * transaction. */
static nmdm_err_t *look_for(nmdm_ctx_t *ctx, int *is_there, const char *name)
{
    const nmdm_dialect_around_t *query = &ctx->db->dialect->count_table;
    const char *count;

    NMDM_TRY(nmdm_db_ask(ctx, &count, apr_pstrcat(
        ctx->pool, query->before, name, query->after, NULL)));
    *is_there = atoi(count) > 0;
    return NULL;
}

/* Of the tables and views, which a script has in front of its triggers. */
static nmdm_err_t *create_rest(nmdm_ctx_t *ctx)
{
    apr_array_header_t *statements = nmdm_schema_scripts_statements(
        ctx, nmdm_schema_scripts_full[ctx->db->dialect->id]);
    int i, is_wanted;

    NMDM_TRY(ctx->db->dialect->made_tables(ctx, &is_wanted));
    for (i = 0; is_wanted && i < statements->nelts; i++) {
        const char *sql = APR_ARRAY_IDX(statements, i, const char *);
        const char *name = strstr(sql, "TABLE ");
        int is_there;

        if (!strncmp(sql, "CREATE TRIGGER ", 15)) {
            break;
        }
        name = name ? name + 6 : strstr(sql, "VIEW ") + 5;
        name = apr_pstrmemdup(ctx->pool, name, strcspn(name, " "));
        NMDM_TRY(look_for(ctx, &is_there, name));
        if (!is_there) {
            NMDM_TRY(nmdm_db_run(ctx, sql));
            nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0811)
                     "created %s, which was missing", name);
        }
    }
    return NULL;
}

static nmdm_err_t *create_all(nmdm_ctx_t *ctx)
{
    int is_there;

    NMDM_TRY(look_for(ctx, &is_there, nmdm_dialect_prefixed(
        ctx->pool, "devices", ctx->services->db_source->prefix)));
    if (!is_there) {
        NMDM_TRY(nmdm_schema_scripts_run(
            ctx, nmdm_schema_scripts_full[ctx->db->dialect->id]));
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0801)
                 "created the tables of schema/%s.sql",
                 ctx->db->dialect->name);
    }
    return NULL;
}

/* Under the lock, so what is missing is looked for again: another child may
 * have been faster. MySQL commits each statement, so one that was killed
 * meanwhile has left a part. */
nmdm_err_t *nmdm_schema_upgrade_create(nmdm_ctx_t *ctx)
{
    nmdm_err_t *err;
    int tables = 0;

    NMDM_TRY(ctx->db->dialect->lock_schema(ctx));
    err = nmdm_schema_upgrade_count_tables(ctx, &tables);
    if (!err && tables < NMDM_SCHEMA_TABLES) {
        err = tables ? create_rest(ctx) : create_all(ctx);
    }
    return unlock(ctx, err);
}

/* Says which of NanoMDM's changes it makes, since they are not ours. */
static nmdm_err_t *catch_up(nmdm_ctx_t *ctx, const char *script)
{
    apr_array_header_t *statements
        = nmdm_schema_scripts_statements(ctx, script);
    int i;

    for (i = 0; i < statements->nelts; i++) {
        const char *sql = APR_ARRAY_IDX(statements, i, const char *);

        if (nmdm_schema_scripts_is_choice(sql)) {
            NMDM_TRY(nmdm_schema_scripts_chosen(ctx, &sql, sql));
            if (sql) {
                nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0810)
                         "NanoMDM's tables are older; running %s", sql);
            }
        }
        else {
            NMDM_TRY(nmdm_db_run(ctx, sql));
        }
    }
    return NULL;
}

/* *version is what has been reached, also after an error. */
static nmdm_err_t *upgrade_from(nmdm_ctx_t *ctx, int *version)
{
    if (!*version && nmdm_schema_scripts_nanomdms[ctx->db->dialect->id]) {
        NMDM_TRY(
            catch_up(ctx, nmdm_schema_scripts_nanomdms[ctx->db->dialect->id]));
    }
    for (; *version < NMDM_SCHEMA_VERSION; ++*version) {
        NMDM_TRY(nmdm_schema_scripts_run(
            ctx,
            nmdm_schema_scripts_upgrades[*version][ctx->db->dialect->id]));
    }
    return NULL;
}

/* Without ending the transaction where there is no such table. */
static nmdm_err_t *attempt_version(nmdm_ctx_t *ctx, int *version)
{
    const nmdm_dialect_around_t *attempt = &ctx->db->dialect->attempt;

    if (attempt->before) {
        NMDM_TRY(nmdm_db_run(ctx, attempt->before));
    }
    NMDM_TRY(nmdm_schema_upgrade_read_version(ctx, version));
    return attempt->after ? nmdm_db_run(ctx, attempt->after) : NULL;
}

nmdm_err_t *nmdm_schema_upgrade_all(nmdm_ctx_t *ctx)
{
    int commits_each = ctx->db->dialect->count_tables != NULL;  /* MySQL */
    nmdm_err_t *err;
    int from = 0, version;

    NMDM_TRY(ctx->db->dialect->lock_schema(ctx));
    err = attempt_version(ctx, &from);
    version = from;
    if (!err) {
        err = upgrade_from(ctx, &version);
    }
    err = unlock(ctx, err);
    /* What was rolled back, by a deadlock with those who use the tables, is
     * made by another attempt, and said once. */
    while ((!err || commits_each) && from < version) {
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0802)
                 "upgraded the schema to version %d", ++from);
    }
    return err;
}
