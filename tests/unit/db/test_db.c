/* SPDX-License-Identifier: Apache-2.0 */
/* test_db.c -- units of work, repetition, and the schema. */

#include "support.h"
#include "crypto/push_cert_pem.h"
#include "db/schema.h"
#include "storage/enrollments.h"
#include "storage/push_state.h"

#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <stdlib.h>
#include <string.h>

/* The sanitizers' header is not installed everywhere. */
size_t __sanitizer_get_current_allocated_bytes(void);

/* ---- Work to be done in a unit ---- */

typedef struct {
    int calls;
    int fail_first;             /* so many calls fail */
    nmdm_retry_e how;           /* whether that may pass */
    const char *topic;
    const char *value;
} work_t;

/* Writes a push certificate of its topic, which has a primary key, and then
 * fails perhaps. */
static nmdm_err_t *put(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;
    nmdm_push_cert_t cert = {
        .cert_pem = "-----BEGIN CERTIFICATE-----\n", .key_pem = "-----",
        .topic = work->topic
    };

    work->calls++;
    NMDM_TRY(nmdm_push_state_put_cert(ctx, &cert));
    if (work->calls <= work->fail_first) {
        nmdm_err_t *err = nmdm_err(ctx->pool, NMDM_REFUSED, 0, "no");

        err->retry = work->how;
        return err;
    }
    return NULL;
}

static nmdm_err_t *get(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;
    nmdm_stored_cert_t cert = { 0 };

    work->calls++;
    NMDM_TRY(nmdm_push_state_get_cert(ctx, &cert, work->topic));
    work->value = cert.cert_pem;
    return NULL;
}

static const char *topics(world_t *w)
{
    return ask(w, "SELECT COUNT(*) || ':' || COALESCE(MAX(stale_token), '')"
                  " FROM push_certs");
}

/* As on the other databases, where writers do not take turns. */
static void as_elsewhere(world_t *w)
{
    w->db_source.writer = NULL;
}

/* ---- Borrowing ---- */

static void a_connection_is_borrowed_once_for_many_units(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t" };

    as_elsewhere(w);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work));
    OK(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, put, &work));
    assert_int_equal(w->borrows, 1);
    assert_true(w->is_lent);
    nmdm_db_release(ctx);
    assert_false(w->is_lent);
    assert_null(ctx->db);
    nmdm_db_release(ctx);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
    assert_int_equal(w->borrows, 2);
}

static void a_writer_holds_no_connection_while_it_waits(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t" };

    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
    assert_true(w->is_lent);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work));
    /* Nor while it waits for the disk. */
    assert_false(w->is_lent);
    assert_null(ctx->db);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, put, &work));
    assert_false(w->is_lent);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
    assert_true(w->is_lent);
    nmdm_db_release(ctx);
}

static void *APR_THREAD_FUNC read_once(apr_thread_t *thread, void *ctx)
{
    work_t work = { .topic = "t" };

    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
    nmdm_db_release(ctx);
    (void)thread;
    return NULL;
}

/* The only one may be what the writer waits for. */
static void who_waits_to_check_the_tables_holds_no_connection(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    apr_thread_t *thread;
    apr_status_t ended;
    int was_lent = 1, i;

    apr_thread_mutex_lock(w->db_source.writer);
    w->borrows = 0;
    w->schema.checked = 0;
    assert_int_equal(apr_thread_create(&thread, NULL, read_once, ctx,
                                       w->pool), APR_SUCCESS);
    for (i = 0; i < 500 && was_lent; i++) {
        apr_sleep(apr_time_from_msec(10));
        was_lent = !w->borrows || w->is_lent;
    }
    apr_thread_mutex_unlock(w->db_source.writer);
    apr_thread_join(&ended, thread);
    assert_false(was_lent);
    assert_int_equal(w->schema.checked, 1);
}

