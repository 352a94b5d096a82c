/* SPDX-License-Identifier: Apache-2.0 */
/* test_push_retry.c -- who is pushed to again, and when. No push certificate
 * is stored, so the pushes themselves end before the network. */

#include "support.h"
#include "api/answer.h"
#include "api/enqueue.h"
#include "net/circuit_breaker.h"
#include "base/once_daily.h"
#include "push/apns_message.h"
#include "jobs/push_retry.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))
#define SECONDS(n) apr_time_from_sec(n)

static const nmdm_push_conf_t REPEATS = {
    .url = "https://localhost", .timeout = apr_time_from_sec(1),
    .wait = apr_time_from_sec(1), .repeats = 1
};

static nmdm_once_daily_t *daily;

/* A command for these, which are pushed to. */
static void order(world_t *w, const char *ids, const char *uuid)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    int status;

    OK(nmdm_api_enqueue(ctx, &reply, &status,
                        nmdm_api_answer_split_ids(ctx->pool, ids),
                        command(w, uuid), 1));
    nmdm_db_release(ctx);
    forget(w);
}

static void sweep_at(world_t *w, apr_time_t now)
{
    nmdm_ctx_t *ctx;
    int more;

    w->now = now;
    ctx = request(w, NULL);
    ctx->services->daily = daily;
    OK(nmdm_push_retry_run(ctx, &more));
    nmdm_db_release(ctx);
    assert_int_equal(more, 0);
}

static int pushed_to(const world_t *w, const char *id)
{
    return logged(w, apr_psprintf(w->pool, "NMDM0923 %s: ", id))
        + logged(w, apr_psprintf(w->pool, "NMDM0923: %s: ", id));
}

/* Seconds from NOW to the next time. */
static long next_of(world_t *w, const char *id)
{
    return strtol(ask(w, "SELECT strftime('%%s', next_at) FROM nanomdm_pushes"
                         " WHERE id = '%s'", id), NULL, 10)
        - (long)apr_time_sec(NOW);
}

static int setup(void **state)
{
    int rv = support_world(state);
    world_t *w = *state;

    w->policy.push = &REPEATS;
    OK(nmdm_once_daily_create(&daily, w->pool));
    enroll(w, device(w, "D"));
    /* Long ago by the database's clock, too. */
    tell(w, "UPDATE enrollments SET last_seen_at = '2001-01-01 00:00:00.000'");
    return rv;
}

static void who_answers_is_forgotten(void **state)
{
    world_t *w = *state;

    order(w, "D", "C1");
    assert_int_equal(next_of(w, "D"), 30);
    sweep_at(w, NOW + SECONDS(29));
    IS(ask(w, "SELECT tries FROM nanomdm_pushes"), "0");
    IS(next(w, device(w, "D"), "Acknowledged", "C1"), "");
    sweep_at(w, NOW + SECONDS(31));
    IS(ask(w, "SELECT COUNT(*) FROM nanomdm_pushes"), "0");
    assert_int_equal(pushed_to(w, "D"), 0);
}

static void who_is_silent_is_pushed_to_at_growing_intervals(void **state)
{
    static const long PAUSES[] = { 120, 480, 1800, 86400, 86400 };
    world_t *w = *state;
    long at = 31;
    size_t i;

    order(w, "D", "C1");
    for (i = 0; i < sizeof(PAUSES) / sizeof(*PAUSES); i++) {
        forget(w);
        sweep_at(w, NOW + SECONDS(at));
        assert_int_equal(pushed_to(w, "D"), 1);
        assert_int_in_range(next_of(w, "D"), (unsigned long)(at + PAUSES[i] * 0.9),
                        (unsigned long)(at + PAUSES[i] * 1.1));
        at = next_of(w, "D") + 1;
    }
}

static void what_a_clock_that_was_ahead_put_off_is_pushed(void **state)
{
    world_t *w = *state;

    order(w, "D", "C1");
    sweep_at(w, NOW);
    sweep_at(w, NOW + SECONDS(400L * 86400));
    forget(w);
    sweep_at(w, NOW + SECONDS(60));
    assert_int_equal(pushed_to(w, "D"), 1);
}

