/* SPDX-License-Identifier: Apache-2.0 */
/* test_waiters.c -- how many may wait, and for how long others wait for that. */

#include "support.h"
#include "base/time.h"
#include "net/waiters.h"

#define A_WHILE apr_time_from_msec(100)

typedef int enter_t(nmdm_waiters_t *waiters, apr_interval_time_t timeout);

/* How long it took to find no room. */
static apr_interval_time_t refused_after(enter_t *enter,
                                         nmdm_waiters_t *waiters)
{
    apr_time_t began = nmdm_time_steady();

    assert_false(enter(waiters, A_WHILE));
    return nmdm_time_steady() - began;
}

static void no_more_than_these_wait(void **state)
{
    nmdm_waiters_t *waiters;

    OK(nmdm_waiters_create(&waiters, *state, 2, NULL));
    assert_true(nmdm_waiters_enter(waiters, A_WHILE));
    assert_true(nmdm_waiters_enter_early(waiters, A_WHILE));
    assert_true(refused_after(nmdm_waiters_enter, waiters) >= A_WHILE);
    nmdm_waiters_leave(waiters);
    assert_true(nmdm_waiters_enter(waiters, 0));
    assert_false(nmdm_waiters_enter(waiters, 0));
}

static void none_waits_for_those_who_wait_in_vain(void **state)
{
    nmdm_waiters_t *waiters;

    OK(nmdm_waiters_create(&waiters, *state, 1, NULL));
    assert_true(nmdm_waiters_enter_early(waiters, A_WHILE));
    assert_true(refused_after(nmdm_waiters_enter_early, waiters)
                > A_WHILE / 2);
    assert_true(refused_after(nmdm_waiters_enter_early, waiters)
                < A_WHILE / 2);
    nmdm_waiters_leave(waiters);
    assert_true(nmdm_waiters_enter_early(waiters, A_WHILE));
    assert_true(refused_after(nmdm_waiters_enter_early, waiters)
                > A_WHILE / 2);
}

static void all_have_room_for_fewer_than_each(void **state)
{
    nmdm_waiters_t *all, *some, *others;

    OK(nmdm_waiters_create(&all, *state, 3, NULL));
    OK(nmdm_waiters_create(&some, *state, 2, all));
    OK(nmdm_waiters_create(&others, *state, 3, all));
    assert_true(nmdm_waiters_enter(some, 0));
    assert_true(nmdm_waiters_enter(some, 0));
    assert_false(nmdm_waiters_enter(some, 0));
    assert_true(nmdm_waiters_enter(others, 0));
    assert_false(nmdm_waiters_enter(others, 0));
    nmdm_waiters_leave(some);
    assert_true(nmdm_waiters_enter_early(others, A_WHILE));
    assert_false(nmdm_waiters_enter(some, 0));
    nmdm_waiters_leave(others);
    assert_true(nmdm_waiters_enter(some, 0));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_more_than_these_wait),
        TEST(none_waits_for_those_who_wait_in_vain),
        TEST(all_have_room_for_fewer_than_each),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
