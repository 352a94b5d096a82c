/* SPDX-License-Identifier: Apache-2.0 */
/* test_batch_queue.c -- callers who ask together, in every order of events. */

#include "support.h"
#include "base/batch_queue.h"

#include <apr_strings.h>

#include <string.h>

#define CALLERS 3
#define LONGEST 32              /* events until all is over, and more */

/* What may happen next: each of the callers enters, begins its batch, leads it
 * to an answer or into an error, or has waited long enough; the child stops. */
enum {
    ENTER, GATHER, ANSWER, FAIL, LEAVE, KINDS, STOP = KINDS * CALLERS, EVENTS
};

typedef struct {
    nmdm_batch_queue_t queue;
    nmdm_batch_entry_t entries[CALLERS];
    int entered[CALLERS];
    int asks[CALLERS];          /* has it begun its batch? */
    int failed[CALLERS];        /* was in a batch with an error, or left */
} model_t;

static const char *const DISTINCT[CALLERS] = { "a", "b", "c" };
static const char *const TWINS[CALLERS] = { "a", "b", "a" };

static int count_state(const model_t *m, nmdm_batch_state_e state)
{
    int i, n = 0;

    for (i = 0; i < CALLERS; i++) {
        n += m->entered[i] && m->entries[i].state == state;
    }
    return n;
}

static int is_possible(const model_t *m, int event)
{
    const int i = event / KINDS;

    if (event == STOP) {
        return !m->queue.is_stopped;
    }
    switch (event % KINDS) {
    case ENTER:
        return !m->entered[i];
    case GATHER:
    case ANSWER:
    case FAIL:
        return m->entered[i] && m->entries[i].state == NMDM_BATCH_LEADER
            && m->asks[i] == (event % KINDS != GATHER);
    default:
        return m->entered[i] && m->entries[i].state == NMDM_BATCH_WAITING;
    }
}

static void note_failed(model_t *m, const nmdm_batch_entry_t *batch)
{
    for (; batch; batch = batch->next) {
        m->failed[batch - m->entries] = 1;
    }
}

static void happen(model_t *m, int event)
{
    const int i = event / KINDS;
    nmdm_batch_entry_t *entry = &m->entries[i % CALLERS];

    if (event == STOP) {
        note_failed(m, nmdm_batch_queue_stop(&m->queue));
        return;
    }
    switch (event % KINDS) {
    case ENTER:
        m->entered[i] = 1;
        nmdm_batch_queue_enter(&m->queue, entry);
        m->failed[i] = entry->state == NMDM_BATCH_SINGLE;
        break;
    case GATHER:
        m->asks[i] = 1;
        nmdm_batch_queue_gather(&m->queue, entry);
        break;
    case ANSWER:
        nmdm_batch_queue_end(&m->queue, entry, 1);
        break;
    case FAIL:
        note_failed(m, entry);
        nmdm_batch_queue_end(&m->queue, entry, 0);
        break;
    default:
        assert_true(nmdm_batch_queue_leave(&m->queue, entry));
        m->failed[i] = 1;
    }
}

/* A batch has each key once. */
static void check_batch(const nmdm_batch_entry_t *leader)
{
    const nmdm_batch_entry_t *entry, *other;

    for (entry = leader; entry; entry = entry->next) {
        assert_int_equal(entry->state, entry == leader ? NMDM_BATCH_LEADER
                                                       : NMDM_BATCH_MEMBER);
        for (other = entry->next; other; other = other->next) {
            assert_string_not_equal(entry->key, other->key);
        }
    }
}

static void check(const model_t *m)
{
    int waiting = count_state(m, NMDM_BATCH_WAITING);
    int leaders = count_state(m, NMDM_BATCH_LEADER), i;

    assert_int_equal(m->queue.under_way, leaders);
    assert_int_equal(m->queue.inside, waiting + leaders
                     + count_state(m, NMDM_BATCH_MEMBER));
    /* Who waits is called by somebody. */
    assert_true(!waiting || leaders);
    for (i = 0; i < CALLERS; i++) {
        const nmdm_batch_entry_t *entry = &m->entries[i];

        if (m->entered[i] && entry->state == NMDM_BATCH_LEADER) {
            check_batch(entry);
        }
        /* Answered is who was in a batch that was, and nobody else. */
        if (m->entered[i] && entry->state == NMDM_BATCH_ANSWERED) {
            assert_false(m->failed[i]);
        }
        if (m->entered[i] && entry->state == NMDM_BATCH_SINGLE) {
            assert_true(m->failed[i]);
        }
    }
}

