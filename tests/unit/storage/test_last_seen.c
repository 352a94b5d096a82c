/* SPDX-License-Identifier: Apache-2.0 */
/* test_last_seen.c -- who was seen lately. */

#include "support.h"
#include "storage/last_seen.h"
#include "storage/enrollments.h"

#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <stdlib.h>
#include <string.h>

static nmdm_last_seen_t *made(apr_pool_t *p)
{
    nmdm_last_seen_t *seen = NULL;

    OK(nmdm_last_seen_create(&seen, p));
    assert_non_null(seen);
    return seen;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All ids in their order, with blanks between. */
static const char *taken(nmdm_last_seen_t *seen, apr_pool_t *p)
{
    apr_array_header_t *ids = nmdm_last_seen_take(seen, p);

    qsort(ids->elts, (size_t)ids->nelts, (size_t)ids->elt_size, by_text);
    return apr_array_pstrcat(p, ids, ' ');
}

static void each_id_is_taken_once(void **state)
{
    nmdm_last_seen_t *seen = made(*state);

    nmdm_last_seen_note(seen, "b");
    nmdm_last_seen_note(seen, "a");
    nmdm_last_seen_note(seen, "b");
    nmdm_last_seen_note(seen, "c:d");
    assert_string_equal(taken(seen, *state), "a b c:d");
}

static void what_was_taken_is_gone(void **state)
{
    nmdm_last_seen_t *seen = made(*state);

    assert_string_equal(taken(seen, *state), "");
    nmdm_last_seen_note(seen, "a");
    assert_string_equal(taken(seen, *state), "a");
    assert_string_equal(taken(seen, *state), "");
    nmdm_last_seen_note(seen, "a");
    assert_string_equal(taken(seen, *state), "a");
}

static void ids_are_compared_exactly(void **state)
{
    nmdm_last_seen_t *seen = made(*state);

    nmdm_last_seen_note(seen, "a");
    nmdm_last_seen_note(seen, "A");
    nmdm_last_seen_note(seen, "a ");
    assert_int_equal(nmdm_last_seen_take(seen, *state)->nelts, 3);
}

static void the_callers_memory_is_not_kept(void **state)
{
    nmdm_last_seen_t *seen = made(*state);
    apr_pool_t *shorter;

    apr_pool_create(&shorter, *state);
    nmdm_last_seen_note(seen, apr_pstrdup(shorter, "in a pool that ends"));
    apr_pool_destroy(shorter);
    assert_string_equal(taken(seen, *state), "in a pool that ends");
}

static void what_was_taken_outlives_the_next_take(void **state)
{
    nmdm_last_seen_t *seen = made(*state);
    apr_array_header_t *first;

    nmdm_last_seen_note(seen, "first");
    first = nmdm_last_seen_take(seen, *state);
    nmdm_last_seen_note(seen, "second");
    nmdm_last_seen_take(seen, *state);
    assert_string_equal(APR_ARRAY_IDX(first, 0, const char *), "first");
}

static void there_is_a_limit_and_taking_makes_room(void **state)
{
    nmdm_last_seen_t *seen = made(*state);
    char id[16];
    int i;

    for (i = 0; i < NMDM_LAST_SEEN_MOST + 10; i++) {
        apr_snprintf(id, sizeof(id), "%d", i);
        nmdm_last_seen_note(seen, id);
    }
    assert_int_equal(nmdm_last_seen_take(seen, *state)->nelts,
                     NMDM_LAST_SEEN_MOST);
    nmdm_last_seen_note(seen, "one more");
    assert_string_equal(taken(seen, *state), "one more");
}

enum { THREADS = 4, EACH = 2000 };

typedef struct {
    nmdm_last_seen_t *seen;
    int number;
} noter_t;

static void *APR_THREAD_FUNC note_many(apr_thread_t *thread, void *data)
{
    noter_t *noter = data;
    char id[32];
    int i;

    for (i = 0; i < EACH; i++) {
        apr_snprintf(id, sizeof(id), "%d-%d", noter->number, i);
        nmdm_last_seen_note(noter->seen, id);
        nmdm_last_seen_note(noter->seen, "everybody's");
    }
    (void)thread;
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    nmdm_last_seen_t *seen = made(*state);
    apr_thread_t *threads[THREADS];
    noter_t noters[THREADS];
    int i, n = 0;
    apr_status_t rv;

    for (i = 0; i < THREADS; i++) {
        noters[i] = (noter_t){ seen, i };
        assert_int_equal(apr_thread_create(&threads[i], NULL, note_many,
                                           &noters[i], *state), 0);
    }
    /* Taking while they note: "everybody's" may come several times, each of
     * the others once. */
    for (i = 0; i < 20; i++) {
        apr_array_header_t *ids = nmdm_last_seen_take(seen, *state);
        int k;

        for (k = 0; k < ids->nelts; k++) {
            n += APR_ARRAY_IDX(ids, k, const char *)[0] != 'e';
        }
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
    }
    for (i = 0; i < 2; i++) {
        apr_array_header_t *ids = nmdm_last_seen_take(seen, *state);
        int k;

        for (k = 0; k < ids->nelts; k++) {
            n += APR_ARRAY_IDX(ids, k, const char *)[0] != 'e';
        }
    }
    assert_int_equal(n, THREADS * EACH);
}

/* ---- Writing them down ---- */

typedef struct {
    apr_array_header_t *ids;
} ids_t;

static nmdm_err_t *do_seen(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_enrollments_seen(ctx, ((ids_t *)baton)->ids);
}

static void enroll_many(world_t *w, int n)
{
    int i;

    tell(w, "BEGIN");
    for (i = 0; i < n; i++) {
        tell(w, "INSERT INTO devices (id, authenticate) VALUES ('D%d', 'x')",
             i);
        tell(w, "INSERT INTO enrollments (id, device_id, type, topic,"
                " push_magic, token_hex, last_seen_at)"
                " VALUES ('D%d', 'D%d', 'Device', 't', 'm', 'aa',"
                " '2000-01-01 00:00:00')", i, i);
    }
    tell(w, "COMMIT");
}

static void many_ids_are_written_in_few_statements(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx;
    ids_t in = { apr_array_make(w->pool, 250, sizeof(const char *)) };
    int i;

    enroll_many(w, 260);
    for (i = 0; i < 250; i++) {
        APR_ARRAY_PUSH(in.ids, const char *)
            = apr_psprintf(w->pool, "D%d", i);
    }
    ctx = request(w, NULL);
    forget(w);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_seen, &in));
    nmdm_db_release(ctx);
    assert_int_equal(logged(w, "NMDM0103"), 3);
    assert_string_equal(ask(w, "SELECT COUNT(*) FROM enrollments WHERE"
                               " last_seen_at > '2001'"), "250");
    assert_string_equal(ask(w, "SELECT COUNT(*) FROM enrollments WHERE"
                               " last_seen_at < '2001'"), "10");
}

