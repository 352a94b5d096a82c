/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c -- is the database's schema there, and how much of ours?
 *
 * The tables are NanoMDM's. What this module adds to them (schema/upgrade)
 * makes it faster and is optional; nanomdm_schema, made last, says that all
 * of it is there. */

#include "db/schema.h"
#include "db/db.h"

#include "codec/plist_write.h"
#include "schema_text.h"        /* made of schema/ by the Makefile */

#include <apr_atomic.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

static const char *const DIALECT_FILES[] = { "sqlite3", "pgsql", "mysql" };

enum { TABLES = 8 };            /* of NanoMDM's */

static const char *const FULL[] = {
    SCHEMA_SQLITE3, SCHEMA_PGSQL, SCHEMA_MYSQL
};

/* NanoMDM's own changes up to now: before the first upgrade. On PostgreSQL it
 * never had any. */
static const char *const NANOMDMS[] = { NULL, NULL, UPGRADE_0000_MYSQL };

/* From each version to the next. NanoMDM makes no sqlite3 database. */
static const char *const UPGRADES[NMDM_SCHEMA_VERSION][NMDM_DIALECTS] = {
    { NULL, UPGRADE_0001_PGSQL, UPGRADE_0001_MYSQL },
    { UPGRADE_0002_SQLITE3, UPGRADE_0002_PGSQL, UPGRADE_0002_MYSQL },
    { UPGRADE_0003_SQLITE3, UPGRADE_0003_PGSQL, UPGRADE_0003_MYSQL },
    { UPGRADE_0004_SQLITE3, UPGRADE_0004_PGSQL, UPGRADE_0004_MYSQL },
};

/* ---- Scripts ---- */

/* The statements of a script: they end with a semicolon before an empty line.
 * Lines of comment in front of them are dropped. */
static apr_array_header_t *split(apr_pool_t *p, const char *script)
{
    apr_array_header_t *statements = apr_array_make(p, 64,
                                                    sizeof(const char *));

    while (*script) {
        const char *end;
        apr_size_t len;

        while (!strncmp(script, "--", 2) || *script == '\n') {
            script += strcspn(script, "\n");
            script += *script == '\n';
        }
        if (!*script) {
            break;
        }
        end = strstr(script, ";\n\n");
        len = end ? (apr_size_t)(end - script) : strlen(script);
        while (!end && len && strchr("; \n", script[len - 1])) {
            len--;
        }
        APR_ARRAY_PUSH(statements, const char *)
            = apr_pstrmemdup(p, script, len);
        script = end ? end + 3 : script + strlen(script);
    }
    return statements;
}

static apr_array_header_t *statements_of(nmdm_ctx_t *ctx, const char *script)
{
    return split(ctx->pool,
                 nmdm_dialect_prefixed(ctx->pool, script,
                                       ctx->services->db_source->prefix));
}

static nmdm_err_t *run_script(nmdm_ctx_t *ctx, const char *script)
{
    apr_array_header_t *statements = statements_of(ctx, script);
    int i;

    for (i = 0; i < statements->nelts; i++) {
        NMDM_TRY(nmdm_db_run(ctx, APR_ARRAY_IDX(statements, i,
                                                const char *)));
    }
    return NULL;
}

/* ---- Looking ---- */

static nmdm_err_t *probe(nmdm_ctx_t *ctx)
{
    int found;

    return nmdm_db_row(ctx, &found, NULL, 0, STMT_SCHEMA_PROBE, NULL, 0);
}

/* Whether a failure says that the connection works and the tables do not. When
 * the connection is at fault, the caller tries another. */
static int is_of_tables(const nmdm_err_t *err)
{
    return err->retry != NMDM_RETRY_WAIT && err->retry != NMDM_RETRY_LATER;
}

/* 0 also when there is no such table. Not prepared: a statement that was
 * would not survive the upgrade. */
static nmdm_err_t *read_version(nmdm_ctx_t *ctx, int *version)
{
    const char *text = "0";
    nmdm_err_t *err = nmdm_db_ask(ctx, &text, nmdm_dialect_prefixed(
        ctx->pool, "SELECT MAX(version) FROM nanomdm_schema",
        ctx->services->db_source->prefix));

    *version = err ? 0 : atoi(text);
    return err && !is_of_tables(err) ? err : NULL;
}

/* MySQL has no ADD COLUMN IF NOT EXISTS: a script for it puts either what is
 * missing or this into a variable, prepares that and executes it. */
static const char NOTHING[] = "DO 0";

static int is_choice(const char *sql)
{
    return !strncmp(sql, "SET @", 5);
}

