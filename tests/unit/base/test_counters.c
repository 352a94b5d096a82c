/* SPDX-License-Identifier: Apache-2.0 */
/* test_counters.c -- what happened, counted. */

#include "support.h"
#include "base/counters.h"

#include <apr_strings.h>

#include <string.h>

#define MINUTE apr_time_from_sec(60)

static nmdm_counters_t *made(apr_pool_t *p)
{
    nmdm_counters_t *counters = apr_pcalloc(p, nmdm_counters_size());

    nmdm_counters_make(counters, NOW);
    return counters;
}

static int at(const char *const *values, const char *value)
{
    int i = 0;

    while (strcmp(values[i], value)) {
        i++;
    }
    return i;
}

static apr_uint64_t pushes(nmdm_counters_t *counters,
                           const char *result)
{
    return nmdm_counted(counters, NMDM_COUNT_PUSHES, at(
        nmdm_count_family(NMDM_COUNT_PUSHES)->values, result), 0);
}

static void a_value_has_its_counter(void **state)
{
    nmdm_counters_t *counters = made(*state);

    nmdm_count(counters, NMDM_COUNT_PUSHES, "ok", NULL, 1);
    nmdm_count(counters, NMDM_COUNT_PUSHES, "ok", NULL, 2);
    nmdm_count(counters, NMDM_COUNT_PUSHES, "Unregistered", NULL, 1);
    assert_int_equal(pushes(counters, "ok"), 3);
    assert_int_equal(pushes(counters, "Unregistered"), 1);
    assert_int_equal(nmdm_counted_all(counters, NMDM_COUNT_PUSHES), 4);
    assert_int_equal(nmdm_counted_all(counters, NMDM_COUNT_EVENTS), 0);
}

static void an_unknown_value_counts_as_the_last(void **state)
{
    nmdm_counters_t *counters = made(*state);

    nmdm_count(counters, NMDM_COUNT_PUSHES, "Nonsense\"}", NULL, 1);
    nmdm_count(counters, NMDM_COUNT_PUSHES, "", NULL, 1);
    assert_int_equal(pushes(counters, "other"), 2);
    nmdm_count(counters, NMDM_COUNT_CHECKINS, "Authenticate", "odd", 1);
    assert_int_equal(nmdm_counted(counters, NMDM_COUNT_CHECKINS, 0, 2), 1);
}

/* Counting one changes no other: they do not overlap and all have room. */
static void each_value_of_each_family_has_a_place_of_its_own(void **state)
{
    nmdm_counters_t *counters = made(*state);
    int f, i, k, n = 0;

    for (f = 0; f < NMDM_COUNT_FAMILIES; f++) {
        const nmdm_family_t *family = nmdm_count_family(f);

        for (i = 0; i < family->n; i++) {
            for (k = 0; k < family->seconds; k++) {
                assert_int_equal(nmdm_counted(counters, f, i, k), 0);
                nmdm_count(counters, f,
                           family->values ? family->values[i] : NULL,
                           family->second_values ? family->second_values[k]
                                                 : NULL, 1);
                assert_int_equal(nmdm_counted(counters, f, i, k), 1);
                n++;
            }
        }
    }
    /* CELLS of base/counters.c */
    assert_true(n <= 200);
    assert_int_equal(nmdm_counters_since(counters), NOW);
}

static void nobody_counts_without_counters(void **state)
{
    (void)state;
    nmdm_count(NULL, NMDM_COUNT_PUSHES, "ok", NULL, 1);
    nmdm_count_duration(NULL, "api", 1);
    nmdm_counters_tick(NULL, NOW);
    nmdm_counters_see(NULL, "a", NOW);
}

static void a_duration_falls_below_its_bound(void **state)
{
    nmdm_counters_t *counters = made(*state);

    nmdm_count_duration(counters, "device", 1000);
    nmdm_count_duration(counters, "device", 1001);
    nmdm_count_duration(counters, "device", apr_time_from_sec(60));
    nmdm_count_duration(counters, "device", -5);
    assert_int_equal(nmdm_counted(counters, NMDM_COUNT_DURATION, 0, 0), 2);
    assert_int_equal(nmdm_counted(counters, NMDM_COUNT_DURATION, 0, 1), 1);
    assert_int_equal(nmdm_counted(counters, NMDM_COUNT_DURATION, 0, 6), 1);
    assert_int_equal(nmdm_counted(counters, NMDM_COUNT_MICROSECONDS, 0, 0),
                     60002001);
}