static void begin(model_t *m, const nmdm_batch_queue_t *like,
                  const char *const *keys)
{
    int i;

    memset(m, 0, sizeof(*m));
    m->queue = *like;
    for (i = 0; i < CALLERS; i++) {
        m->entries[i].key = keys[i];
    }
}

/* Each order from here on: the events so far are repeated for each next one,
 * because entries point to each other. Returns how many orders there are. */
static int explore(const nmdm_batch_queue_t *like, const char *const *keys,
                   int *events, int n)
{
    int event, i, orders = 0;
    model_t m;

    assert_true(n < LONGEST);
    for (event = 0; event < EVENTS; event++) {
        begin(&m, like, keys);
        for (i = 0; i < n; i++) {
            happen(&m, events[i]);
        }
        if (is_possible(&m, event)) {
            happen(&m, event);
            check(&m);
            events[n] = event;
            orders += explore(like, keys, events, n + 1);
        }
    }
    if (!orders) {
        begin(&m, like, keys);
        for (i = 0; i < n; i++) {
            happen(&m, events[i]);
        }
        assert_int_equal(m.queue.inside, 0);
        assert_int_equal(count_state(&m, NMDM_BATCH_ANSWERED)
                         + count_state(&m, NMDM_BATCH_SINGLE), CALLERS);
        return 1;
    }
    return orders;
}

static void every_order_ends_well(void **state)
{
    static const nmdm_batch_queue_t ONE = { .few = 0, .many = 100 };
    static const nmdm_batch_queue_t TWO = { .few = 0, .many = 2 };
    static const nmdm_batch_queue_t FEW = { .few = 2, .many = 100 };
    static const nmdm_batch_queue_t PATIENT
        = { .few = 1, .many = 100, .calm = 1, .patience = 2 };
    int events[LONGEST];

    (void)state;
    assert_true(explore(&ONE, DISTINCT, events, 0) > 1000);
    assert_true(explore(&TWO, DISTINCT, events, 0) > 1000);
    assert_true(explore(&FEW, DISTINCT, events, 0) > 1000);
    assert_true(explore(&PATIENT, DISTINCT, events, 0) > 1000);
    assert_true(explore(&ONE, TWINS, events, 0) > 1000);
    assert_true(explore(&TWO, TWINS, events, 0) > 1000);
}

static void who_waits_is_in_the_next_batch(void **state)
{
    model_t m;

    (void)state;
    begin(&m, &(nmdm_batch_queue_t){ .few = 0, .many = 100 }, DISTINCT);
    happen(&m, 0 * KINDS + ENTER);
    happen(&m, 1 * KINDS + ENTER);
    happen(&m, 2 * KINDS + ENTER);
    assert_int_equal(count_state(&m, NMDM_BATCH_WAITING), 2);
    assert_ptr_equal(nmdm_batch_queue_end(&m.queue, &m.entries[0], 1),
                     &m.entries[1]);
    nmdm_batch_queue_gather(&m.queue, &m.entries[1]);
    assert_ptr_equal(m.entries[1].next, &m.entries[2]);
    assert_null(nmdm_batch_queue_end(&m.queue, &m.entries[1], 1));
    assert_int_equal(count_state(&m, NMDM_BATCH_ANSWERED), 3);
}

/* The leader of the next batch is awake only later. */
static void who_comes_before_it_begins_is_in_it_too(void **state)
{
    model_t m;

    (void)state;
    begin(&m, &(nmdm_batch_queue_t){ .few = 0, .many = 100 }, DISTINCT);
    happen(&m, 0 * KINDS + ENTER);
    happen(&m, 1 * KINDS + ENTER);
    happen(&m, 0 * KINDS + ANSWER);
    happen(&m, 2 * KINDS + ENTER);
    assert_int_equal(m.entries[2].state, NMDM_BATCH_WAITING);
    happen(&m, 1 * KINDS + GATHER);
    assert_int_equal(m.entries[2].state, NMDM_BATCH_MEMBER);
    assert_ptr_equal(m.entries[1].next, &m.entries[2]);
}