/* The statement that is missing, NULL when none is. Changes no table. */
static nmdm_err_t *chosen(nmdm_ctx_t *ctx, const char **missing,
                          const char *choice)
{
    const char *variable = choice + 4;

    variable = apr_pstrmemdup(ctx->pool, variable, strcspn(variable, " "));
    NMDM_TRY(nmdm_db_run(ctx, choice));
    NMDM_TRY(nmdm_db_ask(ctx, missing, apr_pstrcat(ctx->pool, "SELECT ",
                                                   variable, NULL)));
    if (!strcmp(*missing, NOTHING)) {
        *missing = NULL;
    }
    return NULL;
}

/* Whether it is one of those that execute what was chosen. */
static int is_machinery(const char *sql)
{
    return !strncmp(sql, "PREPARE ", 8) || !strncmp(sql, "EXECUTE ", 8)
        || !strncmp(sql, "DEALLOCATE ", 11);
}

/* How many of NanoMDM's tables are there, whatever columns they have; that
 * their names come from a list keeps other programs' out of the count.
 * PostgreSQL's and SQLite's have never changed, and are made all at once. */
static nmdm_err_t *count_tables(nmdm_ctx_t *ctx, int *count)
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

/* ---- Creating and upgrading, one process at a time ---- */

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
    apr_array_header_t *statements
        = statements_of(ctx, FULL[ctx->db->dialect]);
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
        NMDM_TRY(run_script(ctx, FULL[ctx->db->dialect]));
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0801)
                 "created the tables of schema/%s.sql",
                 DIALECT_FILES[ctx->db->dialect]);
    }
    return NULL;
}

/* Under the lock, so what is missing is looked for again: another child may
 * have been faster. MySQL commits each statement, so one that was killed
 * meanwhile has left a part. */
static nmdm_err_t *create(nmdm_ctx_t *ctx)
{
    nmdm_err_t *err;
    int tables = 0;

    NMDM_TRY(lock(ctx));
    err = count_tables(ctx, &tables);
    if (!err && tables < TABLES) {
        err = tables ? create_rest(ctx) : create_all(ctx);
    }
    return unlock(ctx, err);
}

/* Says which of NanoMDM's changes it makes, since they are not ours. */
static nmdm_err_t *catch_up(nmdm_ctx_t *ctx, const char *script)
{
    apr_array_header_t *statements = statements_of(ctx, script);
    int i;

    for (i = 0; i < statements->nelts; i++) {
        const char *sql = APR_ARRAY_IDX(statements, i, const char *);

        if (is_choice(sql)) {
            NMDM_TRY(chosen(ctx, &sql, sql));
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
    if (!version && NANOMDMS[ctx->db->dialect]) {
        NMDM_TRY(catch_up(ctx, NANOMDMS[ctx->db->dialect]));
    }
    for (; version < NMDM_SCHEMA_VERSION; version++) {
        NMDM_TRY(run_script(ctx, UPGRADES[version][ctx->db->dialect]));
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0802)
                 "upgraded the schema to version %d", version + 1);
    }
    return NULL;
}

static nmdm_err_t *upgrade(nmdm_ctx_t *ctx)
{
    nmdm_err_t *err = NULL;
    int version = 0;

    NMDM_TRY(lock(ctx));
    if (ctx->db->dialect == NMDM_PGSQL) {
        /* A failed look would end the transaction. */
        err = nmdm_db_run(ctx, "SAVEPOINT look");
    }
    if (!err) {
        err = read_version(ctx, &version);
    }
    if (!err && ctx->db->dialect == NMDM_PGSQL) {
        err = nmdm_db_run(ctx, "ROLLBACK TO SAVEPOINT look");
    }
    if (!err) {
        err = upgrade_from(ctx, version);
    }
    return unlock(ctx, err);
}

/* ---- Checking ---- */

static nmdm_err_t *missing_tables(nmdm_ctx_t *ctx, const nmdm_err_t *why,
                                  int may_create)
{
    return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0803)
                    "the database lacks tables or columns of NanoMDM's"
                    " (%s); %s", nmdm_err_text(why), may_create
                    ? "load the rest of the schema that made the others, or"
                      " name another database in DBDParams"
                    : apr_psprintf(ctx->pool, "load schema/%s.sql, or write"
                                   " \"NanoMDMSchema auto\"",
                                   DIALECT_FILES[ctx->db->dialect]));
}

static void tell_statements(nmdm_ctx_t *ctx, const char *script)
{
    apr_array_header_t *statements = statements_of(ctx, script);
    int i;

    for (i = 0; i < statements->nelts; i++) {
        const char *sql = APR_ARRAY_IDX(statements, i, const char *);

        if (is_machinery(sql)) {
            continue;
        }
        if (is_choice(sql) && chosen(ctx, &sql, sql)) {
            sql = APR_ARRAY_IDX(statements, i, const char *);
        }
        if (sql) {
            nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0805) "missing: %s", sql);
        }
    }
}

