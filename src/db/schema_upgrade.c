/* SPDX-License-Identifier: Apache-2.0 */
/* schema_upgrade.c -- creates and upgrades tables, one process at a time. */

#include "db/schema_upgrade.h"
#include "db/db.h"
#include "db/schema.h"
#include "db/schema_scripts.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Whether a failure says that the connection works and the tables do not. When
 * the connection is at fault, the caller tries another. */
int nmdm_schema_upgrade_is_of_tables(const nmdm_err_t *err)
{
    return err->retry != NMDM_RETRY_WAIT && err->retry != NMDM_RETRY_LATER;
}

/* 0 also when there is no such table. Not prepared: a statement that was
 * would not survive the upgrade. */
nmdm_err_t *nmdm_schema_upgrade_read_version(nmdm_ctx_t *ctx, int *version)
{
    const char *text = "0";
    nmdm_err_t *err = nmdm_db_ask(ctx, &text, nmdm_dialect_prefixed(
        ctx->pool, "SELECT MAX(version) FROM nanomdm_schema",
        ctx->services->db_source->prefix));

    *version = err ? 0 : atoi(text);
    return err && !nmdm_schema_upgrade_is_of_tables(err) ? err : NULL;
}

/* How many of NanoMDM's tables are there, whatever columns they have; that
 * their names come from a list keeps other programs' out of the count.
 * PostgreSQL's and SQLite's have never changed, and are made all at once. */
nmdm_err_t *nmdm_schema_upgrade_count_tables(nmdm_ctx_t *ctx, int *count)
{
    const char *number = "0";

    if (ctx->db->dialect == NMDM_MYSQL) {
        NMDM_TRY(nmdm_db_ask(ctx, &number, nmdm_dialect_prefixed(
            ctx->pool,
            "SELECT COUNT(*) FROM information_schema.tables"
            " WHERE table_schema = DATABASE()"
            "   AND table_name IN ('devices', 'users', 'enrollments',"
            "                      'commands', 'command_results',"
            "                      'enrollment_queue', 'push_certs',"
            "                      'cert_auth_associations')",
            ctx->services->db_source->prefix)));
    }
    *count = atoi(number);
    return NULL;
}

static nmdm_err_t *lock_mysql(nmdm_ctx_t *ctx)
{
    const char *got;

    NMDM_TRY(nmdm_db_ask(ctx, &got, "SELECT GET_LOCK('nanomdm_schema', 60)"));
    return !strcmp(got, "1") ? NULL
        : nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0807)
                   "-: somebody else has been changing the schema for a"
                   " minute (GET_LOCK 'nanomdm_schema')");
}

static nmdm_err_t *lock(nmdm_ctx_t *ctx)
{
    switch (ctx->db->dialect) {
    case NMDM_SQLITE3:
        return nmdm_db_run(ctx, "BEGIN IMMEDIATE");
    case NMDM_PGSQL:
        NMDM_TRY(nmdm_db_run(ctx, "BEGIN"));
        return nmdm_db_run(ctx, "SELECT pg_advisory_xact_lock(624171)");
    default:
        return lock_mysql(ctx);
    }
}

static nmdm_err_t *unlock(nmdm_ctx_t *ctx, nmdm_err_t *err)
{
    nmdm_err_t *end;

    if (ctx->db->dialect == NMDM_MYSQL) {
        end = nmdm_db_run(ctx, "SELECT RELEASE_LOCK('nanomdm_schema')");
    }
    else {
        end = nmdm_db_run(ctx, err ? "ROLLBACK" : "COMMIT");
    }
    return err ? err : end;
}

/* Asks without failing: after a failure PostgreSQL could not go on in its
 * transaction. */
static nmdm_err_t *look_for(nmdm_ctx_t *ctx, int *is_there, const char *name)
{
    static const char *const QUERIES[] = {
        "SELECT COUNT(*) FROM sqlite_master WHERE name = ('",
        "SELECT COUNT(to_regclass('",
        ("SELECT COUNT(*) FROM information_schema.tables"
         " WHERE table_schema = DATABASE() AND table_name = ('")
    };
    static const char *const ENDS[] = { "')", "'))", "')" };
    const char *count;

    NMDM_TRY(nmdm_db_ask(ctx, &count, apr_pstrcat(
        ctx->pool, QUERIES[ctx->db->dialect], name, ENDS[ctx->db->dialect],
        NULL)));
    *is_there = atoi(count) > 0;
    return NULL;
}

/* NanoMDM's have another collation, and no foreign key of ours would fit. */
static nmdm_err_t *are_ours(nmdm_ctx_t *ctx, int *yes)
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

/* Of the tables and views, which a script has in front of its triggers. */
static nmdm_err_t *create_rest(nmdm_ctx_t *ctx)
{
    apr_array_header_t *statements = nmdm_schema_scripts_statements(
        ctx, nmdm_schema_scripts_full[ctx->db->dialect]);
    int i, is_wanted;

    NMDM_TRY(are_ours(ctx, &is_wanted));
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
            ctx, nmdm_schema_scripts_full[ctx->db->dialect]));
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0801)
                 "created the tables of schema/%s.sql",
                 nmdm_schema_scripts_dialects[ctx->db->dialect]);
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

    NMDM_TRY(lock(ctx));
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

static nmdm_err_t *upgrade_from(nmdm_ctx_t *ctx, int version)
{
    if (!version && nmdm_schema_scripts_nanomdms[ctx->db->dialect]) {
        NMDM_TRY(
            catch_up(ctx, nmdm_schema_scripts_nanomdms[ctx->db->dialect]));
    }
    for (; version < NMDM_SCHEMA_VERSION; version++) {
        NMDM_TRY(nmdm_schema_scripts_run(
            ctx, nmdm_schema_scripts_upgrades[version][ctx->db->dialect]));
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0802)
                 "upgraded the schema to version %d", version + 1);
    }
    return NULL;
}

nmdm_err_t *nmdm_schema_upgrade_all(nmdm_ctx_t *ctx)
{
    nmdm_err_t *err = NULL;
    int version = 0;

    NMDM_TRY(lock(ctx));
    if (ctx->db->dialect == NMDM_PGSQL) {
        /* A failed look would end the transaction. */
        err = nmdm_db_run(ctx, "SAVEPOINT look");
    }
    if (!err) {
        err = nmdm_schema_upgrade_read_version(ctx, &version);
    }
    if (!err && ctx->db->dialect == NMDM_PGSQL) {
        err = nmdm_db_run(ctx, "ROLLBACK TO SAVEPOINT look");
    }
    if (!err) {
        err = upgrade_from(ctx, version);
    }
    return unlock(ctx, err);
}
