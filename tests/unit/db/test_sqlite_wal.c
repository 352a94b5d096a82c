/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite_wal.c -- commits of SQLite that reach the disk together. */

#include "support.h"
#include "crypto/push_cert_pem.h"
#include "storage/push_state.h"
#include "db/sqlite_wal.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- A disk that does as it is told; it serves SQLite as well ---- */

static apr_thread_mutex_t *lock;        /* guards the rest */
static apr_thread_cond_t *changed;
static int flushes, is_held, is_broken, callers;

int fdatasync(int fd)
{
    int fails;

    apr_thread_mutex_lock(lock);
    flushes++;
    apr_thread_cond_broadcast(changed);
    while (is_held) {
        apr_thread_cond_wait(changed, lock);
    }
    fails = is_broken;
    apr_thread_mutex_unlock(lock);
    if (fails) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static void set(int *what, int to)
{
    apr_thread_mutex_lock(lock);
    *what = to;
    apr_thread_cond_broadcast(changed);
    apr_thread_mutex_unlock(lock);
}

static void wait_for(const int *what, int at_least)
{
    apr_thread_mutex_lock(lock);
    while (*what < at_least) {
        apr_thread_cond_wait(changed, lock);
    }
    apr_thread_mutex_unlock(lock);
}

static int start(void **state)
{
    support_pool(state);
    apr_thread_mutex_create(&lock, APR_THREAD_MUTEX_DEFAULT, *state);
    apr_thread_cond_create(&changed, *state);
    flushes = is_held = is_broken = callers = 0;
    return 0;
}

/* ---- Callers ---- */

typedef struct {
    nmdm_sqlite_wal_t *wal;
    const char *path;
    nmdm_err_t *err;
    apr_pool_t *pool;
    apr_thread_t *thread;
} caller_t;

static apr_status_t remove_files(void *data)
{
    static const char *const ENDINGS[] = { "", "-wal", "-shm" };
    char path[256];
    int i;

    for (i = 0; i < 3; i++) {
        apr_snprintf(path, sizeof(path), "%s%s", (char *)data, ENDINGS[i]);
        unlink(path);
    }
    return APR_SUCCESS;
}

static const char *new_file(apr_pool_t *p)
{
    char *path = apr_pstrdup(p, "/tmp/nanomdm-wal-XXXXXX");
    apr_file_t *file;

    assert_int_equal(apr_file_mktemp(&file, path, 0, p), APR_SUCCESS);
    apr_pool_cleanup_register(p, path, remove_files, apr_pool_cleanup_null);
    return path;
}

static void *APR_THREAD_FUNC come(apr_thread_t *thread, void *data)
{
    caller_t *caller = data;

    (void)thread;
    apr_thread_mutex_lock(lock);
    callers++;
    apr_thread_cond_broadcast(changed);
    apr_thread_mutex_unlock(lock);
    caller->err =
        nmdm_sqlite_wal_flush(caller->wal, caller->pool, caller->path);
    return NULL;
}

static caller_t *call(nmdm_sqlite_wal_t *wal, const char *path)
{
    caller_t *caller = calloc(1, sizeof(*caller));

    caller->wal = wal;
    caller->path = path;
    apr_pool_create_unmanaged(&caller->pool);
    assert_int_equal(apr_thread_create(&caller->thread, NULL, come, caller,
                                       caller->pool), APR_SUCCESS);
    return caller;
}

/* 1 if its commit is on the disk. */
static int end(caller_t *caller)
{
    apr_status_t rv;
    int is_safe;

    apr_thread_join(&rv, caller->thread);
    is_safe = !caller->err;
    assert_true(is_safe || caller->err->kind == NMDM_UNAVAILABLE);
    apr_pool_destroy(caller->pool);
    free(caller);
    return is_safe;
}

/* ---- Flushes ---- */

static void callers_during_a_flush_share_the_next(void **state)
{
    const char *path = new_file(*state);
    nmdm_sqlite_wal_t *wal;
    caller_t *caller[9];
    int i;

    OK(nmdm_sqlite_wal_create(&wal, *state));
    set(&is_held, 1);
    caller[0] = call(wal, path);
    wait_for(&flushes, 1);
    for (i = 1; i < 9; i++) {
        caller[i] = call(wal, path);
    }
    wait_for(&callers, 9);
    apr_sleep(apr_time_from_msec(50));
    set(&is_held, 0);
    for (i = 0; i < 9; i++) {
        assert_true(end(caller[i]));
    }
    /* One for the first, one for those who came behind it; one more if the
     * last of them was late indeed. */
    HOLDS(flushes >= 2 && flushes < 9, "%d flushes", flushes);
}

static void each_caller_alone_has_a_flush(void **state)
{
    const char *path = new_file(*state);
    nmdm_sqlite_wal_t *wal;

    OK(nmdm_sqlite_wal_create(&wal, *state));
    OK(nmdm_sqlite_wal_flush(wal, *state, path));
    OK(nmdm_sqlite_wal_flush(wal, *state, path));
    assert_int_equal(flushes, 2);
}

static void a_log_that_is_gone_was_written_back(void **state)
{
    nmdm_sqlite_wal_t *wal;

    OK(nmdm_sqlite_wal_create(&wal, *state));
    OK(nmdm_sqlite_wal_flush(wal, *state, "/tmp/no-such-log"));
    REFUSED(nmdm_sqlite_wal_flush(wal, *state, "/proc/self/mem/log"),
            NMDM_UNAVAILABLE, "NMDM0182");
    assert_true(nmdm_sqlite_wal_needs_checkpoint(wal));
}

static void a_failure_is_told_to_all_that_it_concerns(void **state)
{
    const char *path = new_file(*state);
    nmdm_sqlite_wal_t *wal;
    caller_t *first, *second;

    OK(nmdm_sqlite_wal_create(&wal, *state));
    OK(nmdm_sqlite_wal_flush(wal, *state, path));
    set(&is_held, 1);
    set(&is_broken, 1);
    first = call(wal, path);
    wait_for(&flushes, 2);
    second = call(wal, path);
    wait_for(&callers, 2);
    set(&is_held, 0);
    assert_false(end(first));
    assert_false(end(second));
    /* A disk that works again does not know what it has lost. */
    set(&is_broken, 0);
    assert_true(nmdm_sqlite_wal_needs_checkpoint(wal));
    REFUSED(nmdm_sqlite_wal_flush(wal, *state, path), NMDM_UNAVAILABLE,
            "NMDM0182");
    nmdm_sqlite_wal_checkpointed(wal);
    assert_false(nmdm_sqlite_wal_needs_checkpoint(wal));
    OK(nmdm_sqlite_wal_flush(wal, *state, path));
}

/* ---- A database on the disk ---- */

static nmdm_err_t *put(nmdm_ctx_t *ctx, void *topic)
{
    nmdm_push_cert_t cert = {
        .cert_pem = "-----BEGIN CERTIFICATE-----\n", .key_pem = "-----",
        .topic = topic
    };

    return nmdm_push_state_put_cert(ctx, &cert);
}

static nmdm_err_t *put_unit(world_t *w, nmdm_unit_e kind, const char *topic)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_err_t *err = nmdm_db_unit(ctx, kind, put, (void *)topic);

    nmdm_db_release(ctx);
    return err;
}