static void a_lender_without_a_connection_is_asked_again(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t" };

    as_elsewhere(w);
    w->fail_next = 3;
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work));
    assert_int_equal(w->borrows, 4);
    assert_int_equal(work.calls, 1);
    assert_int_equal(logged(w, "NMDM0102"), 3);
}

static void a_lender_without_a_connection_is_given_up_in_time(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t" };
    apr_time_t started = apr_time_now(), took;

    w->fail_for_ever = 1;
    REFUSED(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work), NMDM_UNAVAILABLE,
            "no connection");
    took = apr_time_now() - started;
    HOLDS(took >= NMDM_DB_TIMEOUT && took < apr_time_from_sec(20), "%d ms",
          (int)apr_time_as_msec(took));
    assert_int_equal(work.calls, 0);
    w->fail_for_ever = 0;
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
}

/* ---- Repeating ---- */

static void a_refusal_is_not_repeated(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t", .fail_first = 9, .how = NMDM_RETRY_NO };

    as_elsewhere(w);
    REFUSED(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, put, &work),
            NMDM_REFUSED, "no");
    assert_int_equal(work.calls, 1);
    assert_int_equal(w->borrows, 1);
    assert_string_equal(topics(w), "0:");
}

static void what_passes_is_repeated_from_its_start(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t", .fail_first = 4, .how = NMDM_RETRY_WAIT };

    as_elsewhere(w);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, put, &work));
    assert_int_equal(work.calls, 5);
    /* What failed left nothing: the row was written once. */
    assert_string_equal(topics(w), "1:0");
    /* Each time on another connection, should there be one. */
    assert_int_equal(w->borrows, 5);
}

static void what_does_not_pass_is_unavailable(void **state)
{
    nmdm_ctx_t *ctx = request(*state, NULL);
    work_t work = { .topic = "t", .fail_first = 1 << 30,
                    .how = NMDM_RETRY_WAIT };

    REFUSED(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, put, &work),
            NMDM_UNAVAILABLE, "no");
    assert_true(work.calls > 10);
    assert_string_equal(topics(*state), "0:");
}

static void an_unknown_failure_is_tried_three_times(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t" };

    tell(w, "DROP TABLE push_certs");
    REFUSED(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work), NMDM_INTERNAL,
            "no such table");
    assert_int_equal(work.calls, 3);
    assert_int_equal(w->borrows, 3);
    assert_int_equal(logged(w, "trying again"), 2);
    assert_false(w->is_lent);
}

static nmdm_err_t *grow(nmdm_ctx_t *ctx, void *baton)
{
    ++*(int *)baton;
    return nmdm_db_run(ctx, "CREATE TABLE large AS"
                            " SELECT HEX(ZEROBLOB(100000)) AS text");
}

static void a_full_disk_is_for_later(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t" };
    int calls = 0;

    ask(w, "PRAGMA max_page_count = 1");
    REFUSED(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, grow, &calls),
            NMDM_UNAVAILABLE, "database or disk is full");
    assert_int_equal(calls, 1);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
    ask(w, "PRAGMA max_page_count = 100000");
    OK(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, grow, &calls));
}

/* apr_dbd prepares statements so that SQLite does not renew them by itself. */
static void a_changed_table_means_preparing_again(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t" };

    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work));
    tell(w, "ALTER TABLE push_certs ADD COLUMN more TEXT");
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work));
    assert_string_equal(topics(w), "1:1");
    assert_int_equal(work.calls, 3);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work));
    assert_int_equal(work.calls, 4);
}

/* ---- Transactions ---- */

static nmdm_err_t *put_two(nmdm_ctx_t *ctx, void *baton)
{
    work_t one = { .topic = "one" }, two = { .topic = "" };

    (void)baton;
    NMDM_TRY(put(ctx, &one));
    return put(ctx, &two);      /* which a CHECK forbids */
}