static void the_last_hour_is_what_came_since(void **state)
{
    nmdm_counters_t *counters = made(*state);
    int minute;

    for (minute = 0; minute < 200; minute++) {
        nmdm_counters_tick(counters, NOW + minute * MINUTE);
        nmdm_count(counters, NMDM_COUNT_PUSHES, "ok", NULL, 1);
        nmdm_counters_tick(counters, NOW + minute * MINUTE + MINUTE / 2);
        assert_int_equal(
            nmdm_counted_lately(counters, NMDM_COUNT_PUSHES, 0, 0,
                                NOW + minute * MINUTE + MINUTE / 2),
            minute < 60 ? minute + 1 : 61);
    }
    assert_int_equal(nmdm_counted(counters, NMDM_COUNT_PUSHES, 0, 0), 200);
}

static void each_minute_has_what_came_in_it(void **state)
{
    nmdm_counters_t *counters = made(*state);
    apr_uint64_t out[NMDM_MINUTES];
    int minute, i;

    for (minute = 0; minute < 200; minute++) {
        nmdm_counters_tick(counters, NOW + minute * MINUTE);
        nmdm_count(counters, NMDM_COUNT_PUSHES, "ok", NULL, minute);
        nmdm_counted_by_step(out, counters, NMDM_BY_MINUTE,
                             NMDM_COUNT_PUSHES, 0, 0,
                             NOW + minute * MINUTE);
        for (i = 0; i < NMDM_MINUTES; i++) {
            int which = minute - (NMDM_MINUTES - 1 - i);

            assert_int_equal(out[i], which < 0 ? 0 : which);
        }
    }
}

static void a_minute_without_a_copy_moves_to_the_next(void **state)
{
    nmdm_counters_t *counters = made(*state);
    apr_uint64_t out[NMDM_MINUTES], sum = 0;
    int i;

    nmdm_counters_tick(counters, NOW);
    nmdm_count(counters, NMDM_COUNT_PUSHES, "ok", NULL, 5);
    nmdm_counters_tick(counters, NOW + 4 * MINUTE);
    nmdm_count(counters, NMDM_COUNT_PUSHES, "ok", NULL, 2);
    nmdm_counted_by_step(out, counters, NMDM_BY_MINUTE,
                         NMDM_COUNT_PUSHES, 0, 0,
                         NOW + 4 * MINUTE);
    for (i = 0; i < NMDM_MINUTES; i++) {
        sum += out[i];
    }
    assert_int_equal(sum, 7);
    assert_int_equal(out[NMDM_MINUTES - 1], 2);
}

static void a_clock_that_is_set_back_ends_no_hour(void **state)
{
    nmdm_counters_t *counters = made(*state);
    int minute;

    nmdm_counters_tick(counters, NOW + 100000 * MINUTE);
    for (minute = 0; minute < 200; minute++) {
        nmdm_counters_tick(counters, NOW + minute * MINUTE);
        nmdm_count(counters, NMDM_COUNT_PUSHES, "ok", NULL, 1);
    }
    assert_int_equal(nmdm_counted_lately(counters, NMDM_COUNT_PUSHES, 0, 0,
                                         NOW + 199 * MINUTE), 61);
}

static void each_quarter_of_an_hour_has_what_came_in_it(void **state)
{
    nmdm_counters_t *counters = made(*state);
    apr_uint64_t out[NMDM_QUARTERS];
    int minute, i;

    assert_int_equal(nmdm_counted_steps(NMDM_BY_QUARTER), NMDM_QUARTERS);
    for (minute = 0; minute < 30 * 60; minute++) {
        nmdm_counters_tick(counters, NOW + minute * MINUTE);
        nmdm_count(counters, NMDM_COUNT_PUSHES, "ok", NULL, 1);
    }
    nmdm_counted_by_step(out, counters, NMDM_BY_QUARTER, NMDM_COUNT_PUSHES,
                         0, 0, NOW + (minute - 1) * MINUTE);
    for (i = 0; i < NMDM_QUARTERS - 1; i++) {
        assert_int_equal(out[i], 15);
    }
    assert_int_in_range(out[i], 1, 15);
}

static void the_depth_of_the_queue_is_known_where_it_was_noted(void **state)
{
    nmdm_counters_t *counters = made(*state);
    apr_int64_t out[NMDM_STEPS_MOST];
    apr_time_t now = NOW;
    int minute, i;

    nmdm_counters_depths(out, counters, NMDM_BY_MINUTE, now);
    assert_int_equal(out[NMDM_MINUTES - 1], -1);
    for (minute = 0; minute < 10; minute++, now += MINUTE) {
        nmdm_counters_tick(counters, now);
        assert_true(nmdm_counters_depth_is_due(counters, now));
        assert_false(nmdm_counters_depth_is_due(counters, now + 1));
        nmdm_counters_note_depth(counters, minute * 100, now);
    }
    now -= MINUTE;
    nmdm_counters_depths(out, counters, NMDM_BY_MINUTE, now);
    for (i = 0; i < 10; i++) {
        assert_int_equal(out[NMDM_MINUTES - 1 - i], (9 - i) * 100);
    }
    assert_int_equal(out[NMDM_MINUTES - 11], -1);

    /* Then it was looked at no more. */
    for (minute = 0; minute < 10; minute++, now += MINUTE) {
        nmdm_counters_tick(counters, now);
    }
    nmdm_counters_depths(out, counters, NMDM_BY_MINUTE, now - MINUTE);
    assert_int_equal(out[NMDM_MINUTES - 1], -1);
    assert_int_equal(out[NMDM_MINUTES - 11], 800);
    nmdm_counters_note_depth(NULL, 1, now);
    assert_false(nmdm_counters_depth_is_due(NULL, now));
}

