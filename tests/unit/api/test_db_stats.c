/* SPDX-License-Identifier: Apache-2.0 */
/* test_db_stats.c -- what the database holds, in numbers; one enrollment's
 * story. */

#include "support.h"
#include "api/db_stats.h"
#include "api/timeline.h"
#include "push/apns_message.h"

#include <apr_strings.h>

#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))

/* Of a statement, to make rows 0 to number - 1. */
#define SERIES(number) \
    " FROM (WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s" \
    "        WHERE n < " #number " - 1) SELECT n FROM s)"

static nmdm_db_stats_t figures(world_t *w)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_db_stats_t out;

    OK(nmdm_api_db_stats(&out, ctx));
    nmdm_db_release(ctx);
    return out;
}

static void is_amount(nmdm_amount_t amount, apr_int64_t number, int is_least)
{
    assert_int_equal(amount.number, number);
    assert_int_equal(amount.is_least, is_least);
}

/* Enrollments D0000 and so on. */
#define ENROLL(w, number) \
    do { \
        tell(w, "INSERT INTO devices (id, authenticate)" \
                " SELECT printf('D%%05d', n), '<?xml'" SERIES(number)); \
        tell(w, "INSERT INTO enrollments (id, device_id, type, topic," \
                " push_magic, token_hex)" \
                " SELECT printf('D%%05d', n), printf('D%%05d', n)," \
                " 'Device', 't', 'm', 'a'" SERIES(number)); \
    } while (0)

static void queue(world_t *w, const char *id, const char *uuid)
{
    tell(w, "INSERT OR IGNORE INTO commands (command_uuid, request_type,"
            " command) VALUES ('%s', 'Test', '<?xml')", uuid);
    tell(w, "INSERT INTO enrollment_queue (id, command_uuid, created_at)"
            " VALUES ('%s', '%s', '2026-05-01 00:00:00.000')", id, uuid);
}

/* ---- Counting ---- */

static void an_empty_database_has_nothing(void **state)
{
    nmdm_db_stats_t out = figures(*state);

    is_amount(nmdm_api_db_stats_enrolled(&out.counted), 0, 0);
    assert_true(out.counted.has_queue);
    is_amount(out.counted.pending, 0, 0);
    assert_true(out.counted.oldest_pending == 0);
    is_amount(out.refused, 0, 0);
    assert_int_equal(out.topics->nelts, 0);
    assert_true(out.counted.estimate == 0);
}

static void enabled_enrollments_are_counted_by_type(void **state)
{
    world_t *w = *state;
    nmdm_db_stats_t out;

    ENROLL(w, 5);
    tell(w, "UPDATE enrollments SET enabled = FALSE WHERE id = 'D00001'");
    tell(w, "UPDATE enrollments SET type = 'User Enrollment (Device)'"
            " WHERE id = 'D00002'");
    out = figures(w);
    is_amount(out.counted.enabled[0], 3, 0);
    is_amount(out.counted.enabled[3], 1, 0);
    is_amount(nmdm_api_db_stats_enrolled(&out.counted), 4, 0);
}

/* The strides end at ten thousand, and then the database is asked. */
static void beyond_the_bound_there_is_an_estimate(void **state)
{
    world_t *w = *state;
    nmdm_db_stats_t out;

    ENROLL(w, 10001);
    out = figures(w);
    is_amount(out.counted.enabled[0], 10000, 1);
    assert_int_equal(out.counted.estimate, 10001);
}

static void what_waits_is_counted_with_the_oldest(void **state)
{
    world_t *w = *state;
    nmdm_db_stats_t out;

    ENROLL(w, 3);
    queue(w, "D00000", "A");
    queue(w, "D00001", "B");
    queue(w, "D00002", "C");
    tell(w, "UPDATE enrollment_queue SET active = FALSE WHERE id = 'D00002'");
    tell(w, "UPDATE enrollment_queue SET created_at ="
            " '2026-04-01 00:00:00.000' WHERE id = 'D00001'");
    out = figures(w);
    is_amount(out.counted.pending, 2, 0);
    assert_int_equal(apr_time_sec(out.counted.oldest_pending), 1775001600);
}

static void without_the_additive_schema_there_is_no_queue(void **state)
{
    world_t *w = *state;
    nmdm_db_stats_t out;

    ENROLL(w, 2);
    w->schema.version = 0;
    out = figures(w);
    assert_false(out.counted.has_queue);
    is_amount(out.counted.enabled[0], 2, 0);
    is_amount(out.refused, 0, 0);
}