static void a_transaction_is_all_or_nothing(void **state)
{
    world_t *w = *state;

    REFUSED(nmdm_db_unit(request(w, NULL), NMDM_UNIT_TRANSACTION, put_two,
                         NULL), NMDM_INTERNAL, "push_cert_put");
    assert_string_equal(topics(w), "0:");
    /* The same without a transaction leaves the first half. */
    REFUSED(nmdm_db_unit(request(w, NULL), NMDM_UNIT_WRITE, put_two, NULL),
            NMDM_INTERNAL, "push_cert_put");
    assert_int_equal(atoi(topics(w)), 1);
}

static void no_transaction_stays_open(void **state)
{
    world_t *w = *state;
    work_t bad = { .topic = "t", .fail_first = 9 }, good = { .topic = "t" };

    nmdm_db_unit(request(w, NULL), NMDM_UNIT_TRANSACTION, put, &bad);
    tell(w, "BEGIN");
    tell(w, "ROLLBACK");
    OK(nmdm_db_unit(request(w, NULL), NMDM_UNIT_TRANSACTION, put, &good));
    tell(w, "BEGIN");
    tell(w, "ROLLBACK");
    assert_string_equal(topics(w), "1:0");
}

static void writers_wait_for_each_other_and_readers_for_nobody(void **state)
{
    world_t *w = *state;
    work_t work = { .topic = "t", .fail_first = 2 };

    apr_thread_mutex_lock(w->db_source.writer);
    OK(nmdm_db_unit(request(w, NULL), NMDM_UNIT_READ, get, &work));
    apr_thread_mutex_unlock(w->db_source.writer);
    /* Free again after work that went well and work that did not. */
    nmdm_db_unit(request(w, NULL), NMDM_UNIT_WRITE, put, &work);
    assert_int_equal(apr_thread_mutex_trylock(w->db_source.writer), 0);
    apr_thread_mutex_unlock(w->db_source.writer);
    nmdm_db_unit(request(w, NULL), NMDM_UNIT_TRANSACTION, put, &work);
    assert_int_equal(apr_thread_mutex_trylock(w->db_source.writer), 0);
    apr_thread_mutex_unlock(w->db_source.writer);
}

/* ---- Values ---- */

static nmdm_err_t *bootstrap_token(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;
    nmdm_id_t who = { NMDM_DEVICE, work->topic, work->topic, 0 };

    return nmdm_enrollments_get_bootstrap_token(ctx, &work->value, &who);
}

static void null_is_null_and_text_comes_back_whole(void **state)
{
    world_t *w = *state;
    const char *odd = "a'b\"c\\d%s\xF0\x9F\x98\x80\n;--";
    const char *large = repeat(w->pool, 'x', 5 << 20);
    work_t work = { .topic = "D" };

    tell(w, "INSERT INTO devices (id, authenticate) VALUES ('D', 'x')");
    OK(nmdm_db_unit(request(w, NULL), NMDM_UNIT_READ, bootstrap_token,
                    &work));
    assert_null(work.value);
    tell(w, "UPDATE devices SET bootstrap_token_b64 = '%s'",
         "a''b\"c\\d%s\xF0\x9F\x98\x80\n;--");
    OK(nmdm_db_unit(request(w, NULL), NMDM_UNIT_READ, bootstrap_token,
                    &work));
    assert_string_equal(work.value, odd);
    tell(w, "UPDATE devices SET bootstrap_token_b64 = '%s'", large);
    OK(nmdm_db_unit(request(w, NULL), NMDM_UNIT_READ, bootstrap_token,
                    &work));
    assert_string_equal(work.value, large);
}

static void an_argument_is_never_read_as_sql(void **state)
{
    world_t *w = *state;
    work_t work = { .topic = "t'); DROP TABLE push_certs; --" };

    OK(nmdm_db_unit(request(w, NULL), NMDM_UNIT_WRITE, put, &work));
    OK(nmdm_db_unit(request(w, NULL), NMDM_UNIT_READ, get, &work));
    assert_non_null(work.value);
    assert_string_equal(topics(w), "1:0");
}

