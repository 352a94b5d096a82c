/* SPDX-License-Identifier: Apache-2.0 */
/* test_statements.c -- every statement, and the names of tables. */

#include "support.h"
#include "db/statements.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

static const char *const TABLES[] = {
    "devices", "users", "enrollments", "commands", "command_results",
    "enrollment_queue", "push_certs", "cert_auth_associations",
    "nanomdm_schema", NULL
};

static int count(const char *text, const char *part)
{
    int n = 0;

    for (text = strstr(text, part); text; text = strstr(text + 1, part)) {
        n++;
    }
    return n;
}

/* How often name stands in text as a word of its own. */
static int count_words(const char *text, const char *name)
{
    const char *at;
    int n = 0;

    for (at = strstr(text, name); at; at = strstr(at + 1, name)) {
        const char *end = at + strlen(name);

        n += (at == text || !(apr_isalnum(at[-1]) || at[-1] == '_'))
            && !(apr_isalnum(*end) || *end == '_');
    }
    return n;
}

/* The mysql driver would cut them. */
static void documents_are_read_as_long_columns(void **state)
{
    (void)state;
    assert_true(nmdm_statement_is_long(STMT_QUEUE_NEXT, 3));
    assert_true(nmdm_statement_is_long(STMT_QUEUE_NEXT_SCAN, 3));
    assert_true(nmdm_statement_is_long(STMT_BOOTSTRAP_TOKEN_GET, 0));
    assert_true(nmdm_statement_is_long(STMT_PUSH_CERT_GET, 0));
    assert_true(nmdm_statement_is_long(STMT_PUSH_CERT_GET, 1));
    assert_false(nmdm_statement_is_long(STMT_QUEUE_NEXT, 1));
    assert_false(nmdm_statement_is_long(STMT_PUSH_INFO, 3));
}

/* ---- Every statement ---- */

static void prepares(world_t *w, nmdm_stmt_e stmt)
{
    apr_dbd_prepared_t *prepared = NULL;
    const char *sql = nmdm_statement_text(w->pool, stmt, NMDM_SQLITE3,
                                          w->db_source.prefix);
    int rv = apr_dbd_prepare(w->db.driver, w->pool, w->db.handle, sql,
                             nmdm_statement_name(stmt), &prepared);

    HOLDS(!rv, "%s: %s: %s", nmdm_statement_name(stmt),
          apr_dbd_error(w->db.driver, w->db.handle, rv), sql);
}

static void every_statement_can_be_prepared(void **state)
{
    int i;

    for (i = 0; i < STMT_MAX; i++) {
        if (nmdm_statement_is_for(i, NMDM_SQLITE3)) {
            prepares(*state, i);
        }
    }
}

static void every_statement_can_be_prepared_with_a_prefix(void **state)
{
    world_t *w = world_make(*state, "acme_mdm_");
    int i;

    assert_string_equal(ask(w, "SELECT COUNT(*) FROM sqlite_master"
                               " WHERE name = 'devices'"), "0");
    for (i = 0; i < STMT_MAX; i++) {
        if (nmdm_statement_is_for(i, NMDM_SQLITE3)) {
            prepares(w, i);
        }
    }
    world_end(w);
}

static void a_prefix_stands_before_every_name_of_ours(void **state)
{
    int i, d, t;

    for (i = 0; i < STMT_MAX; i++) {
        for (d = 0; d < NMDM_DIALECTS; d++) {
            const char *plain, *sql;

            if (!nmdm_statement_is_for(i, d)) {
                continue;
            }
            plain = nmdm_statement_text(*state, i, d, "");
            sql = nmdm_statement_text(*state, i, d, "acme_");
            for (t = 0; TABLES[t]; t++) {
                const char *named = apr_pstrcat(*state, "acme_", TABLES[t],
                                                NULL);

                HOLDS(!count_words(sql, TABLES[t])
                      && count_words(sql, named)
                          == count_words(plain, TABLES[t]),
                      "%s in %s, %d", TABLES[t], nmdm_statement_name(i), d);
            }
            HOLDS(count(sql, "acme_"), "%s, %d", nmdm_statement_name(i), d);
        }
    }
}

/* Without what stands for a sign: "%%s" is no mark. */
static const char *marks_of(apr_pool_t *p, nmdm_stmt_e stmt, int d)
{
    char *sql = apr_pstrdup(p, nmdm_statement_text(p, stmt, d, "")), *at;

    while ((at = strstr(sql, "%%"))) {
        memset(at, ' ', 2);
    }
    return sql;
}