static void each_write_is_flushed_once(void **state)
{
    const char *path = new_file(*state);
    world_t *w = world_make_on_disk(*state, path);
    int before;

    OK(put_unit(w, NMDM_UNIT_WRITE, "a"));
    before = flushes;
    OK(put_unit(w, NMDM_UNIT_WRITE, "b"));
    assert_int_equal(flushes - before, 1);
    OK(put_unit(w, NMDM_UNIT_TRANSACTION, "c"));
    assert_int_equal(flushes - before, 2);
    assert_string_equal(ask(w, "PRAGMA synchronous"), "1");
    /* Without someone to flush, each commit does. */
    w->db_source.wal = NULL;
    w->db.session = NULL;
    apr_hash_clear(w->db.notes);
    before = flushes;
    OK(put_unit(w, NMDM_UNIT_WRITE, "d"));
    assert_string_equal(ask(w, "PRAGMA synchronous"), "2");
    assert_true(flushes > before);
    world_end(w);
}

static void after_a_fault_the_log_is_written_back_first(void **state)
{
    const char *path = new_file(*state);
    world_t *w = world_make_on_disk(*state, path);

    OK(put_unit(w, NMDM_UNIT_WRITE, "a"));
    is_broken = 1;
    REFUSED(put_unit(w, NMDM_UNIT_WRITE, "b"), NMDM_UNAVAILABLE, "NMDM0182");
    REFUSED(put_unit(w, NMDM_UNIT_WRITE, "c"), NMDM_UNAVAILABLE, "NMDM0107");
    assert_true(nmdm_sqlite_wal_needs_checkpoint(w->db_source.wal));
    is_broken = 0;
    OK(put_unit(w, NMDM_UNIT_WRITE, "d"));
    assert_false(nmdm_sqlite_wal_needs_checkpoint(w->db_source.wal));
    assert_string_equal(ask(w, "SELECT GROUP_CONCAT(topic, '') FROM"
                               " (SELECT topic FROM push_certs"
                               "   ORDER BY topic)"), "abd");
    world_end(w);
}

#define WAL_TEST(name) \
    cmocka_unit_test_setup_teardown(name, start, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WAL_TEST(callers_during_a_flush_share_the_next),
        WAL_TEST(each_caller_alone_has_a_flush),
        WAL_TEST(a_log_that_is_gone_was_written_back),
        WAL_TEST(a_failure_is_told_to_all_that_it_concerns),
        WAL_TEST(each_write_is_flushed_once),
        WAL_TEST(after_a_fault_the_log_is_written_back_first),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