/* ---- The log ---- */

static void each_statement_is_a_line_with_id_and_name(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "t" };

    ctx->access_log.id = "the-id";
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work));
    assert_int_equal(w->log->nelts, 1);
    assert_int_equal(logged(w, "NMDM0103: the-id: push_cert_put: 1 rows"),
                     1);
}

static void an_error_names_id_statement_and_reason_in_one_line(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    work_t work = { .topic = "" };
    nmdm_err_t *err;

    ctx->access_log.id = "the-id";
    err = nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work);
    REFUSED(err, NMDM_INTERNAL,
            "NMDM0101: the-id: database: push_cert_put (");
    assert_non_null(strstr(err->msg, "CHECK"));
    assert_null(strchr(err->msg, '\n'));
}

/* ---- The schema ---- */

static nmdm_err_t *nothing(nmdm_ctx_t *ctx, void *baton)
{
    (void)ctx;
    (void)baton;
    return NULL;
}

static nmdm_err_t *check_schema(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_schema_check(ctx, *(nmdm_schema_mode_e *)baton);
}

static nmdm_err_t *check_as(nmdm_ctx_t *ctx, nmdm_schema_mode_e mode)
{
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, check_schema, &mode);
}

static void without_tables_nothing_works_and_the_error_says_how(void **state)
{
    world_t *w = world_make_empty(*state);
    nmdm_ctx_t *ctx = request(w, NULL);

    REFUSED(nmdm_db_unit(ctx, NMDM_UNIT_READ, nothing, NULL),
            NMDM_UNAVAILABLE, "load schema/sqlite3.sql");
    assert_int_equal(w->schema.checked, 0);
    world_end(w);
}

static void a_new_database_gets_its_tables_once(void **state)
{
    world_t *w = world_make_empty(*state);
    nmdm_ctx_t *ctx = request(w, NULL);

    REFUSED(nmdm_db_unit(ctx, NMDM_UNIT_READ, nothing, NULL),
            NMDM_UNAVAILABLE, "lacks tables");
    OK(nmdm_schema_check(ctx, NMDM_SCHEMA_BY_DIALECT));
    assert_int_equal(w->schema.checked, 1);
    assert_int_equal(w->schema.version, NMDM_SCHEMA_VERSION);
    assert_int_equal(logged(w, "NMDM0801"), 1);
    assert_string_equal(ask(w, "SELECT MAX(version) FROM nanomdm_schema"),
                        APR_STRINGIFY(NMDM_SCHEMA_VERSION));
    w->schema.checked = 0;
    OK(nmdm_schema_check(ctx, NMDM_SCHEMA_AUTO));
    OK(nmdm_schema_check(ctx, NMDM_SCHEMA_CHECK));
    assert_int_equal(logged(w, "NMDM0801"), 1);
    assert_int_equal(logged(w, "NMDM0804"), 0);
    tell(w, "BEGIN");           /* no transaction was left open */
    tell(w, "ROLLBACK");
    world_end(w);
}

/* What is kept with the connection stays as long as that, which mod_dbd does
 * not drop. */
static void a_file_that_is_no_database_costs_no_memory(void **state)
{
    world_t *w = world_make_empty(*state);
    size_t before = 0, after;
    int i;

    world_end(w);
    assert_int_equal(apr_dbd_open_ex(
        w->db.driver, *state, temp_file(*state, "neither a database nor empty,"
                                        " and longer than a header of one is:"
                                        " a hundred bytes and a few more"),
        &w->db.handle, NULL), APR_SUCCESS);
    for (i = 0; i < 12; i++) {
        nmdm_ctx_t *ctx = request(w, NULL);

        apr_pool_create(&ctx->pool, *state);
        REFUSED(nmdm_db_unit(ctx, NMDM_UNIT_READ, nothing, NULL),
                NMDM_INTERNAL, "file is not a database");
        apr_pool_destroy(ctx->pool);
        if (i == 1) {
            before = __sanitizer_get_current_allocated_bytes();
        }
    }
    after = __sanitizer_get_current_allocated_bytes();
    assert_int_in_range(after, 0, before + 16384);
    world_end(w);
}