/* storage/queue.c gives SQLite the UUID of a reported command once more. */
static int has_one_more(int stmt, int dialect)
{
    return dialect == NMDM_SQLITE3
        && (stmt == STMT_RESULT_PUT || stmt == STMT_RESULT_PUT_LATEST
            || stmt == STMT_RESULT_NOT_NOW
            || stmt == STMT_RESULT_NOT_NOW_LATEST);
}

/* The callers give the same arguments to all three databases. */
static void a_statement_has_the_same_marks_in_every_dialect(void **state)
{
    int i, d;

    for (i = 0; i < STMT_MAX; i++) {
        const char *first = NULL, *sql;
        int texts = 0;

        for (d = 0; d < NMDM_DIALECTS; d++) {
            if (!nmdm_statement_is_for(i, d)) {
                continue;
            }
            sql = marks_of(*state, i, d);
            if (!first) {
                first = sql;
                texts = count(sql, "%s") - has_one_more(i, d);
            }
            HOLDS(count(sql, "%s") - has_one_more(i, d) == texts
                  && count(sql, "%lld") == count(first, "%lld")
                  && count(sql, "%pDb") == count(first, "%pDb"),
                  "%s, %d", nmdm_statement_name(i), d);
            HOLDS(count(sql, "%") == count(sql, "%s") + count(sql, "%lld")
                  + count(sql, "%pDb"), "%s, %d", nmdm_statement_name(i), d);
        }
    }
}

static void statements_have_names_of_their_own_that_can_be_labels(
    void **state)
{
    int i, k;

    (void)state;
    for (i = 0; i < STMT_MAX; i++) {
        const char *name = nmdm_statement_name(i), *at;

        HOLDS(name && *name && strlen(name) < 50, "%d", i);
        for (at = name; *at; at++) {
            HOLDS(apr_islower(*at) || *at == '_'
                  || (at > name && apr_isdigit(*at)), "%s", name);
        }
        for (k = 0; k < i; k++) {
            HOLDS(strcmp(name, nmdm_statement_name(k)), "%s", name);
        }
    }
}

static const char *label_of(apr_pool_t *p, int number, nmdm_stmt_e stmt,
                            const char *prefix)
{
    return nmdm_statement_label(p, number, stmt, nmdm_statement_text(
        p, stmt, NMDM_PGSQL, prefix));
}

/* A pooler may run one client's EXECUTE on another's statement of that name,
 * so that a namesake must be the same statement. */
static void a_label_tells_texts_apart(void **state)
{
    world_t *w = *state;
    int i, k;

    for (i = 0; i < STMT_MAX; i++) {
        const char *label;

        if (!nmdm_statement_is_for(i, NMDM_PGSQL)) {
            continue;
        }
        label = label_of(w->pool, 0, i, "");
        HOLDS(strlen(label) <= 63, "%s", label);
        HOLDS(!strncmp(label, "nmdm0_", 6), "%s", label);
        HOLDS(!strcmp(label, label_of(w->pool, 0, i, "")), "%s", label);
        HOLDS(strcmp(label, label_of(w->pool, 0, i, "nano_")), "%s", label);
        HOLDS(strcmp(label, label_of(w->pool, 1, i, "")), "%s", label);
        for (k = 0; k < i; k++) {
            HOLDS(!nmdm_statement_is_for(k, NMDM_PGSQL)
                  || strcmp(label, label_of(w->pool, 0, k, "")), "%s", label);
        }
    }
}

/* All columns of a SELECT within, which names them, are as good as a list. */
static int has_star(const char *sql)
{
    static const char WITHIN[] = "SELECT * FROM (SELECT ";

    while ((sql = strstr(sql, "SELECT *"))) {
        if (strncmp(sql, WITHIN, sizeof(WITHIN) - 1)) {
            return 1;
        }
        sql++;
    }
    return 0;
}

static void no_statement_selects_by_star_or_ends_in_a_semicolon(void **state)
{
    int i, d;

    for (i = 0; i < STMT_MAX; i++) {
        for (d = 0; d < NMDM_DIALECTS; d++) {
            const char *sql = nmdm_statement_is_for(i, d)
                ? nmdm_statement_text(*state, i, d, "") : "";

            HOLDS(!has_star(sql) && !strstr(sql, ".*")
                  && !strstr(sql, "(*") && !strchr(sql, ';'), "%s",
                  nmdm_statement_name(i));
        }
    }
}