/* ---- Who is slow ---- */

static void pushed(world_t *w, const char *id, int tries, const char *next_at)
{
    tell(w, "INSERT INTO nanomdm_pushes (id, tries, next_at, pushed_at)"
            " VALUES ('%s', %d, %s, '2026-05-30 00:00:00.000')", id, tries,
         next_at);
}

static void who_is_pushed_to_in_vain_is_silent(void **state)
{
    world_t *w = *state;
    nmdm_db_stats_t out;
    nmdm_slow_t *slow;

    ENROLL(w, 5);
    tell(w, "UPDATE enrollments SET last_seen_at ="
            " '2026-05-01 00:00:00.000'");
    tell(w, "UPDATE enrollments SET last_seen_at ="
            " '2026-04-01 00:00:00.000' WHERE id = 'D00001'");
    pushed(w, "D00000", 4, "'2026-06-02 00:00:00.000'");
    pushed(w, "D00001", 9, "'2026-06-02 00:00:00.000'");
    pushed(w, "D00002", 3, "'2026-06-02 00:00:00.000'");    /* young yet */
    pushed(w, "D00003", 4, "NULL");                         /* refused */
    pushed(w, "D00004", 4, "'2026-06-02 00:00:00.000'");
    tell(w, "UPDATE enrollments SET last_seen_at ="
            " '2026-05-31 00:00:00.000' WHERE id = 'D00004'");
    out = figures(w);
    is_amount(out.counted.silent, 2, 0);
    assert_int_equal(out.silent->nelts, 2);
    slow = &APR_ARRAY_IDX(out.silent, 0, nmdm_slow_t);
    IS(slow->id, "D00001");
    assert_int_equal(apr_time_sec(slow->since), 1775001600);
    IS(APR_ARRAY_IDX(out.silent, 1, nmdm_slow_t).id, "D00000");
}

/* Those with the latest next time are looked at: a thousand. */
static void of_many_pushes_the_repeated_ones_are_looked_at(void **state)
{
    world_t *w = *state;
    nmdm_db_stats_t out;

    ENROLL(w, 1500);
    tell(w, "UPDATE enrollments SET last_seen_at ="
            " '2026-05-01 00:00:00.000'");
    tell(w, "INSERT INTO nanomdm_pushes (id, tries, next_at, pushed_at)"
            " SELECT printf('D%%05d', n), CASE WHEN n < 3 THEN 5 ELSE 0 END,"
            " CASE WHEN n < 3 THEN '2026-06-02 00:00:00.000'"
            " ELSE '2026-06-01 00:00:00.000' END, '2026-05-30 00:00:00.000'"
            SERIES(1500));
    out = figures(w);
    is_amount(out.counted.silent, 3, 1);
}

static void not_now(world_t *w, const char *id, const char *uuid,
                    const char *since)
{
    queue(w, id, uuid);
    tell(w, "INSERT INTO command_results (id, command_uuid, status, result,"
            " not_now_at, not_now_tally) VALUES ('%s', '%s', 'NotNow',"
            " '<?xml', '%s', 1)", id, uuid, since);
}

static void who_says_not_now_for_a_day_puts_off(void **state)
{
    static const char LONG_AGO[] = "2026-05-20 00:00:00.000";
    world_t *w = *state;
    nmdm_db_stats_t out;

    ENROLL(w, 6);
    not_now(w, "D00000", "A", LONG_AGO);
    not_now(w, "D00000", "B", "2026-05-10 00:00:00.000");
    not_now(w, "D00001", "A", "2026-05-31 11:59:59.000");
    not_now(w, "D00002", "A", "2026-05-31 12:00:01.000");    /* not a day */
    not_now(w, "D00003", "A", LONG_AGO);
    tell(w, "UPDATE enrollment_queue SET active = FALSE WHERE id = 'D00003'");
    not_now(w, "D00004", "A", LONG_AGO);
    tell(w, "UPDATE command_results SET status = 'Error' WHERE id = 'D00004'");
    not_now(w, "D00005", "A", LONG_AGO);
    tell(w, "UPDATE enrollment_queue SET expires_at ="
            " '2020-01-01 00:00:00.000' WHERE id = 'D00005'");
    out = figures(w);
    is_amount(out.counted.put_off, 2, 0);
    assert_int_equal(out.put_off->nelts, 2);
    IS(APR_ARRAY_IDX(out.put_off, 0, nmdm_slow_t).id, "D00000");
    assert_int_equal(apr_time_sec(APR_ARRAY_IDX(out.put_off, 0,
                                                nmdm_slow_t).since),
                     1778371200);
    IS(APR_ARRAY_IDX(out.put_off, 1, nmdm_slow_t).id, "D00001");
}