static void a_check_alone_makes_nothing(void **state)
{
    world_t *w = world_make_empty(*state);
    nmdm_ctx_t *ctx = request(w, NULL);

    nmdm_db_unit(ctx, NMDM_UNIT_READ, nothing, NULL);
    REFUSED(nmdm_schema_check(ctx, NMDM_SCHEMA_CHECK), NMDM_UNAVAILABLE,
            "lacks tables");
    assert_string_equal(ask(w, "SELECT COUNT(*) FROM sqlite_master"), "0");
    world_end(w);
}

static void a_failed_creation_leaves_nothing(void **state)
{
    world_t *w = world_make_empty(*state);
    nmdm_ctx_t *ctx = request(w, NULL);

    /* The last of the tables is in the way. */
    tell(w, "CREATE TABLE nanomdm_schema (version INTEGER)");
    nmdm_db_unit(ctx, NMDM_UNIT_READ, nothing, NULL);
    REFUSED(nmdm_schema_check(ctx, NMDM_SCHEMA_AUTO), NMDM_UNAVAILABLE,
            "already exists");
    assert_string_equal(ask(w, "SELECT COUNT(*) FROM sqlite_master"), "1");
    assert_int_equal(w->schema.checked, 0);
    world_end(w);
}

static void a_missing_column_is_noticed(void **state)
{
    world_t *w = *state;

    tell(w, "ALTER TABLE push_certs DROP COLUMN stale_token");
    REFUSED(check_as(request(w, NULL), NMDM_SCHEMA_CHECK), NMDM_UNAVAILABLE,
            "stale_token");
}

/* What later versions added, too. The tables that refer to others first. */
static void drop_tables_of_version_3(world_t *w)
{
    const char *name;

    tell(w, "DROP INDEX idx_device_begun");
    tell(w, "DROP INDEX idx_enrollment_disabled");
    tell(w, "ALTER TABLE enrollments DROP COLUMN pushed_at");
    tell(w, "DROP TABLE nanomdm_event_parts");
    tell(w, "ALTER TABLE nanomdm_events DROP COLUMN payload_size");
    while (strcmp(name = ask(w, "SELECT COALESCE(MAX(name), '')"
                                "  FROM sqlite_master"
                                " WHERE type = 'table'"
                                "   AND (name LIKE 'nanomdm_dd_%%'"
                                "        OR name LIKE 'nanomdm_scep_%%')"),
                  "")) {
        tell(w, "DROP TABLE %s", name);
    }
    tell(w, "DELETE FROM nanomdm_chores WHERE name <> 'retention'");
}

/* What it has works on; what it lacks is named. */
static void a_database_of_version_2_serves_what_it_has_tables_for(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);

    drop_tables_of_version_3(w);
    tell(w, "UPDATE nanomdm_schema SET version = 2");
    OK(check_as(request(w, NULL), NMDM_SCHEMA_CHECK));
    assert_int_equal(w->schema.version, 2);
    assert_true(nmdm_schema_is_complete(ctx));
    assert_false(nmdm_schema_has_scep(ctx));
    assert_int_equal(logged(w, "from 0003 on"), 1);
    OK(check_as(request(w, NULL), NMDM_SCHEMA_AUTO));
    assert_true(nmdm_schema_has_scep(ctx));
    assert_int_equal(logged(w, "upgraded the schema to version 3"), 1);
    assert_int_equal(logged(w, "upgraded the schema to version 4"), 1);
    assert_true(nmdm_schema_has_pushed(ctx));
    assert_int_equal(logged(w, "upgraded the schema to version 5"), 1);
    assert_true(nmdm_schema_has_states(ctx));
    assert_int_equal(logged(w, "upgraded the schema to version 6"), 1);
    assert_true(nmdm_schema_has_event_parts(ctx));
    assert_int_equal(logged(w, "upgraded the schema to version 7"), 1);
}

