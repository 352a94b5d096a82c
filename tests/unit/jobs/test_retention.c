/* SPDX-License-Identifier: Apache-2.0 */
/* test_retention.c -- what is removed once it is finished and old, and what
 * never is. */

#include "support.h"
#include "jobs/retention.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))

/* Times by the database's clock, in days before now. */
#define DAYS_AGO "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-%d days')"

static nmdm_retention_t RULES;
static nmdm_retention_rule_t TEN_DAYS = { 10, 0, 0 };

static void stride(world_t *w)
{
    nmdm_ctx_t *ctx = request(w, NULL);

    tell(w, "UPDATE nanomdm_chores SET next_at = 0");
    OK(nmdm_retention_run(ctx));
    nmdm_db_release(ctx);
}

/* A command of a type, for these ids. */
static void queue(world_t *w, const char *uuid, const char *type,
                  const char *ids)
{
    enqueue(w, ids, uuid);
    tell(w, "UPDATE commands SET request_type = '%s'"
            " WHERE command_uuid = '%s'", type, uuid);
}

static void answer(world_t *w, const char *id, const char *uuid,
                   const char *status, int days_ago)
{
    next(w, device(w, id), status, uuid);
    tell(w, "UPDATE command_results SET updated_at = " DAYS_AGO
            " WHERE id = '%s' AND command_uuid = '%s'", days_ago, id, uuid);
}

/* One that was answered so long ago. */
static void past(world_t *w, const char *uuid, const char *type,
                 int days_ago)
{
    queue(w, uuid, type, "D");
    answer(w, "D", uuid, "Acknowledged", days_ago);
}

/* The UUIDs of a table, in order. */
static const char *uuids(world_t *w, const char *table)
{
    return ask(w, "SELECT GROUP_CONCAT(command_uuid, ' ')"
                  "  FROM (SELECT DISTINCT command_uuid FROM %s"
                  "         ORDER BY command_uuid)", table);
}

static void left(world_t *w, const char *expected)
{
    IS(uuids(w, "commands"), expected);
    IS(uuids(w, "enrollment_queue"), expected);
}

static void what_is_old_and_answered_is_removed(void **state)
{
    world_t *w = *state;

    past(w, "C1", "ProfileList", 9);
    past(w, "C2", "ProfileList", 11);
    past(w, "C3", "DeviceInformation", 300);
    queue(w, "C4", "DeviceInformation", "D");
    answer(w, "D", "C4", "Error", 30);
    stride(w);
    left(w, "C1");
    IS(uuids(w, "command_results"), "C1");
    assert_int_equal(logged(w, "NMDM0940"), 1);
    assert_int_equal(logged(w, "DeviceInformation 2"), 1);
    assert_int_equal(logged(w, "ProfileList 1"), 1);
}

static void what_waits_is_never_removed(void **state)
{
    world_t *w = *state;

    queue(w, "C1", "ProfileList", "D");
    queue(w, "C2", "ProfileList", "D");
    answer(w, "D", "C2", "NotNow", 300);
    tell(w, "UPDATE enrollment_queue SET created_at = '2001-01-01',"
            "       updated_at = '2001-01-01'");
    stride(w);
    left(w, "C1 C2");
    IS(uuids(w, "command_results"), "C2");
}

static void a_command_stays_while_somebody_waits_for_it(void **state)
{
    world_t *w = *state;

    enroll(w, device(w, "E"));
    queue(w, "C1", "ProfileList", "D,E");
    answer(w, "D", "C1", "Acknowledged", 30);
    stride(w);
    IS(uuids(w, "commands"), "C1");
    IS(ask(w, "SELECT GROUP_CONCAT(id) FROM enrollment_queue"), "E");
    IS(next(w, device(w, "E"), "Idle", NULL), "C1");
    answer(w, "E", "C1", "Acknowledged", 30);
    stride(w);
    IS(uuids(w, "commands"), "");
}

