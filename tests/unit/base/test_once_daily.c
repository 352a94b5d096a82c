/* SPDX-License-Identifier: Apache-2.0 */
/* test_once_daily.c -- what is done once a day for each name. */

#include "support.h"
#include "base/once_daily.h"

#include <apr_strings.h>
#include <apr_thread_proc.h>

#define HOURS(n) apr_time_from_sec((n) * 3600)

static nmdm_once_daily_t *made(apr_pool_t *p)
{
    nmdm_once_daily_t *daily = NULL;

    OK(nmdm_once_daily_create(&daily, p));
    return daily;
}

static void each_name_is_due_once_a_day(void **state)
{
    nmdm_once_daily_t *daily = made(*state);

    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW), 1);
    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW), 0);
    assert_int_equal(nmdm_once_daily_is_due(daily, "b", NOW), 1);
    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW + HOURS(23)), 0);
    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW + HOURS(24)), 1);
    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW + HOURS(47)), 0);
}

static void a_clock_that_was_ahead_by_years_keeps_nothing_back(void **state)
{
    nmdm_once_daily_t *daily = made(*state);

    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW + HOURS(10000)), 1);
    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW + HOURS(9990)), 0);
    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW), 1);
    assert_int_equal(nmdm_once_daily_is_due(daily, "a", NOW), 0);
}

static void the_callers_memory_is_not_kept(void **state)
{
    nmdm_once_daily_t *daily = made(*state);
    apr_pool_t *shorter;

    apr_pool_create(&shorter, *state);
    nmdm_once_daily_is_due(daily, apr_pstrdup(shorter, "name"), NOW);
    apr_pool_destroy(shorter);
    assert_int_equal(nmdm_once_daily_is_due(daily, "name", NOW), 0);
}

enum { THREADS = 4, NAMES = 200 };

typedef struct {
    nmdm_once_daily_t *daily;
    int times;
} asker_t;

static void *APR_THREAD_FUNC ask_for_all(apr_thread_t *thread, void *data)
{
    asker_t *asker = data;
    char name[16];
    int i;

    (void)thread;
    for (i = 0; i < NAMES; i++) {
        apr_snprintf(name, sizeof(name), "%d", i);
        asker->times += nmdm_once_daily_is_due(asker->daily, name, NOW);
    }
    return NULL;
}

static void of_many_threads_one_is_told(void **state)
{
    asker_t askers[THREADS];
    apr_thread_t *threads[THREADS];
    nmdm_once_daily_t *daily = made(*state);
    apr_status_t rv;
    int i, times = 0;

    for (i = 0; i < THREADS; i++) {
        askers[i] = (asker_t){ daily, 0 };
        assert_int_equal(apr_thread_create(&threads[i], NULL, ask_for_all,
                                           &askers[i], *state), 0);
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
        times += askers[i].times;
    }
    assert_int_equal(times, NAMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_name_is_due_once_a_day,
                                        support_pool, support_pool_done),
        cmocka_unit_test_setup_teardown(
            a_clock_that_was_ahead_by_years_keeps_nothing_back, support_pool,
            support_pool_done),
        cmocka_unit_test_setup_teardown(the_callers_memory_is_not_kept,
                                        support_pool, support_pool_done),
        cmocka_unit_test_setup_teardown(of_many_threads_one_is_told,
                                        support_pool, support_pool_done),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
