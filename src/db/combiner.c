/* SPDX-License-Identifier: Apache-2.0 */
/* combiner.c -- one question to the database for many threads: the lock and the
 * waiting of base/batch_queue.h. */

#include "db/combiner.h"
#include "base/cond.h"
#include "base/counters.h"
#include "base/time.h"
#include "db/db.h"

#include <apr_thread_mutex.h>

/* Where one caller waits. It belongs to the combiner, because a call may be
 * gone before the thread that wakes its caller has let go of the condition. */
typedef struct waiter_t {
    struct waiter_t *next;      /* of those that are free, or to be called */
    nmdm_cond_t *cond;
    int is_called;              /* guarded by cond */
} waiter_t;

/* By measurement, of threads inside: with more than these, one batch leaves the
 * database idle while its answers are handed out. */
#define MANY 40

/* So many batches in a row had few callers before the next callers ask by
 * themselves again; by measurement, with fewer a load of 25 threads is asked
 * for one by one half of the time. */
#define PATIENCE 16

struct nmdm_combiner_t {
    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_pool_t *pool;           /* of waiters: one for each thread at most */
    waiter_t *free;
    nmdm_batch_queue_t queue;
};

nmdm_err_t *nmdm_combiner_create(nmdm_combiner_t **out, apr_pool_t *p,
                                 int few)
{
    nmdm_combiner_t *combiner = apr_pcalloc(p, sizeof(*combiner));
    apr_status_t rv;

    combiner->queue.few = few;
    combiner->queue.many = MANY;
    combiner->queue.calm = few * 2 / 3;
    combiner->queue.patience = PATIENCE;
    rv = apr_thread_mutex_create(&combiner->lock, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = nmdm_own_pool(&combiner->pool, p);
    }
    *out = combiner;
    return rv == APR_SUCCESS ? NULL
        : nmdm_err(p, NMDM_INTERNAL, rv,
                   NMDMNO(0191) "no lock to combine statements");
}

/* ---- Waiting ---- */

/* With the lock held. NULL without memory: the caller goes by itself. */
static waiter_t *take_waiter(nmdm_combiner_t *combiner)
{
    waiter_t *waiter = combiner->free;

    if (waiter) {
        combiner->free = waiter->next;
        waiter->is_called = 0;
        return waiter;
    }
    waiter = apr_pcalloc(combiner->pool, sizeof(*waiter));
    return nmdm_cond_create(&waiter->cond, combiner->pool) == APR_SUCCESS
        ? waiter : NULL;
}

/* Waits until the waiter is called or the timeout has passed. */
static int is_called(waiter_t *waiter, apr_interval_time_t timeout)
{
    apr_time_t end = nmdm_time_steady() + timeout;
    int called;

    nmdm_cond_lock(waiter->cond);
    while (!waiter->is_called
           && (timeout = end - nmdm_time_steady()) > 0) {
        nmdm_cond_wait(waiter->cond, timeout);
    }
    called = waiter->is_called;
    nmdm_cond_unlock(waiter->cond);
    return called;
}

/* Who is in a batch waits for its end: it uses what belongs to the caller. */
static void wait_for_turn(nmdm_combiner_t *combiner, nmdm_batch_entry_t *entry)
{
    waiter_t *waiter = entry->waiter;
    int is_over = is_called(waiter, NMDM_COMBINER_TIMEOUT);

    apr_thread_mutex_lock(combiner->lock);
    is_over = is_over || nmdm_batch_queue_leave(&combiner->queue, entry);
    apr_thread_mutex_unlock(combiner->lock);
    while (!is_over) {
        is_over = is_called(waiter, NMDM_DB_TIMEOUT);
    }
    apr_thread_mutex_lock(combiner->lock);
    waiter->next = combiner->free;
    combiner->free = waiter;
    apr_thread_mutex_unlock(combiner->lock);
}

static void add(waiter_t **list, waiter_t *waiter)
{
    waiter->next = *list;
    *list = waiter;
}