static void what_was_cancelled_or_expired_goes_as_well(void **state)
{
    world_t *w = *state;
    int i;

    for (i = 1; i < 6; i++) {
        queue(w, apr_psprintf(w->pool, "C%d", i), "ProfileList", "D");
    }
    answer(w, "D", "C2", "NotNow", 30);
    tell(w, "UPDATE enrollment_queue SET active = FALSE"
            " WHERE command_uuid IN ('C1', 'C2', 'C3')");
    tell(w, "UPDATE enrollment_queue SET updated_at = " DAYS_AGO
            " WHERE command_uuid IN ('C1', 'C2', 'C5')", 11);
    tell(w, "UPDATE enrollment_queue SET expires_at = " DAYS_AGO
            " WHERE command_uuid = 'C4'", 11);
    tell(w, "UPDATE enrollment_queue SET expires_at = " DAYS_AGO
            " WHERE command_uuid = 'C5'", 9);
    stride(w);
    left(w, "C3 C5");
    IS(uuids(w, "command_results"), "");
}

static void the_newest_of_a_type_are_kept(void **state)
{
    static nmdm_retention_rule_t keeping = { 10, 2, 0 };
    world_t *w = *state;

    RULES.others = &keeping;
    enroll(w, device(w, "E"));
    past(w, "C1", "ProfileList", 5);
    past(w, "C2", "ProfileList", 20);
    past(w, "C3", "ProfileList", 21);
    past(w, "C4", "ProfileList", 22);
    past(w, "C5", "DeviceInformation", 500);
    past(w, "C6", "DeviceInformation", 501);
    past(w, "C7", "DeviceInformation", 502);
    queue(w, "C8", "ProfileList", "E");
    answer(w, "E", "C8", "Acknowledged", 600);
    stride(w);
    left(w, "C1 C2 C5 C6 C8");
}

static void a_rule_for_a_type_goes_before_the_other(void **state)
{
    static nmdm_retention_rule_t longer = { 100, 0, 0 };
    static nmdm_retention_rule_t by_count = { 0, 1, 0 };
    world_t *w = *state;

    apr_hash_set(RULES.by_type, "ProfileList", APR_HASH_KEY_STRING, &longer);
    apr_hash_set(RULES.by_type, "Test", APR_HASH_KEY_STRING, &by_count);
    past(w, "C1", "ProfileList", 99);
    past(w, "C2", "ProfileList", 101);
    past(w, "C3", "Test", 0);
    past(w, "C4", "Test", 1);
    past(w, "C5", "Other", 11);
    stride(w);
    left(w, "C1 C3");
    RULES.others = NULL;
    past(w, "C6", "Other", 1000);
    stride(w);
    left(w, "C1 C3 C6");
}

static void what_nobody_can_get_again_stays_unless_it_is_named(void **state)
{
    world_t *w = *state;

    past(w, "C1", "DeviceLock", 4000);
    past(w, "C2", "SetRecoveryLock", 4000);
    past(w, "C3", "RotateFileVaultKey", 4000);
    past(w, "C4", "EraseDevice", 4000);
    past(w, "C5", "SetFirmwarePassword", 4000);
    past(w, "C6", "SecurityInfo", 4000);
    past(w, "C7", "ProfileList", 4000);
    stride(w);
    left(w, "C1 C2 C3 C4 C5 C6");
    apr_hash_set(RULES.by_type, "DeviceLock", APR_HASH_KEY_STRING,
                 &TEN_DAYS);
    stride(w);
    left(w, "C2 C3 C4 C5 C6");
}

static void a_dry_run_only_tells(void **state)
{
    static nmdm_retention_rule_t dry = { 10, 0, 1 };
    world_t *w = *state;

    RULES.others = &dry;
    apr_hash_set(RULES.by_type, "Test", APR_HASH_KEY_STRING, &TEN_DAYS);
    past(w, "C1", "ProfileList", 11);
    past(w, "C2", "Test", 11);
    tell(w, "INSERT INTO nanomdm_events (device_id, target, event_id, topic,"
            " body, is_dead, next_at, dies_at, created_at)"
            " VALUES ('D', 't', 'e', 'mdm.Connect', '{}', TRUE, 0, 0, 0)");
    stride(w);
    left(w, "C1");
    IS(ask(w, "SELECT COUNT(*) FROM nanomdm_events"), "1");
    assert_int_equal(logged(w, "NMDM0941: -: NanoMDMRetention dry-run would"
                               " remove: ProfileList 1"), 1);
    assert_int_equal(logged(w, "ProfileList 1; the next look is at 20"), 1);
    assert_int_equal(logged(w, "finished: Test 1"), 1);
    stride(w);
    assert_int_equal(logged(w, "would remove: ProfileList 1"), 2);
}