static void a_device_is_once_in_a_batch(void **state)
{
    model_t m;

    (void)state;
    begin(&m, &(nmdm_batch_queue_t){ .few = 0, .many = 100 }, TWINS);
    happen(&m, 1 * KINDS + ENTER);
    happen(&m, 0 * KINDS + ENTER);
    happen(&m, 2 * KINDS + ENTER);
    assert_ptr_equal(nmdm_batch_queue_end(&m.queue, &m.entries[1], 1),
                     &m.entries[0]);
    nmdm_batch_queue_gather(&m.queue, &m.entries[0]);
    assert_null(m.entries[0].next);
    assert_int_equal(m.entries[2].state, NMDM_BATCH_WAITING);
}

static void few_callers_do_not_wait(void **state)
{
    model_t m;

    (void)state;
    begin(&m, &(nmdm_batch_queue_t){ .few = 2, .many = 100 }, DISTINCT);
    happen(&m, 0 * KINDS + ENTER);
    happen(&m, 1 * KINDS + ENTER);
    assert_int_equal(count_state(&m, NMDM_BATCH_LEADER), 2);
    happen(&m, 2 * KINDS + ENTER);
    assert_int_equal(m.entries[2].state, NMDM_BATCH_WAITING);
}

/* Two at a time while few come; from the third on callers wait for a batch, and
 * do so until `patience` batches had few. */
static void a_crowd_is_remembered(void **state)
{
    nmdm_batch_queue_t queue
        = { .few = 2, .many = 100, .calm = 1, .patience = 3 };
    nmdm_batch_entry_t all[5] = {
        { .key = "a" }, { .key = "b" }, { .key = "c" }, { .key = "d" },
        { .key = "e" }
    };
    int i;

    (void)state;
    for (i = 0; i < 3; i++) {
        nmdm_batch_queue_enter(&queue, &all[i]);
    }
    assert_null(nmdm_batch_queue_end(&queue, &all[0], 1));
    assert_ptr_equal(nmdm_batch_queue_end(&queue, &all[1], 1), &all[2]);
    nmdm_batch_queue_enter(&queue, &all[3]);
    assert_int_equal(all[3].state, NMDM_BATCH_WAITING);
    assert_ptr_equal(nmdm_batch_queue_end(&queue, &all[2], 1), &all[3]);
    assert_null(nmdm_batch_queue_end(&queue, &all[3], 1));
    nmdm_batch_queue_enter(&queue, &all[4]);
    assert_int_equal(all[4].state, NMDM_BATCH_LEADER);
    nmdm_batch_queue_enter(&queue, &all[0]);
    assert_int_equal(all[0].state, NMDM_BATCH_LEADER);
}

static void a_batch_has_an_end(void **state)
{
    nmdm_batch_queue_t queue = { .few = 0, .many = 1000 };
    nmdm_batch_entry_t entries[NMDM_BATCH_MOST + 3] = { { .key = "first" } };
    nmdm_batch_entry_t *entry;
    int i, n = 0;

    for (i = 0; i < NMDM_BATCH_MOST + 3; i++) {
        entries[i].key = apr_psprintf(*state, "%d", i);
        nmdm_batch_queue_enter(&queue, &entries[i]);
    }
    entry = nmdm_batch_queue_end(&queue, &entries[0], 1);
    nmdm_batch_queue_gather(&queue, entry);
    for (; entry; entry = entry->next) {
        n++;
    }
    assert_int_equal(n, NMDM_BATCH_MOST);
    assert_ptr_equal(queue.first, &entries[NMDM_BATCH_MOST + 1]);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_order_ends_well),
        TEST(who_waits_is_in_the_next_batch),
        TEST(who_comes_before_it_begins_is_in_it_too),
        TEST(a_device_is_once_in_a_batch),
        TEST(few_callers_do_not_wait),
        TEST(a_crowd_is_remembered),
        TEST(a_batch_has_an_end),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
