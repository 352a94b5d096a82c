/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c -- is the database's schema there, and how much of ours?
 *
 * The tables are NanoMDM's. What this module adds to them (schema/upgrade)
 * makes it faster and is optional; nanomdm_schema, made last, says that all
 * of it is there. */

#include "db/schema.h"
#include "db/db.h"
#include "db/schema_scripts.h"
#include "db/schema_upgrade.h"
#include "codec/plist_write.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* ---- Looking ---- */

static nmdm_err_t *probe(nmdm_ctx_t *ctx)
{
    int found;

    return nmdm_db_row(ctx, &found, NULL, 0, STMT_SCHEMA_PROBE, NULL, 0);
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
                    : apr_psprintf(
                          ctx->pool, "load schema/%s.sql, or write"
                          " \"NanoMDMSchema auto\"",
                          ctx->db->dialect->name));
}

static void log_statements(nmdm_ctx_t *ctx, const char *script)
{
    apr_array_header_t *statements
        = nmdm_schema_scripts_statements(ctx, script);
    int i;

    for (i = 0; i < statements->nelts; i++) {
        const char *sql = APR_ARRAY_IDX(statements, i, const char *);

        if (nmdm_schema_scripts_is_machinery(sql)) {
            continue;
        }
        if (nmdm_schema_scripts_is_choice(sql)
            && nmdm_schema_scripts_chosen(ctx, &sql, sql)) {
            sql = APR_ARRAY_IDX(statements, i, const char *);
        }
        if (sql) {
            nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0805) "missing: %s", sql);
        }
    }
}

/* The statements that are missing, once in a process. */
static void log_all(nmdm_ctx_t *ctx, int version)
{
    nmdm_dialect_e dialect = ctx->db->dialect->id;

    if (!version && nmdm_schema_scripts_nanomdms[dialect]) {
        log_statements(ctx, nmdm_schema_scripts_nanomdms[dialect]);
    }
    for (; version < NMDM_SCHEMA_VERSION; version++) {
        log_statements(ctx, nmdm_schema_scripts_upgrades[version][dialect]);
    }
}

static void log_what_is_missing(nmdm_ctx_t *ctx, int version)
{
    nmdm_dialect_e dialect = ctx->db->dialect->id;

    nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0804)
             "the database lacks the additive part of the schema (it has"
             " version %d of %d), which is done without: %s. Run the scripts"
             " schema/upgrade/NNNN.%s.sql"
             " from %04d on, these statements, or write \"NanoMDMSchema"
             " auto\"; then restart gracefully", version,
             NMDM_SCHEMA_VERSION, version < NMDM_SCHEMA_QUEUE
                 ? "polls will cost more as history grows"
                 : version < NMDM_SCHEMA_SCEP
                 ? "SCEP and \"NanoMDMDeclarativeManagement builtin\" answer"
                   " 503"
                 : version < NMDM_SCHEMA_PUSHED
                 ? "when an enrollment was last pushed to is not kept"
                 : version < NMDM_SCHEMA_STATES
                 ? "lists of pending and of disabled ones look at all"
                 : "a long report takes more memory with durable webhooks",
             ctx->db->dialect->name,
             !version && nmdm_schema_scripts_nanomdms[dialect] ? 0
                                                               : version + 1);
    log_all(ctx, version);
}

static int is_first_to_log(nmdm_ctx_t *ctx)
{
    return !apr_atomic_cas32(&ctx->services->db_source->schema->is_logged, 1,
                             0);
}

/* Its columns are missing, so nothing can be done without them. */
static nmdm_err_t *older_nanomdm(nmdm_ctx_t *ctx, const nmdm_err_t *why)
{
    if (is_first_to_log(ctx)) {
        log_all(ctx, 0);
    }
    return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0809)
                    "the tables are of an older NanoMDM (%s); run the scripts"
                    " schema/upgrade/NNNN.%s.sql from 0000 on, or write"
                    " \"NanoMDMSchema auto\"", nmdm_err_text(why),
                    ctx->db->dialect->name);
}

/* ---- What the database refuses to change ---- */

/* By its user's rights, most often; neither lost, nor locked by another. */
static int is_refusal(const nmdm_err_t *err)
{
    return err->kind == NMDM_INTERNAL && nmdm_schema_upgrade_is_of_tables(err);
}

/* "check" serves the same tables, and logs what they lack. */
static void log_refusal(nmdm_ctx_t *ctx, const nmdm_err_t *err, int version)
{
    /* MySQL and MariaDB: a trigger, the binary log, and a user without
     * SUPER */
    int is_binlog = strstr(err->msg, "(1419)") != NULL;

    nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0813)
             "the database refuses to have the additive part of the schema"
             " made, which is done without (%s). %s; then restart gracefully",
             nmdm_err_text(err), is_binlog
             ? "As its administrator run SET GLOBAL"
               " log_bin_trust_function_creators = 1"
             : "Give its user the right, or run these statements as another");
    if (!is_binlog && is_first_to_log(ctx)) {
        log_all(ctx, version);
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
    err = nmdm_schema_upgrade_all(ctx);
    if (err && !is_refusal(err)) {
        return err;
    }
    NMDM_TRY(nmdm_schema_upgrade_read_version(ctx, version));
    if (err && !apr_atomic_cas32(&state->refused, 1, 0)) {
        log_refusal(ctx, err, *version);
    }
    return NULL;
}