static void a_dry_run_says_that_it_would_remove_nothing(void **state)
{
    static nmdm_retention_rule_t dry = { 10, 0, 1 };
    world_t *w = *state;

    apr_hash_set(RULES.by_type, "ProfileList", APR_HASH_KEY_STRING, &dry);
    stride(w);
    assert_int_equal(logged(w, "NMDM0941: -: NanoMDMRetention dry-run would"
                               " remove: nothing; the next look is at 20"),
                     1);
}

/* Runs without making a pass due. */
static void look(world_t *w)
{
    nmdm_ctx_t *ctx = request(w, NULL);

    OK(nmdm_retention_run(ctx));
    nmdm_db_release(ctx);
}

static void rules_that_changed_are_due_at_once(void **state)
{
    static nmdm_retention_rule_t dry = { 10, 0, 1 };
    world_t *w = *state;

    RULES.others = &dry;
    look(w);
    past(w, "C1", "ProfileList", 11);
    look(w);
    left(w, "C1");
    RULES.others = &TEN_DAYS;
    look(w);
    left(w, "C1");              /* a child looks once */
    w->services.has_recorded_retention = 0;  /* another child */
    look(w);
    left(w, "");
    past(w, "C2", "ProfileList", 11);
    w->services.has_recorded_retention = 0;  /* another child */
    look(w);
    left(w, "C2");              /* the same rules: in six hours */
}

static void old_events_that_nobody_took_are_removed(void **state)
{
    world_t *w = *state;
    int i;

    for (i = 0; i < 250; i++) {
        tell(w, "INSERT INTO nanomdm_events (device_id, target, event_id,"
                " topic, body, is_dead, next_at, dies_at, created_at)"
                " VALUES ('D', 't', 'e', 'mdm.Connect', '{}', %d, 0, 0,"
                "         strftime('%%s', 'now') - %d * 86400)",
             i > 0, i == 1 ? 9 : 11);
    }
    stride(w);
    IS(ask(w, "SELECT GROUP_CONCAT(seq) FROM nanomdm_events"), "1,2");
    assert_int_equal(logged(w, "removed 248 events"), 1);
}

/* A thousand results of D, all of one moment. */
static void history(world_t *w, int first, const char *type)
{
    tell(w, "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL"
            " SELECT i + 1 FROM n WHERE i < %d)"
            " INSERT INTO commands (command_uuid, request_type, command)"
            " SELECT 'H' || i, '%s', '<?xml' FROM n", first, first + 999,
         type);
    tell(w, "INSERT INTO enrollment_queue (id, command_uuid)"
            " SELECT 'D', command_uuid FROM commands"
            "  WHERE command_uuid LIKE 'H%%' ON CONFLICT DO NOTHING");
    tell(w, "INSERT INTO command_results (id, command_uuid, status, result,"
            "                             updated_at)"
            " SELECT 'D', command_uuid, 'Acknowledged', '<?xml', " DAYS_AGO
            "   FROM commands WHERE command_uuid LIKE 'H%%'"
            " ON CONFLICT DO NOTHING", 50);
}

static void a_stride_is_bounded_and_the_next_goes_on(void **state)
{
    world_t *w = *state;
    int i;

    history(w, 0, "ProfileList");
    history(w, 1000, "ProfileList");
    history(w, 2000, "ProfileList");
    for (i = 2; i >= 0; i--) {
        stride(w);
        assert_int_equal(atoi(ask(w, "SELECT COUNT(*) FROM commands")),
                         i * 1000);
        IS(ask(w, "SELECT next_at - strftime('%%s', 'now') < 10"
                  "  FROM nanomdm_chores"), "1");
    }
    stride(w);
    IS(ask(w, "SELECT position = '' AND next_at - strftime('%%s', 'now')"
              "       > 20000 FROM nanomdm_chores"), "1");
}

