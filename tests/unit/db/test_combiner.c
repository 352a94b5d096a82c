/* SPDX-License-Identifier: Apache-2.0 */
/* test_combiner.c -- many threads that ask together, without a database. */

#include "support.h"
#include "base/time.h"
#include "db/combiner.h"

#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <stdlib.h>
#include <string.h>

enum {
    THREADS = 24, CALLS = 200,
    DEVICES = 20,               /* so some of the threads are of one device */
    FAILS_EVERY = 7             /* of batches */
};

/* What callers share. The clock is the database's: it advances with each call
 * and with each statement. */
typedef struct {
    nmdm_combiner_t *combiner;
    apr_uint32_t clock, batches, failed, repeats;
    apr_uint32_t is_stopped, after_stop;
    apr_uint32_t here;          /* callers that are ready */
    apr_interval_time_t takes;  /* a statement */
    apr_pool_t *pool;
} site_t;

typedef struct {
    nmdm_batch_entry_t entry;   /* first */
    site_t *site;
    apr_uint32_t asked, answered;       /* by the clock */
    const char *answer;
    int was_in_batch, fails;
} call_t;

typedef struct {
    site_t *site;
    int number;
    int old_answers, others_answers, lost_errors, calls;
    apr_thread_t *thread;
    apr_pool_t *pool;
} caller_t;

/* ---- Statements ---- */

static nmdm_err_t *failed(nmdm_ctx_t *ctx, const char *why)
{
    return nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, "%s", why);
}

static apr_uint32_t now(site_t *site)
{
    return apr_atomic_inc32(&site->clock) + 1;
}

static nmdm_err_t *single(nmdm_ctx_t *ctx, void *baton)
{
    call_t *call = baton;

    call->answered = now(call->site);
    call->answer = call->entry.key;
    call->was_in_batch = 0;
    apr_sleep(call->site->takes);
    return call->fails ? failed(ctx, call->entry.key) : NULL;
}

/* One whose data fails takes the whole batch with it. */
static nmdm_err_t *together(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first)
{
    site_t *site = ((call_t *)first)->site;
    apr_uint32_t begun = now(site), number = apr_atomic_inc32(&site->batches);
    nmdm_batch_entry_t *entry, *other;
    int has_bad = 0;

    for (entry = first; entry; entry = entry->next) {
        call_t *call = (call_t *)entry;

        call->answered = begun;
        call->answer = entry->key;
        call->was_in_batch = 1;
        has_bad |= call->fails;
        for (other = entry->next; other; other = other->next) {
            if (!strcmp(entry->key, other->key)) {
                apr_atomic_inc32(&site->repeats);
            }
        }
    }
    apr_sleep(site->takes);
    if (has_bad || number % FAILS_EVERY == 0) {
        apr_atomic_inc32(&site->failed);
        return failed(ctx, "a batch");
    }
    return NULL;
}

static const nmdm_combined_t STATEMENTS = { single, together };

/* ---- Callers ---- */

static nmdm_err_t *ask_once(caller_t *caller, call_t *call, apr_pool_t *p)
{
    static nmdm_services_t services;
    nmdm_ctx_t ctx = { .pool = p, .services = &services };
    int was_stopped = (int)apr_atomic_read32(&caller->site->is_stopped);
    nmdm_err_t *err;

    memset(call, 0, sizeof(*call));
    call->site = caller->site;
    call->entry.key = apr_itoa(p, caller->number % DEVICES);
    call->fails = caller->number == 3 && caller->calls % 5 == 0;
    call->asked = now(caller->site);
    err = nmdm_combiner_run(caller->site->combiner, &ctx, &STATEMENTS, call);
    if (was_stopped && call->was_in_batch) {
        apr_atomic_inc32(&caller->site->after_stop);
    }
    return err;
}

static void *APR_THREAD_FUNC come(apr_thread_t *thread, void *data)
{
    caller_t *caller = data;
    call_t call;
    apr_pool_t *p;

    (void)thread;
    apr_pool_create(&p, caller->pool);
    apr_atomic_inc32(&caller->site->here);
    while (apr_atomic_read32(&caller->site->here) < THREADS) {
        apr_sleep(100);
    }
    for (caller->calls = 0; caller->calls < CALLS; caller->calls++) {
        nmdm_err_t *err = ask_once(caller, &call, p);

        caller->old_answers += call.answered <= call.asked;
        caller->others_answers += call.answer != call.entry.key;
        caller->lost_errors += (err != NULL) != call.fails;
        apr_pool_clear(p);
    }
    return NULL;
}