/* Without the lock, which the called take. */
static void call_all(waiter_t *list)
{
    waiter_t *waiter, *next;

    for (waiter = list; waiter; waiter = next) {
        next = waiter->next;
        nmdm_cond_lock(waiter->cond);
        waiter->is_called = 1;
        nmdm_cond_signal(waiter->cond);
        nmdm_cond_unlock(waiter->cond);
    }
}

/* ---- One call ---- */

/* Enters, and waits for the first of: an answer, the lead, or that it is to
 * ask by itself. */
static void enter(nmdm_combiner_t *combiner, nmdm_batch_entry_t *entry)
{
    int waits;

    apr_thread_mutex_lock(combiner->lock);
    nmdm_batch_queue_enter(&combiner->queue, entry);
    waits = entry->state == NMDM_BATCH_WAITING;
    entry->waiter = waits ? take_waiter(combiner) : NULL;
    if (waits && !entry->waiter) {
        nmdm_batch_queue_leave(&combiner->queue, entry);
        waits = 0;
    }
    apr_thread_mutex_unlock(combiner->lock);
    if (waits) {
        wait_for_turn(combiner, entry);
    }
}

/* With what has come until now: to be woken takes time on a busy machine. */
static void gather(nmdm_combiner_t *combiner, nmdm_batch_entry_t *leader)
{
    apr_thread_mutex_lock(combiner->lock);
    nmdm_batch_queue_gather(&combiner->queue, leader);
    apr_thread_mutex_unlock(combiner->lock);
}

/* The members' entries are not looked at once they are called. */
static void end(nmdm_combiner_t *combiner, nmdm_batch_entry_t *leader,
                int is_answered)
{
    nmdm_batch_entry_t *entry, *next;
    waiter_t *called = NULL;

    apr_thread_mutex_lock(combiner->lock);
    for (entry = leader->next; entry; entry = entry->next) {
        add(&called, entry->waiter);
    }
    next = nmdm_batch_queue_end(&combiner->queue, leader, is_answered);
    if (next) {
        add(&called, next->waiter);
    }
    apr_thread_mutex_unlock(combiner->lock);
    call_all(called);
}

static int size_of(const nmdm_batch_entry_t *entry)
{
    int n = 0;

    for (; entry; entry = entry->next) {
        n++;
    }
    return n;
}

/* Why a batch failed each of its callers finds out by itself. */
static int lead(nmdm_ctx_t *ctx, const nmdm_combined_t *what,
                nmdm_batch_entry_t *leader)
{
    nmdm_err_t *err = what->together(ctx, leader);

    if (err) {
        nmdm_count(ctx->services->counters, NMDM_COUNT_DATABASE, "batch",
                   "repeated", 1);
        nmdm_log(ctx, NMDM_LOG_DEBUG, NMDMNO(0192) "%s; each caller of the"
                 " batch goes on by itself", err->msg);
    }
    else {
        nmdm_log(ctx, NMDM_LOG_DEBUG, NMDMNO(0194) "%s: %d callers were"
                 " answered together", leader->key, size_of(leader));
    }
    return !err;
}

nmdm_err_t *nmdm_combiner_run(nmdm_combiner_t *combiner, nmdm_ctx_t *ctx,
                              const nmdm_combined_t *what, void *call)
{
    nmdm_batch_entry_t *entry = call;
    nmdm_err_t *err;

    if (!combiner) {
        return what->single(ctx, call);
    }
    enter(combiner, entry);
    if (entry->state == NMDM_BATCH_LEADER) {
        gather(combiner, entry);
        if (!entry->next) {
            err = what->single(ctx, call);
            end(combiner, entry, 1);
            return err;
        }
        end(combiner, entry, lead(ctx, what, entry));
    }
    return entry->state == NMDM_BATCH_ANSWERED ? NULL
                                               : what->single(ctx, call);
}

void nmdm_combiner_stop(nmdm_combiner_t *combiner)
{
    nmdm_batch_entry_t *entry;
    waiter_t *called = NULL;

    if (!combiner) {
        return;
    }
    apr_thread_mutex_lock(combiner->lock);
    entry = nmdm_batch_queue_stop(&combiner->queue);
    for (; entry; entry = entry->next) {
        add(&called, entry->waiter);
    }
    apr_thread_mutex_unlock(combiner->lock);
    call_all(called);
}