/* The statements that are missing, once in a process. */
static void tell_all(nmdm_ctx_t *ctx, int version)
{
    nmdm_dialect_e dialect = ctx->db->dialect;

    if (!version && NANOMDMS[dialect]) {
        tell_statements(ctx, NANOMDMS[dialect]);
    }
    for (; version < NMDM_SCHEMA_VERSION; version++) {
        tell_statements(ctx, UPGRADES[version][dialect]);
    }
}

static void tell_what_is_missing(nmdm_ctx_t *ctx, int version)
{
    nmdm_dialect_e dialect = ctx->db->dialect;

    nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0804)
             "the database lacks the additive part of the schema (it has"
             " version %d of %d), which is done without: %s. Run the scripts"
             " schema/upgrade/NNNN.%s.sql"
             " from %04d on, these statements, or write \"NanoMDMSchema"
             " auto\"; then restart gracefully", version,
             NMDM_SCHEMA_VERSION, version < NMDM_SCHEMA_QUEUE
                 ? "polls will cost more as history grows"
                 : "SCEP and \"NanoMDMDeclarativeManagement builtin\" answer"
                   " 503",
             DIALECT_FILES[dialect],
             !version && NANOMDMS[dialect] ? 0 : version + 1);
    tell_all(ctx, version);
}

static int is_first_to_tell(nmdm_ctx_t *ctx)
{
    return !apr_atomic_cas32(&ctx->services->db_source->schema->told, 1, 0);
}

/* Its columns are missing, so nothing can be done without them. */
static nmdm_err_t *older_nanomdm(nmdm_ctx_t *ctx, const nmdm_err_t *why)
{
    if (is_first_to_tell(ctx)) {
        tell_all(ctx, 0);
    }
    return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0809)
                    "the tables are of an older NanoMDM (%s); run the scripts"
                    " schema/upgrade/NNNN.%s.sql from 0000 on, or write"
                    " \"NanoMDMSchema auto\"", nmdm_err_text(why),
                    DIALECT_FILES[ctx->db->dialect]);
}

/* ---- What the database refuses to change ---- */

/* By its user's rights, most often; neither lost, nor locked by another. */
static int is_refusal(const nmdm_err_t *err)
{
    return err->kind == NMDM_INTERNAL && is_of_tables(err);
}

/* "check" serves the same tables, and tells what they lack. */
static void tell_refusal(nmdm_ctx_t *ctx, const nmdm_err_t *err, int version)
{
    /* MySQL and MariaDB: a trigger, the binary log, and a user without SUPER */
    int is_binlog = strstr(err->msg, "(1419)") != NULL;

    nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0813)
             "the database refuses to have the additive part of the schema"
             " made, which is done without (%s). %s; then restart gracefully",
             nmdm_err_text(err), is_binlog
             ? "As its administrator run SET GLOBAL"
               " log_bin_trust_function_creators = 1"
             : "Give its user the right, or run these statements as another");
    if (!is_binlog && is_first_to_tell(ctx)) {
        tell_all(ctx, version);
    }
}

/* Once in a process: it takes locks on tables that are in use. */
static nmdm_err_t *upgrade_if_allowed(nmdm_ctx_t *ctx, int *version)
{
    nmdm_schema_state_t *state = ctx->services->db_source->schema;
    nmdm_err_t *err;

    if (apr_atomic_read32(&state->refused)) {
        return NULL;
    }
    err = upgrade(ctx);
    if (err && !is_refusal(err)) {
        return err;
    }
    NMDM_TRY(read_version(ctx, version));
    if (err && !apr_atomic_cas32(&state->refused, 1, 0)) {
        tell_refusal(ctx, err, *version);
    }
    return NULL;
}

static nmdm_err_t *ensure_tables(nmdm_ctx_t *ctx, int may_create)
{
    nmdm_err_t *err = probe(ctx), *refusal = NULL;
    int tables;

    if (!err || !is_of_tables(err)) {
        return err;
    }
    NMDM_TRY(count_tables(ctx, &tables));
    if (may_create) {
        refusal = tables < TABLES ? create(ctx) : upgrade(ctx);
        if (refusal && !is_refusal(refusal)) {
            return refusal;
        }
        err = probe(ctx);
    }
    if (!err) {
        return NULL;
    }
    if (refusal && is_of_tables(err)) {
        err = refusal;          /* says more */
    }
    return tables == TABLES ? older_nanomdm(ctx, err)
        : missing_tables(ctx, err, may_create);
}