static void a_list_of_ids_has_its_number_of_marks(void **state)
{
    const char *sql = nmdm_statement_text(*state, STMT_SEEN, NMDM_PGSQL, "");

    assert_int_equal(count(sql, "%s"), NMDM_SQL_IDS);
    assert_int_equal(count(sql, "(%s,%s"), 1);
    assert_int_equal(count(sql, "%s)"), 1);
    assert_int_equal(count(sql, "%IDS"), 0);
    sql = nmdm_statement_text(*state, STMT_QUEUE_PUT, NMDM_MYSQL, "");
    assert_int_equal(count(sql, "%s"), NMDM_SQL_IDS + 2);
}

/* ---- How SQLite goes about them ---- */

/* What stands in the place of marks does not matter to the planner. */
static const char *with_values(apr_pool_t *p, const char *sql)
{
    char *text = apr_palloc(p, 2 * strlen(sql) + 1), *to = text;

    while (*sql) {
        if (!strncmp(sql, "%pDb", 4)) {
            to = apr_cpystrn(to, "x'00'", 6);
            sql += 4;
        }
        else if (!strncmp(sql, "%s", 2)) {
            to = apr_cpystrn(to, "'v'", 4);
            sql += 2;
        }
        else if (!strncmp(sql, "%lld", 4)) {
            to = apr_cpystrn(to, "'7'", 4);
            sql += 4;
        }
        else {
            sql += *sql == '%';
            *to++ = *sql++;
        }
    }
    *to = '\0';
    return text;
}

static const char *plan_of(world_t *w, nmdm_stmt_e stmt)
{
    const char *sql = with_values(w->pool, nmdm_statement_text(
        w->pool, stmt, NMDM_SQLITE3, w->db_source.prefix));
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    const char *plan = "";
    int n = 1;

    assert_int_equal(apr_dbd_select(
        w->db.driver, w->pool, w->db.handle, &results, apr_pstrcat(
            w->pool, "EXPLAIN QUERY PLAN ", sql, NULL), 1), 0);
    while (!apr_dbd_get_row(w->db.driver, w->pool, results, &row, n++)) {
        plan = apr_pstrcat(w->pool, plan, apr_dbd_get_entry(
            w->db.driver, row, 3), "\n", NULL);
    }
    return plan;
}

/* Whether a step of a plan reads rows that the statement itself has: by the
 * words of SQLite 3.40, and by those of 3.53. */
static int is_of_constants(const char *step)
{
    const char *at = step + strlen("SCAN ");

    at += strspn(at, "0123456789");
    return !strncmp(step, "SCAN CONSTANT ROW\n", 18)
        || !strncmp(at, " CONSTANT ROWS\n", 15)
        || !strncmp(at, "-ROW VALUES CLAUSE\n", 19);
}

/* Whether a plan scans anything but what an inner SELECT of ours, named
 * bounded, has found by an index and cut by its LIMIT (ten thousand rows take
 * it some milliseconds), or the list in a parameter, named j. */
static int scans(const char *plan, const char *sql)
{
    const char *at;

    for (at = plan; (at = strstr(at, "SCAN")); at++) {
        int is_bounded = !strncmp(at, "SCAN bounded\n", 13)
            && (strstr(sql, " LIMIT 100) bounded")
                || strstr(sql, " LIMIT 1000) bounded")
                || strstr(sql, " LIMIT 10000) bounded"));

        if (!is_bounded && !is_of_constants(at)
            && strncmp(at, "SCAN j VIRTUAL TABLE", 20)) {
            return 1;
        }
    }
    return 0;
}

/* While it runs, no other thread can use SQLite. */
static void no_statement_reads_a_whole_table(void **state)
{
    world_t *w = *state;
    int i;

    for (i = 0; i < STMT_MAX; i++) {
        const char *plan;

        if (i == STMT_SCHEMA_PROBE || i == STMT_TOPIC_IN_USE
            || i == STMT_PUSH_CERT_TOPICS) {
            continue;           /* of no rows; asked once a year; of two */
        }
        if (!nmdm_statement_is_for(i, NMDM_SQLITE3)) {
            continue;
        }
        plan = plan_of(w, i);
        HOLDS(!scans(plan, nmdm_statement_text(w->pool, i, NMDM_SQLITE3, "")),
              "%s:\n%s", nmdm_statement_name(i), plan);
    }
}

/* However many events wait, those of one device are found at once, and the
 * first that are due without sorting them all. */