/* ---- Devices ---- */

static void see(apr_pool_t *p, nmdm_counters_t *counters, int from, int to,
                apr_time_t now)
{
    apr_pool_t *scratch;
    int i;

    apr_pool_create(&scratch, p);
    for (i = from; i < to; i++) {
        nmdm_counters_see(counters, apr_psprintf(
            scratch, "8C5A6D1E-9C0B-4B7E-8F67-%012d", i), now);
        apr_pool_clear(scratch);
    }
}

static void few_devices_are_counted_exactly(void **state)
{
    nmdm_counters_t *counters = made(*state);

    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_HOUR, NOW), 0);
    see(*state, counters, 0, 5, NOW);
    see(*state, counters, 0, 5, NOW);
    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_HOUR, NOW), 5);
    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_DAY, NOW), 5);
}

static void is_near(apr_uint64_t estimate, int number)
{
    HOLDS(estimate > number * 0.92 && estimate < number * 1.08, "%d for %d",
          (int)estimate, number);
}

static void many_devices_are_counted_nearly(void **state)
{
    static const int NUMBERS[] = { 300, 2000, 5500, 20000, 300000 };
    int i;

    for (i = 0; i < 5; i++) {
        nmdm_counters_t *counters = made(*state);

        see(*state, counters, 0, NUMBERS[i], NOW);
        is_near(nmdm_counters_seen(counters, NMDM_LAST_DAY, NOW),
                NUMBERS[i]);
    }
}

static void hours_and_days_end(void **state)
{
    nmdm_counters_t *counters = made(*state);

    see(*state, counters, 0, 10, NOW);
    see(*state, counters, 5, 20, NOW + 30 * MINUTE);
    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_HOUR,
                                        NOW + 59 * MINUTE), 20);
    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_HOUR,
                                        NOW + 70 * MINUTE), 15);
    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_HOUR,
                                        NOW + 120 * MINUTE), 0);
    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_DAY,
                                        NOW + 23 * 60 * MINUTE), 20);
    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_DAY,
                                        NOW + 27 * 60 * MINUTE), 0);
    /* Its memory is used again. */
    see(*state, counters, 100, 103, NOW + 65 * MINUTE);
    assert_int_equal(nmdm_counters_seen(counters, NMDM_LAST_HOUR,
                                        NOW + 110 * MINUTE), 3);
}

static void deaths_are_due_once_a_minute(void **state)
{
    nmdm_counters_t *counters = made(*state);

    assert_int_equal(nmdm_counters_due_deaths(counters, 0, NOW), 0);
    assert_int_equal(nmdm_counters_due_deaths(counters, 1, NOW), 1);
    assert_int_equal(nmdm_counters_due_deaths(counters, 2, NOW), 0);
    assert_int_equal(nmdm_counters_due_deaths(counters, 1,
                                              NOW + MINUTE - 1000000), 0);
    assert_int_equal(nmdm_counters_due_deaths(counters, 0, NOW + MINUTE), 3);
    assert_int_equal(nmdm_counters_due_deaths(counters, 0, NOW + 2 * MINUTE),
                     0);
    /* The clock was set back. */
    assert_int_equal(nmdm_counters_due_deaths(counters, 1, NOW - MINUTE), 1);
    assert_int_equal(nmdm_counters_due_deaths(NULL, 7, NOW), 7);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_has_its_counter),
        TEST(an_unknown_value_counts_as_the_last),
        TEST(each_value_of_each_family_has_a_place_of_its_own),
        TEST(nobody_counts_without_counters),
        TEST(a_duration_falls_below_its_bound),
        TEST(the_last_hour_is_what_came_since),
        TEST(each_minute_has_what_came_in_it),
        TEST(a_minute_without_a_copy_moves_to_the_next),
        TEST(a_clock_that_is_set_back_ends_no_hour),
        TEST(each_quarter_of_an_hour_has_what_came_in_it),
        TEST(the_depth_of_the_queue_is_known_where_it_was_noted),
        TEST(few_devices_are_counted_exactly),
        TEST(many_devices_are_counted_nearly),
        TEST(hours_and_days_end),
        TEST(deaths_are_due_once_a_minute),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
