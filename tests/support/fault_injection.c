/* SPDX-License-Identifier: Apache-2.0 */
/* fault_injection.c -- what seldom happens to a child of httpd, to be preloaded.
 *
 * EARLY_STOP names a file: while it is there the next child is stopped, as by
 * a httpd that stops, before it has made anything. The file is removed.
 * FAILING_THREAD is the number of the thread that a child cannot start.
 * CLOCK_AHEAD names a file: while it is there the clock is an hour ahead. */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int (*make_pool_fn)(void **pool, void *parent, void *abort_fn,
                            void *allocator);
typedef int (*make_thread_fn)(pthread_t *thread, const pthread_attr_t *attr,
                              void *(*work)(void *), void *data);

static pid_t httpd;
static int threads;             /* of this child; one after the other */

static void __attribute__((constructor)) note_httpd(void)
{
    httpd = getpid();
}

/* The first call in a child is for its pool. */
int apr_pool_create_ex(void **pool, void *parent, void *abort_fn,
                       void *allocator)
{
    make_pool_fn real = (make_pool_fn)dlsym(RTLD_NEXT, "apr_pool_create_ex");
    const char *file = getenv("EARLY_STOP");

    if (file && getpid() != httpd && !unlink(file)) {
        raise(SIGTERM);
    }
    return real(pool, parent, abort_fn, allocator);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    const char *file = getenv("CLOCK_AHEAD");
    struct timespec real;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec + (file && !access(file, F_OK) ? 3600 : 0);
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*work)(void *), void *data)
{
    make_thread_fn real = (make_thread_fn)dlsym(RTLD_NEXT, "pthread_create");
    const char *number = getenv("FAILING_THREAD");

    if (number && getpid() != httpd && ++threads == atoi(number)) {
        return EAGAIN;
    }
    return real(thread, attr, work, data);
}