static void refused_pushes_are_listed_newest_first(void **state)
{
    world_t *w = *state;
    nmdm_db_stats_t out;

    tell(w, "INSERT INTO nanomdm_pushes (id, status, reason, pushed_at)"
            " SELECT 'R' || n, 410, 'Unregistered',"
            " printf('2026-05-%%02d 00:00:00.000', n + 1)" SERIES(25));
    out = figures(w);
    is_amount(out.refused, 25, 0);
    assert_int_equal(out.refusals->nelts, 20);
    IS(APR_ARRAY_IDX(out.refusals, 0, nmdm_refused_push_t).id, "R24");
}

/* ---- Counted lately ---- */

static void counting_is_not_repeated_at_once(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_stats_cache_t *totals;
    nmdm_db_stats_t out;

    OK(nmdm_stats_cache_create(&totals, w->pool));
    ENROLL(w, 2);
    ctx->services->totals = totals;
    w->fail_for_ever = 1;
    assert_non_null(nmdm_api_db_stats(&out, ctx));
    w->fail_for_ever = 0;
    OK(nmdm_api_db_stats(&out, ctx));
    is_amount(nmdm_api_db_stats_enrolled(&out.counted), 2, 0);
    tell(w, "UPDATE enrollments SET enabled = FALSE");
    OK(nmdm_api_db_stats(&out, ctx));
    is_amount(nmdm_api_db_stats_enrolled(&out.counted), 2, 0);
    ctx->services->totals = NULL;
    OK(nmdm_api_db_stats(&out, ctx));
    is_amount(nmdm_api_db_stats_enrolled(&out.counted), 0, 0);
    nmdm_db_release(ctx);
}

/* ---- One enrollment ---- */

static void a_story_is_told_from_its_end(void **state)
{
    world_t *w = *state;
    device_t mac = device(w, "D");
    nmdm_ctx_t *ctx;
    nmdm_timeline_t one;
    int i;

    enroll(w, mac);
    enqueue(w, "D", "A");
    enqueue(w, "D", "B");
    next(w, mac, "Idle", NULL);
    next(w, mac, "Acknowledged", "A");
    ctx = request(w, NULL);
    OK(nmdm_api_timeline(&one, ctx, "D"));
    nmdm_db_release(ctx);
    IS(one.who->id, "D");
    assert_int_equal(one.pending.pending, 1);
    assert_int_equal(one.queue->nelts, 1);
    assert_true(one.entries->nelts >= 4);
    for (i = 1; i < one.entries->nelts; i++) {
        assert_true(APR_ARRAY_IDX(one.entries, i - 1, nmdm_timeline_entry_t).at
                    >= APR_ARRAY_IDX(one.entries, i, nmdm_timeline_entry_t).at);
    }
}

static void nobody_has_no_story(void **state)
{
    nmdm_ctx_t *ctx = request(*state, NULL);
    nmdm_timeline_t one;

    REFUSED(nmdm_api_timeline(&one, ctx, "nobody"), NMDM_NOT_FOUND, "nobody");
    REFUSED(nmdm_api_timeline(&one, ctx, "\xff"), NMDM_INVALID, "UTF-8");
    nmdm_db_release(ctx);
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(an_empty_database_has_nothing),
        DB_TEST(enabled_enrollments_are_counted_by_type),
        DB_TEST(beyond_the_bound_there_is_an_estimate),
        DB_TEST(what_waits_is_counted_with_the_oldest),
        DB_TEST(without_the_additive_schema_there_is_no_queue),
        DB_TEST(who_is_pushed_to_in_vain_is_silent),
        DB_TEST(of_many_pushes_the_repeated_ones_are_looked_at),
        DB_TEST(who_says_not_now_for_a_day_puts_off),
        DB_TEST(refused_pushes_are_listed_newest_first),
        DB_TEST(counting_is_not_repeated_at_once),
        DB_TEST(a_story_is_told_from_its_end),
        DB_TEST(nobody_has_no_story),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