static void nobody_seen_is_no_statement(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    ids_t in = { apr_array_make(w->pool, 1, sizeof(const char *)) };

    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_seen, &in));
    nmdm_db_release(ctx);
    assert_int_equal(logged(w, "NMDM0103"), 0);
}

static void an_id_that_is_gone_does_no_harm(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    ids_t in = { apr_array_make(w->pool, 1, sizeof(const char *)) };

    enroll_many(w, 1);
    APR_ARRAY_PUSH(in.ids, const char *) = "gone";
    APR_ARRAY_PUSH(in.ids, const char *) = "D0";
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_seen, &in));
    nmdm_db_release(ctx);
    assert_string_equal(ask(w, "SELECT COUNT(*) FROM enrollments WHERE"
                               " last_seen_at > '2001'"), "1");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)
#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_id_is_taken_once),
        TEST(what_was_taken_is_gone),
        TEST(ids_are_compared_exactly),
        TEST(the_callers_memory_is_not_kept),
        TEST(what_was_taken_outlives_the_next_take),
        TEST(there_is_a_limit_and_taking_makes_room),
        TEST(threads_lose_nothing),
        DB_TEST(many_ids_are_written_in_few_statements),
        DB_TEST(nobody_seen_is_no_statement),
        DB_TEST(an_id_that_is_gone_does_no_harm),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