static void a_backlog_of_events_is_not_read(void **state)
{
    const char *plan = plan_of(*state, STMT_EVENT_PUT);

    HOLDS(strstr(plan, "idx_event_device")
          && !strstr(plan, "idx_event_due"), "%s", plan);
    plan = plan_of(*state, STMT_EVENT_LOOK);
    HOLDS(strstr(plan, "SEARCH e USING INDEX idx_event_due (is_dead=? AND"
                       " target=? AND next_at<?)")
          && strstr(plan, "SEARCH p USING COVERING INDEX idx_event_device"
                          " (device_id=? AND target=? AND is_dead=? AND"
                          " seq<?)")
          && !strstr(plan, "TEMP B-TREE"), "%s", plan);
    plan = plan_of(*state, STMT_EVENT_PUT_OFF);
    HOLDS(strstr(plan, "idx_event_device (device_id=? AND target=? AND"
                       " is_dead=?"), "%s", plan);
    plan = plan_of(*state, STMT_EVENT_LIST_DEAD);
    HOLDS(!strstr(plan, "SCAN"), "%s", plan);
}

/* Ten thousand of the last are counted at once. */
static void figures_come_from_an_index(void **state)
{
    static const struct {
        nmdm_stmt_e stmt;
        const char *uses;
    } ROWS[] = {
        { STMT_STATS_ENROLLED, "idx_enrollment_type_id (type=? AND id>?)" },
        { STMT_STATS_REFUSALS, "idx_push_next (next_at=?)" },
        { STMT_STATS_EVENTS_DEAD,
          "COVERING INDEX idx_event_due (is_dead=?)" },
        { STMT_STATS_PENDING, "idx_queue_pending (id>?)" },
        { STMT_STATS_SILENT, "idx_push_next (next_at>?)" },
        { STMT_STATS_PUT_OFF, "idx_result_status (status=?)" },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        const char *plan = plan_of(*state, ROWS[i].stmt);

        HOLDS(strstr(plan, ROWS[i].uses), "%s:\n%s",
              nmdm_statement_name(ROWS[i].stmt), plan);
    }
}

static void the_next_command_comes_from_the_index_of_what_waits(void **state)
{
    const char *plan = plan_of(*state, STMT_QUEUE_NEXT);

    HOLDS(strstr(plan, "idx_queue_pending") && !strstr(plan, "TEMP B-TREE"),
          "%s", plan);
    /* The measure can tell: without our column it has to sort. */
    plan = plan_of(*state, STMT_QUEUE_NEXT_SCAN);
    HOLDS(!strstr(plan, "idx_queue_pending"), "%s", plan);
}

/* Page 10,000 costs what page 1 does: each begins where an index says, and
 * none sorts more than equals. */
static void pages_come_from_an_index_in_their_order(void **state)
{
    static const struct {
        nmdm_stmt_e stmt;
        const char *uses;
    } ROWS[] = {
        { STMT_ENROLLMENTS_WALK, "sqlite_autoindex_enrollments_1 (id>?)" },
        { STMT_ENROLLMENTS_SKIP, "sqlite_autoindex_enrollments_1 (id>?)" },
        { STMT_ENROLLMENTS_DISABLED, "idx_enrollment_disabled (id>?)" },
        { STMT_ENROLLMENTS_BEGUN, "idx_device_begun (id>?)" },
        { STMT_STATS_BEGUN, "idx_device_begun (id>?)" },
        { STMT_ENROLLMENTS_NAME,
          "idx_user_short_name (user_short_name=? AND id>?)" },
        { STMT_ENROLLMENTS_TYPE, "idx_enrollment_type_id (type=? AND id>?)" },
        { STMT_QUEUE_PAGE, "idx_queue_pending (id=? AND priority<?)" },
        { STMT_RESULT_PAGE, "idx_result_time (id=? AND updated_at<?)" },
        { STMT_LAST_REPORT, "idx_result_time (id=?)" },
        { STMT_SPENT_PAGE, "sqlite_autoindex_enrollment_queue_1 (id=? AND"
                           " command_uuid>?)" },
        { STMT_COMMAND_PAGE, "idx_queue_command (command_uuid=? AND id>?)" },
        { STMT_CANCEL_BATCH,
          "idx_queue_command (command_uuid=? AND id>?)" },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        const char *plan = plan_of(*state, ROWS[i].stmt);

        HOLDS(strstr(plan, ROWS[i].uses) && !strstr(plan, "TEMP B-TREE"),
              "%s:\n%s", nmdm_statement_name(ROWS[i].stmt), plan);
    }
    /* At most a hundred serials: few rows to sort. */
    HOLDS(strstr(plan_of(*state, STMT_ENROLLMENTS_SERIALS),
                 "SEARCH d USING INDEX idx_device_serial"), "%s",
          plan_of(*state, STMT_ENROLLMENTS_SERIALS));
}