static void who_was_seen_is_left_alone(void **state)
{
    world_t *w = *state;

    order(w, "D", "C1");
    tell(w, "UPDATE enrollments SET last_seen_at = '2101-01-01 00:00:00.000'");
    sweep_at(w, NOW + SECONDS(31));
    assert_int_equal(pushed_to(w, "D"), 0);
    IS(ask(w, "SELECT tries FROM nanomdm_pushes"), "1");
}

static void what_is_taken_back_is_not_pushed_for(void **state)
{
    world_t *w = *state;

    order(w, "D", "C1");
    tell(w, "UPDATE enrollment_queue SET active = FALSE");
    sweep_at(w, NOW + SECONDS(31));
    IS(ask(w, "SELECT COUNT(*) FROM nanomdm_pushes"), "0");
}

static void a_new_order_starts_anew(void **state)
{
    world_t *w = *state;

    order(w, "D", "C1");
    sweep_at(w, NOW + SECONDS(31));
    IS(ask(w, "SELECT tries FROM nanomdm_pushes"), "1");
    w->now = NOW;
    order(w, "D", "C2");
    IS(ask(w, "SELECT tries FROM nanomdm_pushes"), "0");
    assert_int_equal(next_of(w, "D"), 30);
}

static void a_refused_one_is_not_repeated(void **state)
{
    world_t *w = *state;

    order(w, "D", "C1");
    tell(w, "UPDATE nanomdm_pushes SET status = 410, next_at = NULL");
    sweep_at(w, NOW + SECONDS(100000));
    assert_int_equal(pushed_to(w, "D"), 0);
    IS(ask(w, "SELECT status FROM nanomdm_pushes"), "410");
}

static void those_who_left_are_struck_off(void **state)
{
    world_t *w = *state;

    order(w, "D", "C1");
    tell(w, "PRAGMA foreign_keys = ON");
    tell(w, "DELETE FROM devices");
    sweep_at(w, NOW + SECONDS(31));
    IS(ask(w, "SELECT COUNT(*) FROM nanomdm_pushes"), "0");
}

/* ---- The breaker ---- */

static void a_breaker_opens_and_tries_now_and_then(void **state)
{
    world_t *w = *state;
    nmdm_circuit_breaker_t *breaker;
    int i;

    OK(nmdm_circuit_breaker_create(&breaker, w->pool));
    for (i = 0; i < 4; i++) {
        nmdm_circuit_breaker_note(breaker, "t", 0, NOW);
        assert_int_equal(nmdm_circuit_breaker_is_open(breaker, "t", NOW), 0);
    }
    nmdm_circuit_breaker_note(breaker, "t", 0, NOW);
    assert_int_equal(nmdm_circuit_breaker_is_open(breaker, "t", NOW), 1);
    assert_int_equal(nmdm_circuit_breaker_is_open(breaker, "other", NOW), 0);
    assert_int_equal(
        nmdm_circuit_breaker_is_open(breaker, "t", NOW + SECONDS(29)), 1);
    /* One may try, the others wait for what becomes of it. */
    assert_int_equal(
        nmdm_circuit_breaker_is_open(breaker, "t", NOW + SECONDS(31)), 0);
    assert_int_equal(
        nmdm_circuit_breaker_is_open(breaker, "t", NOW + SECONDS(31)), 1);
    nmdm_circuit_breaker_note(breaker, "t", 1, NOW + SECONDS(32));
    assert_int_equal(
        nmdm_circuit_breaker_is_open(breaker, "t", NOW + SECONDS(32)), 0);
}

#define SWEEP_TEST(name) \
    cmocka_unit_test_setup_teardown(name, setup, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEP_TEST(who_answers_is_forgotten),
        SWEEP_TEST(who_is_silent_is_pushed_to_at_growing_intervals),
        SWEEP_TEST(what_a_clock_that_was_ahead_put_off_is_pushed),
        SWEEP_TEST(who_was_seen_is_left_alone),
        SWEEP_TEST(what_is_taken_back_is_not_pushed_for),
        SWEEP_TEST(a_new_order_starts_anew),
        SWEEP_TEST(a_refused_one_is_not_repeated),
        SWEEP_TEST(those_who_left_are_struck_off),
        SWEEP_TEST(a_breaker_opens_and_tries_now_and_then),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