static nmdm_err_t *ensure_tables(nmdm_ctx_t *ctx, int may_create)
{
    nmdm_err_t *err = probe(ctx), *refusal = NULL;
    int tables;

    if (!err || !nmdm_schema_upgrade_is_of_tables(err)) {
        return err;
    }
    NMDM_TRY(nmdm_schema_upgrade_count_tables(ctx, &tables));
    if (may_create) {
        refusal = tables < NMDM_SCHEMA_TABLES ? nmdm_schema_upgrade_create(ctx)
                                              : nmdm_schema_upgrade_all(ctx);
        if (refusal && !is_refusal(refusal)) {
            return refusal;
        }
        err = probe(ctx);
    }
    if (!err) {
        return NULL;
    }
    if (refusal && nmdm_schema_upgrade_is_of_tables(err)) {
        err = refusal;          /* says more */
    }
    return tables == NMDM_SCHEMA_TABLES ? older_nanomdm(ctx, err)
        : missing_tables(ctx, err, may_create);
}

/* A device that was answered does not say it again. */
static nmdm_err_t *look_at_flush(nmdm_ctx_t *ctx)
{
    const nmdm_dialect_t *dialect = ctx->db->dialect;
    const char *value;

    if (!dialect->flush.sql) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_ask(ctx, &value, dialect->flush.sql));
    if (strcmp(value, dialect->flush.safe)) {
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0816)
                 "-: %s is %s in the database: when its host fails, what it"
                 " committed last is lost, and devices do not say again what"
                 " they were answered; %s keeps it", dialect->flush.name,
                 value, dialect->flush.safe);
    }
    return NULL;
}

static nmdm_err_t *check(nmdm_ctx_t *ctx, int may_create)
{
    nmdm_schema_state_t *state = ctx->services->db_source->schema;
    int version;

    if (ctx->db->dialect->prepare) {
        NMDM_TRY(ctx->db->dialect->prepare(ctx));
    }
    NMDM_TRY(ensure_tables(ctx, may_create));
    if (ctx->db->dialect->learn) {
        NMDM_TRY(ctx->db->dialect->learn(ctx));
    }
    NMDM_TRY(look_at_flush(ctx));
    NMDM_TRY(nmdm_schema_upgrade_read_version(ctx, &version));
    if (version < NMDM_SCHEMA_VERSION
        && !nmdm_schema_scripts_upgrades[version][ctx->db->dialect->id]) {
        return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(0808) "-: the database was not made by"
                        " schema/%s.sql, and there is no upgrade for it;"
                        " name another in DBDParams",
                        ctx->db->dialect->name);
    }
    if (version < NMDM_SCHEMA_VERSION && may_create) {
        NMDM_TRY(upgrade_if_allowed(ctx, &version));
    }
    if (version < NMDM_SCHEMA_VERSION && !apr_atomic_read32(&state->refused)
        && is_first_to_log(ctx)) {
        log_what_is_missing(ctx, version);
    }
    apr_atomic_set32(&state->version, (apr_uint32_t)version);
    apr_atomic_set32(&state->checked, 1);
    return NULL;
}

/* A writer to SQLite takes a connection during its turn, so a thread that
 * waits for its turn keeps none: the last of them would wait without end. */
static nmdm_err_t *check_in_turn(nmdm_ctx_t *ctx)
{
    int has_one_writer = ctx->db->dialect->has_one_writer;
    nmdm_err_t *err = NULL;

    if (has_one_writer) {
        nmdm_db_release(ctx);
    }
    apr_thread_mutex_lock(ctx->services->db_source->writer);
    if (has_one_writer) {
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
        || (mode == NMDM_SCHEMA_BY_DIALECT && ctx->db->dialect->is_ours_alone);

    return ctx->services->db_source->writer && may_create ? check_in_turn(ctx)
                                             : check(ctx, may_create);
}

nmdm_err_t *nmdm_schema_look_again(nmdm_ctx_t *ctx)
{
    nmdm_schema_state_t *state = ctx->services->db_source->schema;
    const char *version;
    nmdm_err_t *err;

    NMDM_TRY(nmdm_db_ask(ctx, &version, nmdm_dialect_prefixed(
        ctx->pool, "SELECT MAX(version) FROM nanomdm_schema",
        ctx->services->db_source->prefix)));
    if (apr_strtoi64(version, NULL, 10)
        <= (apr_int64_t)apr_atomic_read32(&state->version)) {
        return NULL;
    }
    apr_atomic_set32(&state->checked, 0);
    err = nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0815)
                   "-: the schema has version %s now", version);
    err->retry = NMDM_RETRY_WAIT;
    return err;
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

int nmdm_schema_has_pushed(const nmdm_ctx_t *ctx)
{
    return has_version(ctx, NMDM_SCHEMA_PUSHED);
}

int nmdm_schema_has_states(const nmdm_ctx_t *ctx)
{
    return has_version(ctx, NMDM_SCHEMA_STATES);
}

int nmdm_schema_has_event_parts(const nmdm_ctx_t *ctx)
{
    return has_version(ctx, NMDM_SCHEMA_EVENT_PARTS);
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
