/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_wal.c -- commits of SQLite that reach the disk together.
 *
 * With synchronous=FULL SQLite flushes its log within each commit, and the
 * driver holds a lock of the whole process meanwhile: every other thread, even
 * one that reads, waits for the disk. So commits only write the log
 * (synchronous=NORMAL, which keeps the order of log and database), and the
 * thread that committed waits here, where one flush serves all commits before
 * it. Nothing is answered earlier than with FULL.
 *
 * https://www.sqlite.org/wal.html#performance_considerations */

#include "db/sqlite_wal.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct nmdm_sqlite_wal_t {
    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_thread_cond_t *flushed_more;
    apr_uint64_t committed;     /* callers so far: each brings a commit */
    apr_uint64_t flushed;       /* of these, on the disk */
    apr_uint64_t failed;        /* of these, in a flush that failed */
    apr_status_t failure;
    int fd;                     /* of the log, or -1; its flusher's */
    int is_flushing;
    int is_in_doubt;
};

static apr_status_t close_log(void *data)
{
    nmdm_sqlite_wal_t *wal = data;

    if (wal->fd >= 0) {
        close(wal->fd);
        wal->fd = -1;
    }
    return APR_SUCCESS;
}

nmdm_err_t *nmdm_sqlite_wal_create(nmdm_sqlite_wal_t **out, apr_pool_t *p)
{
    nmdm_sqlite_wal_t *wal = apr_pcalloc(p, sizeof(*wal));
    apr_status_t rv;

    wal->fd = -1;
    apr_pool_cleanup_register(p, wal, close_log, apr_pool_cleanup_null);
    rv = apr_thread_mutex_create(&wal->lock, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&wal->flushed_more, p);
    }
    *out = wal;
    return rv == APR_SUCCESS ? NULL
        : nmdm_err(p, NMDM_INTERNAL, rv,
                   NMDMNO(0181) "no lock for SQLite's log");
}

/* The log is another file once the last connection was closed. */
static int is_open(const nmdm_sqlite_wal_t *wal, const struct stat *now)
{
    struct stat then;

    return wal->fd >= 0 && !fstat(wal->fd, &then)
        && then.st_dev == now->st_dev && then.st_ino == now->st_ino;
}

/* SQLite has descriptors of its own, but what is flushed are the pages of the
 * file. This one stays open, because the system reports a page that it
 * could not write to those that have the file open then. */
static apr_status_t flush_file(nmdm_sqlite_wal_t *wal, const char *path)
{
    struct stat now;

    if (stat(path, &now)) {
        /* Closing the last connection writes the log back and removes
         * it. */
        return errno == ENOENT ? APR_SUCCESS : errno;
    }
    if (!is_open(wal, &now)) {
        close_log(wal);
        wal->fd = open(path, O_RDWR | O_CLOEXEC);
    }
    return wal->fd >= 0 && !fdatasync(wal->fd) ? APR_SUCCESS : errno;
}

/* With the lock held, which is free during the flush itself. */
static void flush_for_all(nmdm_sqlite_wal_t *wal, const char *path)
{
    apr_uint64_t covered = wal->committed;
    apr_status_t rv;

    wal->is_flushing = 1;
    apr_thread_mutex_unlock(wal->lock);
    rv = flush_file(wal, path);
    apr_thread_mutex_lock(wal->lock);
    wal->is_flushing = 0;
    if (rv == APR_SUCCESS) {
        wal->flushed = covered;
    }
    else {
        /* The system reports a page that it could not write once: a second
         * flush would succeed and mean nothing. */
        wal->failed = covered;
        wal->failure = rv;
        wal->is_in_doubt = 1;
    }
    apr_thread_cond_broadcast(wal->flushed_more);
}

nmdm_err_t *nmdm_sqlite_wal_flush(nmdm_sqlite_wal_t *wal, apr_pool_t *p,
                                  const char *path)
{
    apr_status_t failure = APR_SUCCESS;
    apr_uint64_t mine;

    apr_thread_mutex_lock(wal->lock);
    mine = ++wal->committed;
    while (wal->flushed < mine && wal->failed < mine) {
        if (wal->is_flushing) {
            apr_thread_cond_wait(wal->flushed_more, wal->lock);
        }
        else if (wal->is_in_doubt) {
            wal->failed = mine;
        }
        else {
            flush_for_all(wal, path);
        }
    }
    if (wal->failed >= mine) {
        failure = wal->failure;
    }
    apr_thread_mutex_unlock(wal->lock);
    return failure == APR_SUCCESS ? NULL
        : nmdm_err(p, NMDM_UNAVAILABLE, failure,
                   NMDMNO(0182) "-: database: %s cannot be written to the"
                   " disk; look at the disk", path);
}

int nmdm_sqlite_wal_needs_checkpoint(nmdm_sqlite_wal_t *wal)
{
    int yes;

    apr_thread_mutex_lock(wal->lock);
    yes = wal->is_in_doubt;
    apr_thread_mutex_unlock(wal->lock);
    return yes;
}

void nmdm_sqlite_wal_checkpointed(nmdm_sqlite_wal_t *wal)
{
    apr_thread_mutex_lock(wal->lock);
    wal->is_in_doubt = 0;
    apr_thread_mutex_unlock(wal->lock);
}