static site_t *new_site(apr_pool_t *p, int few)
{
    site_t *site = apr_pcalloc(p, sizeof(*site));

    site->pool = p;
    site->takes = 200;
    OK(nmdm_combiner_create(&site->combiner, p, few));
    return site;
}

static void start(caller_t *callers, site_t *site,
                  void *(APR_THREAD_FUNC *work)(apr_thread_t *, void *), int n)
{
    int i;

    for (i = 0; i < n; i++) {
        callers[i] = (caller_t){ .site = site, .number = i };
        assert_int_equal(nmdm_own_pool(&callers[i].pool, site->pool), 0);
        assert_int_equal(apr_thread_create(&callers[i].thread, NULL, work,
                                           &callers[i], site->pool), 0);
    }
}

static void join(caller_t *callers, int n)
{
    apr_status_t rv;
    int i;

    for (i = 0; i < n; i++) {
        assert_int_equal(apr_thread_join(&rv, callers[i].thread), 0);
        assert_int_equal(callers[i].old_answers, 0);
        assert_int_equal(callers[i].others_answers, 0);
        assert_int_equal(callers[i].lost_errors, 0);
    }
}

/* ---- Tests ---- */

static void each_has_an_answer_of_its_own_that_is_new(void **state)
{
    static const int FEW[] = { 0, NMDM_COMBINER_FEW_SQLITE, NMDM_COMBINER_FEW };
    caller_t callers[THREADS];
    int i;

    for (i = 0; i < 3; i++) {
        site_t *site = new_site(*state, FEW[i]);

        start(callers, site, come, THREADS);
        join(callers, THREADS);
        assert_int_equal(site->repeats, 0);
        HOLDS(site->batches > 20 && site->failed, "few %d: %u batches, %u"
              " failed", FEW[i], site->batches, site->failed);
        /* What many ask together is not asked one by one. */
        HOLDS(site->clock < 2 * THREADS * CALLS, "few %d: %u statements of"
              " %d calls", FEW[i], site->clock - THREADS * CALLS,
              THREADS * CALLS);
    }
}

static void after_a_stop_each_asks_by_itself(void **state)
{
    caller_t callers[THREADS];
    site_t *site = new_site(*state, 0);

    start(callers, site, come, THREADS);
    while (apr_atomic_read32(&site->batches) < 10) {
        apr_sleep(1000);
    }
    nmdm_combiner_stop(site->combiner);
    apr_atomic_set32(&site->is_stopped, 1);
    join(callers, THREADS);
    assert_int_equal(site->after_stop, 0);
}

static void *APR_THREAD_FUNC ask_one(apr_thread_t *thread, void *data)
{
    caller_t *caller = data;
    call_t call;

    (void)thread;
    caller->calls = 1;
    caller->lost_errors
        = ask_once(caller, &call, caller->pool) || call.was_in_batch;
    return NULL;
}

/* The statement under way takes longer than a caller waits. */
static void who_has_waited_long_asks_by_itself(void **state)
{
    caller_t callers[2];
    site_t *site = new_site(*state, 0);
    apr_time_t began = nmdm_time_steady();

    site->takes = 2 * NMDM_COMBINER_TIMEOUT;
    start(callers, site, ask_one, 2);
    join(callers, 2);
    assert_int_equal(site->batches, 0);
    /* One after the other would take twice as long as one. */
    assert_true(nmdm_time_steady() - began < 2 * site->takes);
}

static void without_a_combiner_each_asks_by_itself(void **state)
{
    site_t site = { .pool = *state };
    caller_t caller = { .site = &site, .pool = *state };

    ask_one(NULL, &caller);
    assert_int_equal(caller.lost_errors, 0);
    assert_int_equal(site.batches, 0);
    nmdm_combiner_stop(NULL);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_has_an_answer_of_its_own_that_is_new),
        TEST(after_a_stop_each_asks_by_itself),
        TEST(who_has_waited_long_asks_by_itself),
        TEST(without_a_combiner_each_asks_by_itself),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