static void calls_are_written_as_each_database_wants_them(void **state)
{
    const char *sql = nmdm_statement_text(*state, STMT_PENDING, NMDM_PGSQL, "");

    assert_int_equal(count(sql, "EXTRACT(EPOCH FROM CAST(MIN("
                                "bounded.not_now_at) AS TIMESTAMPTZ))"), 1);
    sql = nmdm_statement_text(*state, STMT_QUEUE_PUT_EXPIRING, NMDM_MYSQL, "");
    assert_int_equal(count(sql, "FROM_UNIXTIME(CAST(%s AS SIGNED)),"
                                " CAST(%s AS SIGNED)"), 1);
    sql = nmdm_statement_text(*state, STMT_QUEUE_PAGE, NMDM_PGSQL, "");
    assert_int_equal(count(sql, "CAST(q.created_at AS TEXT)"), 1);
    assert_int_equal(count(sql, "CAST(%s AS TIMESTAMP)"), 2);
    assert_int_equal(count(sql, "_OF("), 0);
    assert_int_equal(count(sql, "_OF_T"), 0);
}

/* ---- Prefixes ---- */

static void a_prefix_is_for_whole_words(void **state)
{
    static const char *const ROWS[][2] = {
        { "devices", "p_devices" }, { " devices ", " p_devices " },
        { "(users)", "(p_users)" }, { "d.devices,users", "d.p_devices,"
                                      "p_users" },
        { "enrollments.id = e.id", "p_enrollments.id = e.id" },
        { "ON view_queue(x)", "ON p_view_queue(x)" },
        { "idx_sha256", "p_idx_sha256" },
        { "nanomdm_devices_touch", "p_nanomdm_devices_touch" },
        { "mydevices devices_ _devices device s", NULL },
        { "devices2 Devices DEVICES commandsx", NULL },
        { "command_resultss xcommand_results command", NULL },
        { "my_idx_x idx_ nanomdm_ xnanomdm_schema idx", NULL },
        { "SELECT %s, %pDb, 'x'", NULL }, { "", NULL }
    };
    apr_size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        const char *expected = ROWS[i][1] ? ROWS[i][1] : ROWS[i][0];
        const char *sql = nmdm_dialect_prefixed(*state, ROWS[i][0], "p_");

        HOLDS(!strcmp(sql, expected), "%s: %s", ROWS[i][0], sql);
    }
}

static void no_prefix_changes_nothing(void **state)
{
    assert_string_equal(nmdm_dialect_prefixed(*state, "devices users", ""),
                        "devices users");
    assert_string_equal(nmdm_dialect_prefixed(*state, "devices users", NULL),
                        "devices users");
}

/* ---- Dialects ---- */

static void drivers_are_known_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(nmdm_dialect_of("sqlite3"), &nmdm_dialect_sqlite3);
    assert_ptr_equal(nmdm_dialect_of("pgsql"), &nmdm_dialect_pgsql);
    assert_ptr_equal(nmdm_dialect_of("mysql"), &nmdm_dialect_mysql);
    assert_null(nmdm_dialect_of("sqlite2"));
    assert_null(nmdm_dialect_of("freetds"));
    assert_null(nmdm_dialect_of(""));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)
#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(documents_are_read_as_long_columns),
        DB_TEST(every_statement_can_be_prepared),
        TEST(every_statement_can_be_prepared_with_a_prefix),
        TEST(a_prefix_stands_before_every_name_of_ours),
        TEST(a_statement_has_the_same_marks_in_every_dialect),
        TEST(statements_have_names_of_their_own_that_can_be_labels),
        TEST(a_label_tells_texts_apart),
        TEST(no_statement_selects_by_star_or_ends_in_a_semicolon),
        TEST(a_list_of_ids_has_its_number_of_marks),
        DB_TEST(no_statement_reads_a_whole_table),
        DB_TEST(a_backlog_of_events_is_not_read),
        DB_TEST(figures_come_from_an_index),
        DB_TEST(the_next_command_comes_from_the_index_of_what_waits),
        DB_TEST(pages_come_from_an_index_in_their_order),
        TEST(calls_are_written_as_each_database_wants_them),
        TEST(a_prefix_is_for_whole_words),
        TEST(no_prefix_changes_nothing),
        TEST(drivers_are_known_by_name),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