/* MySQL drops the connection of whoever sends more than this at once, which
 * looks like a passing fault. */
static nmdm_err_t *learn_limits(nmdm_ctx_t *ctx)
{
    const char *bytes;

    if (ctx->db->dialect == NMDM_MYSQL) {
        NMDM_TRY(nmdm_db_ask(ctx, &bytes, "SELECT @@max_allowed_packet"));
        apr_atomic_set32(&ctx->services->db_source->schema->max_packet,
                         (apr_uint32_t)apr_atoi64(bytes));
    }
    return NULL;
}

/* NanoMDM's tables have the character set of their database, which may know
 * less than devices say: a report that does not fit would come again and
 * again. */
static nmdm_err_t *learn_characters(nmdm_ctx_t *ctx)
{
    const char *others;

    if (ctx->db->dialect != NMDM_MYSQL) {
        return NULL;
    }
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

static nmdm_err_t *check(nmdm_ctx_t *ctx, int may_create)
{
    nmdm_schema_state_t *state = ctx->services->db_source->schema;
    int version;

    if (ctx->db->dialect == NMDM_SQLITE3) {
        NMDM_TRY(nmdm_db_use_wal(ctx));
    }
    NMDM_TRY(ensure_tables(ctx, may_create));
    NMDM_TRY(learn_limits(ctx));
    NMDM_TRY(learn_characters(ctx));
    NMDM_TRY(read_version(ctx, &version));
    if (version < NMDM_SCHEMA_VERSION
        && !UPGRADES[version][ctx->db->dialect]) {
        return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(0808) "-: the database was not made by"
                        " schema/%s.sql, and there is no upgrade for it;"
                        " name another in DBDParams",
                        DIALECT_FILES[ctx->db->dialect]);
    }
    if (version < NMDM_SCHEMA_VERSION && may_create) {
        NMDM_TRY(upgrade_if_allowed(ctx, &version));
    }
    if (version < NMDM_SCHEMA_VERSION && !apr_atomic_read32(&state->refused)
        && is_first_to_tell(ctx)) {
        tell_what_is_missing(ctx, version);
    }
    apr_atomic_set32(&state->version, (apr_uint32_t)version);
    apr_atomic_set32(&state->checked, 1);
    return NULL;
}

/* Whoever writes to SQLite takes a connection during its turn, so whoever waits
 * for one keeps none: the last of them would wait for ever. */
static nmdm_err_t *check_in_turn(nmdm_ctx_t *ctx)
{
    int is_sqlite = ctx->db->dialect == NMDM_SQLITE3;
    nmdm_err_t *err = NULL;

    if (is_sqlite) {
        nmdm_db_release(ctx);
    }
    apr_thread_mutex_lock(ctx->services->db_source->writer);
    if (is_sqlite) {
        err = nmdm_db_take(ctx);
    }
    if (!err) {
        err = check(ctx, 1);
    }
    apr_thread_mutex_unlock(ctx->services->db_source->writer);
    return err;
}

nmdm_err_t *nmdm_schema_check(nmdm_ctx_t *ctx, nmdm_schema_mode_e mode)
{
    int may_create = mode == NMDM_SCHEMA_AUTO
        || (mode == NMDM_SCHEMA_BY_DIALECT
            && ctx->db->dialect == NMDM_SQLITE3);

    return ctx->services->db_source->writer && may_create ? check_in_turn(ctx)
                                             : check(ctx, may_create);
}

static int has_version(const nmdm_ctx_t *ctx, apr_uint32_t version)
{
    return apr_atomic_read32(&ctx->services->db_source->schema->version)
        >= version;
}

int nmdm_schema_is_complete(const nmdm_ctx_t *ctx)
{
    return has_version(ctx, NMDM_SCHEMA_QUEUE);
}

int nmdm_schema_has_declarations(const nmdm_ctx_t *ctx)
{
    return has_version(ctx, NMDM_SCHEMA_DECLARATIONS);
}

int nmdm_schema_has_scep(const nmdm_ctx_t *ctx)
{
    return has_version(ctx, NMDM_SCHEMA_SCEP);
}

int nmdm_schema_is_ascii(const nmdm_ctx_t *ctx)
{
    return apr_atomic_read32(&ctx->services->db_source->schema->only_ascii)
        != 0;
}

const char *nmdm_schema_xml(const nmdm_ctx_t *ctx, const char *text)
{
    return nmdm_schema_is_ascii(ctx) ? nmdm_plist_write_ascii(ctx->pool, text)
                                     : text;
}
