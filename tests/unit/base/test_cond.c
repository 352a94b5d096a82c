/* SPDX-License-Identifier: Apache-2.0 */
/* test_cond.c -- a lock and a condition, on the steady clock. */

#include "support.h"
#include "base/cond.h"
#include "base/time.h"

#include <apr_thread_proc.h>

typedef struct {
    nmdm_cond_t *bell;
    int is_ready, is_told;      /* guarded by the bell */
} news_t;

static nmdm_cond_t *made(apr_pool_t *p)
{
    nmdm_cond_t *bell = NULL;

    assert_int_equal(nmdm_cond_create(&bell, p), APR_SUCCESS);
    return bell;
}

static void patience_comes_to_an_end(void **state)
{
    nmdm_cond_t *bell = made(*state);
    apr_time_t until = nmdm_time_steady() + apr_time_from_msec(20);

    nmdm_cond_lock(bell);
    while (nmdm_time_steady() < until) {
        nmdm_cond_wait(bell, until - nmdm_time_steady());
    }
    nmdm_cond_wait(bell, 0);
    nmdm_cond_unlock(bell);
}

static void *APR_THREAD_FUNC wait_for_news(apr_thread_t *thread, void *data)
{
    news_t *news = data;

    (void)thread;
    nmdm_cond_lock(news->bell);
    news->is_ready++;
    while (!news->is_told) {
        nmdm_cond_wait(news->bell, apr_time_from_sec(3600));
    }
    nmdm_cond_unlock(news->bell);
    return NULL;
}

enum { WAITING = 2 };

static void it_wakes_all_who_wait(void **state)
{
    news_t news = { .bell = made(*state) };
    apr_thread_t *threads[WAITING];
    apr_status_t rv;
    int is_ready, i;

    for (i = 0; i < WAITING; i++) {
        assert_int_equal(apr_thread_create(&threads[i], NULL, wait_for_news,
                                           &news, *state), APR_SUCCESS);
    }
    do {
        nmdm_cond_lock(news.bell);
        is_ready = news.is_ready == WAITING;
        news.is_told = is_ready;
        nmdm_cond_signal(news.bell);
        nmdm_cond_unlock(news.bell);
    } while (!is_ready);
    for (i = 0; i < WAITING; i++) {
        apr_thread_join(&rv, threads[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(patience_comes_to_an_end,
                                        support_pool, support_pool_done),
        cmocka_unit_test_setup_teardown(it_wakes_all_who_wait,
                                        support_pool, support_pool_done),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