static void a_database_of_version_1_is_upgraded(void **state)
{
    world_t *w = *state;

    tell(w, "ALTER TABLE enrollment_queue DROP COLUMN expires_at");
    tell(w, "DROP TABLE nanomdm_pushes");
    drop_tables_of_version_3(w);
    tell(w, "DROP TABLE IF EXISTS nanomdm_events");
    tell(w, "DROP TABLE nanomdm_renewals");
    tell(w, "DROP TABLE nanomdm_chores");
    tell(w, "DROP INDEX idx_user_short_name");
    tell(w, "DROP INDEX idx_result_time");
    tell(w, "DROP INDEX idx_enrollment_type_id");
    tell(w, "UPDATE nanomdm_schema SET version = 1");
    OK(check_as(request(w, NULL), NMDM_SCHEMA_CHECK));
    assert_int_equal(w->schema.version, 1);
    assert_true(logged(w, "missing: ALTER TABLE enrollment_queue") == 1);
    OK(check_as(request(w, NULL), NMDM_SCHEMA_AUTO));
    assert_int_equal(w->schema.version, NMDM_SCHEMA_VERSION);
    assert_int_equal(logged(w, "upgraded the schema to version 2"), 1);
}

/* SQLite's text for a table that is missing repeats its name: so this look
 * fails as one does that comes while the table is locked. */
static void a_look_that_fails_in_passing_is_no_older_version(void **state)
{
    world_t *w = *state;

    tell(w, "ALTER TABLE nanomdm_schema RENAME TO elsewhere");
    tell(w, "CREATE VIEW nanomdm_schema AS"
            " SELECT version FROM \"what is locked\"");
    w->schema.checked = 0;
    REFUSED(check_as(request(w, NULL), NMDM_SCHEMA_CHECK), NMDM_UNAVAILABLE,
            "what is locked");
    assert_int_equal(w->schema.checked, 0);
    assert_int_equal(w->schema.version, NMDM_SCHEMA_VERSION);
    tell(w, "DROP VIEW nanomdm_schema");
    tell(w, "ALTER TABLE elsewhere RENAME TO nanomdm_schema");
    OK(check_as(request(w, NULL), NMDM_SCHEMA_CHECK));
    assert_int_equal(logged(w, "NMDM0804"), 0);
}

static void what_is_missing_is_told_once(void **state)
{
    world_t *w = *state;
    int told;

    tell(w, "UPDATE nanomdm_schema SET version = 1");
    OK(check_as(request(w, NULL), NMDM_SCHEMA_CHECK));
    told = logged(w, "NMDM0805");
    assert_true(told > 0);
    assert_int_equal(logged(w, "from 0002 on"), 1);
    OK(check_as(request(w, NULL), NMDM_SCHEMA_CHECK));
    assert_int_equal(logged(w, "NMDM0805"), told);
    assert_int_equal(logged(w, "NMDM0804"), 1);
}

/* Not a SQLite database that this module made, so nothing is known of it. */
static void a_strange_sqlite_database_is_refused(void **state)
{
    world_t *w = *state;

    tell(w, "DROP TABLE nanomdm_schema");
    REFUSED(check_as(request(w, NULL), NMDM_SCHEMA_CHECK), NMDM_UNAVAILABLE,
            "not made by schema/sqlite3.sql");
    REFUSED(check_as(request(w, NULL), NMDM_SCHEMA_AUTO), NMDM_UNAVAILABLE,
            "not made by schema/sqlite3.sql");
}

