/* SPDX-License-Identifier: Apache-2.0 */
/* test_rate_limit.c -- how often a device may come. */

#include "support.h"
#include "base/rate_limit.h"

#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <string.h>

#define SECOND APR_USEC_PER_SEC
#define MINUTE (60 * SECOND)

static const nmdm_rate_limit_t TWO_A_SECOND = { SECOND / 2, 3, "2/s 3" };

/* What the last call of takes() said besides. */
static apr_interval_time_t wait_said;
static int was_news;

static nmdm_rate_limits_t *made(apr_pool_t *p)
{
    return apr_pcalloc(p, nmdm_rate_limits_size());
}

static int takes(nmdm_rate_limits_t *limits, const char *sha256, apr_time_t now)
{
    wait_said = was_news = 0;
    return nmdm_rate_limits_take(limits, &wait_said, &was_news, sha256,
                                 &TWO_A_SECOND, now);
}

/* How many of a hundred requests at one time are taken. */
static int taken(nmdm_rate_limits_t *limits, const char *sha256, apr_time_t now)
{
    int i, n = 0;

    for (i = 0; i < 100; i++) {
        n += takes(limits, sha256, now);
    }
    return n;
}

static const char *digest(apr_pool_t *p, apr_uint64_t key)
{
    return apr_psprintf(p, "%016" APR_UINT64_T_HEX_FMT "%048d", key, 0);
}

static void a_burst_is_taken_and_no_more(void **state)
{
    nmdm_rate_limits_t *limits = made(*state);

    assert_int_equal(taken(limits, digest(*state, 7), NOW), 3);
    assert_int_equal(wait_said, SECOND / 2);
}

static void a_bucket_fills_again(void **state)
{
    nmdm_rate_limits_t *limits = made(*state);
    const char *it = digest(*state, 7);

    assert_int_equal(taken(limits, it, NOW), 3);
    assert_int_equal(takes(limits, it, NOW + SECOND / 2 - 1), 0);
    assert_int_equal(wait_said, 1);
    assert_int_equal(taken(limits, it, NOW + SECOND / 2), 1);
    assert_int_equal(taken(limits, it, NOW + SECOND * 3 / 2), 2);
    assert_int_equal(taken(limits, it, NOW + MINUTE), 3);
    assert_int_equal(taken(limits, it, NOW + 60 * MINUTE), 3);
}

static void what_is_refused_is_not_counted(void **state)
{
    nmdm_rate_limits_t *limits = made(*state);
    const char *it = digest(*state, 7);
    int i;

    for (i = 0; i < 50; i++) {
        taken(limits, it, NOW);
    }
    assert_int_equal(taken(limits, it, NOW + SECOND / 2), 1);
}

static void everybody_has_a_bucket(void **state)
{
    nmdm_rate_limits_t *limits = made(*state);
    apr_uint64_t i;

    for (i = 0; i < 20000; i++) {
        assert_int_equal(taken(limits, digest(*state, i * 8193 + 1), NOW),
                         3);
    }
}

/* Those of two Locations, of which neither lends to the other or takes from
 * it. */
static void each_limit_counts_by_itself(void **state)
{
    static const nmdm_rate_limit_t ONE_AN_HOUR = { 60 * MINUTE, 1, "1/h 1" };
    nmdm_rate_limits_t *limits = made(*state);
    const char *it = digest(*state, 7);
    int i;

    assert_int_equal(nmdm_rate_limits_take(limits, &wait_said, &was_news, it,
                                           &ONE_AN_HOUR, NOW), 1);
    assert_int_equal(taken(limits, it, NOW), 3);
    for (i = 1; i < 60; i++) {
        assert_int_equal(nmdm_rate_limits_take(limits, &wait_said, &was_news,
                                               it, &ONE_AN_HOUR,
                                               NOW + i * MINUTE),
                         0);
        assert_int_equal(taken(limits, it, NOW + i * MINUTE), 3);
    }
}

/* The digests of these lead to one set of eight. */
static void a_full_bucket_gives_way(void **state)
{
    nmdm_rate_limits_t *limits = made(*state);
    apr_uint64_t i;

    assert_int_equal(taken(limits, digest(*state, 5), NOW), 3);
    for (i = 1; i < 100; i++) {
        assert_int_equal(takes(limits, digest(*state, i * 8192 + 5),
                               NOW + (apr_time_t)i), 1);
    }
    assert_int_equal(taken(limits, digest(*state, 5), NOW + 100), 0);
}

/* More of them than there are places: some are forgiven, none is refused what
 * is theirs, and the memory stays as large as it was. */