static void what_is_kept_in_between_stops_nobody(void **state)
{
    world_t *w = *state;

    history(w, 0, "ProfileList");
    history(w, 1000, "SecurityInfo");
    history(w, 2000, "ProfileList");
    stride(w);
    stride(w);
    stride(w);
    IS(ask(w, "SELECT COUNT(*) FROM commands"), "1000");
    IS(ask(w, "SELECT MIN(request_type) FROM commands"), "SecurityInfo");
}

static void every_enrollment_has_its_turn(void **state)
{
    world_t *w = *state;
    int i;

    for (i = 0; i < 250; i++) {
        enroll(w, device(w, apr_psprintf(w->pool, "E%03d", i)));
    }
    queue(w, "C1", "ProfileList", "E000,E099,E100,E199,E200,E249");
    tell(w, "INSERT INTO command_results (id, command_uuid, status, result,"
            "                             updated_at)"
            " SELECT id, 'C1', 'Error', '<?xml', " DAYS_AGO
            "   FROM enrollment_queue", 50);
    stride(w);
    IS(ask(w, "SELECT position FROM nanomdm_chores"), "E098");
    IS(uuids(w, "commands"), "C1");
    stride(w);
    stride(w);
    IS(uuids(w, "commands"), "");
    IS(ask(w, "SELECT position FROM nanomdm_chores"), "");
}

static void one_at_a_time_does_it(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);

    look(w);
    past(w, "C1", "ProfileList", 11);
    tell(w, "UPDATE nanomdm_chores"
            "   SET next_at = strftime('%%s', 'now') + 50");
    OK(nmdm_retention_run(ctx));
    nmdm_db_release(ctx);
    left(w, "C1");
    /* A clock that was ahead is right again. */
    tell(w, "UPDATE nanomdm_chores"
            "   SET next_at = strftime('%%s', 'now') + 100000");
    OK(nmdm_retention_run(request(w, NULL)));
    IS(ask(w, "SELECT next_at - strftime('%%s', 'now') < 86400"
              "  FROM nanomdm_chores"), "1");
    past(w, "C2", "ProfileList", 11);
    /* A child died; its minute is over. */
    tell(w, "UPDATE nanomdm_chores SET position = 'A',"
            "       next_at = strftime('%%s', 'now') - 1");
    OK(nmdm_retention_run(request(w, NULL)));
    IS(uuids(w, "commands"), "");
}

static void without_the_additive_schema_nothing_is_removed(void **state)
{
    world_t *w = *state;

    past(w, "C1", "ProfileList", 11);
    w->schema.version = 0;
    stride(w);
    left(w, "C1");
    assert_int_equal(logged(w, "NMDM0943"), 1);
}

static int setup(void **state)
{
    int rv = support_world(state);
    world_t *w = *state;

    RULES.by_type = apr_hash_make(w->pool);
    RULES.others = &TEN_DAYS;
    w->policy.retention = &RULES;
    enroll(w, device(w, "D"));
    forget(w);
    return rv;
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, setup, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(what_is_old_and_answered_is_removed),
        DB_TEST(what_waits_is_never_removed),
        DB_TEST(a_command_stays_while_somebody_waits_for_it),
        DB_TEST(what_was_cancelled_or_expired_goes_as_well),
        DB_TEST(the_newest_of_a_type_are_kept),
        DB_TEST(a_rule_for_a_type_goes_before_the_other),
        DB_TEST(what_nobody_can_get_again_stays_unless_it_is_named),
        DB_TEST(a_dry_run_only_tells),
        DB_TEST(a_dry_run_says_that_it_would_remove_nothing),
        DB_TEST(rules_that_changed_are_due_at_once),
        DB_TEST(old_events_that_nobody_took_are_removed),
        DB_TEST(a_stride_is_bounded_and_the_next_goes_on),
        DB_TEST(what_is_kept_in_between_stops_nobody),
        DB_TEST(every_enrollment_has_its_turn),
        DB_TEST(one_at_a_time_does_it),
        DB_TEST(without_the_additive_schema_nothing_is_removed),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