/* A limit that MySQL has is obeyed wherever it is set. */
static void a_statement_larger_than_a_packet_is_refused(void **state)
{
    world_t *w = *state;
    work_t work = { .topic = repeat(w->pool, 't', 200) };

    w->schema.max_packet = 4096 + 150;
    REFUSED(nmdm_db_unit(request(w, NULL), NMDM_UNIT_WRITE, put, &work),
            NMDM_TOO_LARGE, "max_allowed_packet");
    assert_int_equal(work.calls, 1);
    assert_int_equal(logged(w, "NMDM0104"), 1);
    w->schema.max_packet = 4096 + 300;
    OK(nmdm_db_unit(request(w, NULL), NMDM_UNIT_WRITE, put, &work));
}

/* Two servers in one database. */
static void two_prefixes_do_not_meet(void **state)
{
    world_t *one = world_make(*state, "one_");
    nmdm_db_source_t first = one->db_source, second = one->db_source;
    nmdm_schema_state_t schema = { 0 };
    work_t work = { .topic = "t" };
    nmdm_ctx_t *ctx = request(one, NULL);

    second.prefix = "two_";
    second.schema = &schema;
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put, &work));
    nmdm_db_release(ctx);
    ctx = request(one, NULL);
    ctx->services->db_source = &second;
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
    assert_null(work.value);
    nmdm_db_release(ctx);
    assert_string_equal(ask(one, "SELECT COUNT(*) FROM one_push_certs"),
                        "1");
    assert_string_equal(ask(one, "SELECT COUNT(*) FROM two_push_certs"),
                        "0");
    ctx = request(one, NULL);
    ctx->services->db_source = &first;
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, get, &work));
    assert_non_null(work.value);
    nmdm_db_release(ctx);
    world_end(one);
}

static void settings_of_a_connection_are_made(void **state)
{
    world_t *w = *state;

    assert_string_equal(ask(w, "PRAGMA foreign_keys"), "1");
    assert_string_equal(ask(w, "PRAGMA synchronous"), "2");
    assert_string_equal(ask(w, "PRAGMA busy_timeout"), "20");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)
#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(a_connection_is_borrowed_once_for_many_units),
        DB_TEST(a_writer_holds_no_connection_while_it_waits),
        DB_TEST(who_waits_to_check_the_tables_holds_no_connection),
        DB_TEST(a_lender_without_a_connection_is_asked_again),
        DB_TEST(a_lender_without_a_connection_is_given_up_in_time),
        DB_TEST(a_refusal_is_not_repeated),
        DB_TEST(what_passes_is_repeated_from_its_start),
        DB_TEST(what_does_not_pass_is_unavailable),
        DB_TEST(an_unknown_failure_is_tried_three_times),
        DB_TEST(a_full_disk_is_for_later),
        DB_TEST(a_changed_table_means_preparing_again),
        DB_TEST(a_transaction_is_all_or_nothing),
        DB_TEST(no_transaction_stays_open),
        DB_TEST(writers_wait_for_each_other_and_readers_for_nobody),
        DB_TEST(null_is_null_and_text_comes_back_whole),
        DB_TEST(an_argument_is_never_read_as_sql),
        DB_TEST(each_statement_is_a_line_with_id_and_name),
        DB_TEST(an_error_names_id_statement_and_reason_in_one_line),
        TEST(without_tables_nothing_works_and_the_error_says_how),
        TEST(a_new_database_gets_its_tables_once),
        TEST(a_file_that_is_no_database_costs_no_memory),
        TEST(a_check_alone_makes_nothing),
        TEST(a_failed_creation_leaves_nothing),
        DB_TEST(a_missing_column_is_noticed),
        DB_TEST(a_database_of_version_1_is_upgraded),
        DB_TEST(a_database_of_version_2_serves_what_it_has_tables_for),
        DB_TEST(a_look_that_fails_in_passing_is_no_older_version),
        DB_TEST(what_is_missing_is_told_once),
        DB_TEST(a_strange_sqlite_database_is_refused),
        DB_TEST(a_statement_larger_than_a_packet_is_refused),
        TEST(two_prefixes_do_not_meet),
        DB_TEST(settings_of_a_connection_are_made),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