static void too_many_are_forgiven(void **state)
{
    apr_size_t size = nmdm_rate_limits_size();
    char *memory = apr_pcalloc(*state, size + 64);
    nmdm_rate_limits_t *limits = (nmdm_rate_limits_t *)memory;
    apr_uint64_t i;

    memset(memory + size, 'x', 64);
    for (i = 0; i < 100; i++) {
        assert_int_equal(taken(limits, digest(*state, i * 8192 + 8191), NOW),
                         3);
    }
    for (i = 0; i < 64; i++) {
        assert_int_equal(memory[size + i], 'x');
    }
}

static void a_clock_set_back_locks_nobody_out(void **state)
{
    nmdm_rate_limits_t *limits = made(*state);
    const char *it = digest(*state, 7);

    assert_int_equal(taken(limits, it, NOW), 3);
    assert_int_equal(takes(limits, it, NOW - 60 * MINUTE), 0);
    assert_int_equal(wait_said, SECOND / 2);
    assert_int_equal(taken(limits, it, NOW - 60 * MINUTE + SECOND), 2);
}

static void it_is_news_once_a_minute(void **state)
{
    nmdm_rate_limits_t *limits = made(*state);
    const char *it = digest(*state, 7), *other = digest(*state, 8);
    apr_time_t minute = NOW - NOW % MINUTE + MINUTE;
    int news = 0, i;

    taken(limits, it, minute);
    for (i = 0; i < 20; i++) {
        assert_int_equal(takes(limits, it, minute), 0);
        news += was_news;
    }
    assert_int_equal(news, 0);          /* was told by the first refusal */
    taken(limits, other, minute - 1);
    assert_int_equal(takes(limits, other, minute), 0);
    assert_true(was_news);
    taken(limits, it, minute + MINUTE - 1);
    assert_int_equal(takes(limits, it, minute + MINUTE), 0);
    assert_true(was_news);
}

/* ---- From many threads ---- */

#define THREADS 6
#define EACH 20000

typedef struct {
    nmdm_rate_limits_t *limits;
    int taken;
} crowd_t;

static const nmdm_rate_limit_t AN_HOUR = { 60 * MINUTE, 1000, "1/h 1000" };

/* Others come and go in the same set of buckets meanwhile. */
static void *APR_THREAD_FUNC ask_often(apr_thread_t *thread, void *baton)
{
    crowd_t *crowd = baton;
    int i;

    for (i = 0; i < EACH; i++) {
        apr_interval_time_t wait;
        char other[65];
        int is_news;

        apr_snprintf(other, sizeof(other), "%016x", 8192 * (i % 5 + 1) + 7);
        crowd->taken += nmdm_rate_limits_take(
            crowd->limits, &wait, &is_news, "0000000000000007", &AN_HOUR, NOW);
        nmdm_rate_limits_take(crowd->limits, &wait, &is_news, other,
                              &TWO_A_SECOND, NOW + i);
    }
    (void)thread;
    return NULL;
}

static void threads_share_one_bucket(void **state)
{
    nmdm_rate_limits_t *limits = made(*state);
    crowd_t crowds[THREADS];
    apr_thread_t *threads[THREADS];
    apr_status_t rv;
    int i, n = 0;

    for (i = 0; i < THREADS; i++) {
        crowds[i] = (crowd_t){ limits, 0 };
        assert_int_equal(apr_thread_create(&threads[i], NULL, ask_often,
                                           &crowds[i], *state), 0);
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
        n += crowds[i].taken;
    }
    assert_int_equal(n, AN_HOUR.burst);
}

static void none_is_no_limit(void **state)
{
    nmdm_rate_limit_t off = { 0, 0, "Off" };
    int i, n = 0;

    for (i = 0; i < 100; i++) {
        n += nmdm_rate_limits_take(made(*state), &wait_said, &was_news, "ab",
                                   &off, NOW);
    }
    assert_int_equal(n, 100);
    assert_int_equal(taken(NULL, "ab", NOW), 100);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_burst_is_taken_and_no_more),
        TEST(a_bucket_fills_again),
        TEST(what_is_refused_is_not_counted),
        TEST(everybody_has_a_bucket),
        TEST(each_limit_counts_by_itself),
        TEST(a_full_bucket_gives_way),
        TEST(too_many_are_forgiven),
        TEST(a_clock_set_back_locks_nobody_out),
        TEST(it_is_news_once_a_minute),
        TEST(threads_share_one_bucket),
        TEST(none_is_no_limit),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
