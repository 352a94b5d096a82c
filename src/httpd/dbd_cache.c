/* SPDX-License-Identifier: Apache-2.0 */
/* dbd_cache.c -- connections between two requests.
 *
 * mod_dbd asks a MariaDB or MySQL server whether a connection is alive each
 * time it hands it out, which is half of what an idle poll costs there. One
 * that worked a moment ago is alive; so it waits here for the next request,
 * and only after a second without one it goes back to mod_dbd. */

#include "httpd/dbd_cache.h"
#include "base/time.h"

#include <apr_thread_mutex.h>

#include <string.h>

/* After so long mod_dbd shall look at a connection again. */
#define FRESH apr_time_from_sec(1)

typedef struct {
    nanomdm_dbd_conn_t loan;
    apr_time_t since;           /* on the steady clock */
} place_t;

struct nanomdm_dbd_cache_t {
    nanomdm_dbd_cache_fn close;
    apr_thread_mutex_t *lock;   /* guards the rest */
    place_t *places;            /* the last is the one released last */
    int n, most;
    int size;                   /* of mod_dbd's pool */
    int lent;                   /* by mod_dbd to us, those here included */
    int asking;                 /* threads that are in mod_dbd for one more */
};

nanomdm_dbd_cache_t *nanomdm_dbd_cache_create(apr_pool_t *p, int size,
                                              nanomdm_dbd_cache_fn close)
{
    nanomdm_dbd_cache_t *shelf = apr_pcalloc(p, sizeof(*shelf));
    /* Half of a pool, so that other modules find some of it. */
    int most = (size + 1) / 2;

    if (apr_thread_mutex_create(&shelf->lock, APR_THREAD_MUTEX_DEFAULT,
                                p) != APR_SUCCESS) {
        return NULL;
    }
    shelf->close = close;
    shelf->places = apr_pcalloc(p, (apr_size_t)most * sizeof(place_t));
    shelf->most = most;
    shelf->size = size;
    return shelf;
}

int nanomdm_dbd_cache_take(nanomdm_dbd_cache_t *shelf, nanomdm_dbd_conn_t *loan)
{
    apr_time_t now = nmdm_time_steady();
    int found;

    apr_thread_mutex_lock(shelf->lock);
    found = shelf->n && shelf->places[shelf->n - 1].since > now - FRESH;
    if (found) {
        *loan = shelf->places[--shelf->n].loan;
    }
    else {
        shelf->asking++;
    }
    apr_thread_mutex_unlock(shelf->lock);
    return found;
}

void nanomdm_dbd_cache_asked(nanomdm_dbd_cache_t *shelf, int got)
{
    apr_thread_mutex_lock(shelf->lock);
    shelf->asking--;
    shelf->lent += got;
    apr_thread_mutex_unlock(shelf->lock);
}

/* Whether a thread waits in mod_dbd until another thread closes a
 * connection. */
static int somebody_waits(const nanomdm_dbd_cache_t *shelf)
{
    return shelf->asking && shelf->lent + shelf->asking > shelf->size;
}

void nanomdm_dbd_cache_put(nanomdm_dbd_cache_t *shelf, nanomdm_dbd_conn_t loan)
{
    int fits;

    apr_thread_mutex_lock(shelf->lock);
    fits = shelf->n < shelf->most && !somebody_waits(shelf);
    if (fits) {
        shelf->places[shelf->n++] = (place_t){ loan, nmdm_time_steady() };
    }
    apr_thread_mutex_unlock(shelf->lock);
    if (!fits) {
        nanomdm_dbd_cache_close(shelf, loan);
    }
}

void nanomdm_dbd_cache_close(nanomdm_dbd_cache_t *shelf,
                             nanomdm_dbd_conn_t loan)
{
    shelf->close(loan);
    apr_thread_mutex_lock(shelf->lock);
    shelf->lent--;
    apr_thread_mutex_unlock(shelf->lock);
}

/* One by one, because mod_dbd may be connecting and makes a thread that closes
 * wait for it: not with our lock. */
static void clear(nanomdm_dbd_cache_t *shelf, apr_time_t before)
{
    nanomdm_dbd_conn_t oldest;
    int found;

    do {
        apr_thread_mutex_lock(shelf->lock);
        found = shelf->n && shelf->places[0].since <= before;
        if (found) {
            oldest = shelf->places[0].loan;
            shelf->n--;
            memmove(shelf->places, shelf->places + 1,
                    (apr_size_t)shelf->n * sizeof(place_t));
        }
        apr_thread_mutex_unlock(shelf->lock);
        if (found) {
            nanomdm_dbd_cache_close(shelf, oldest);
        }
    } while (found);
}

void nanomdm_dbd_cache_expire(nanomdm_dbd_cache_t *shelf)
{
    clear(shelf, nmdm_time_steady() - FRESH);
}

void nanomdm_dbd_cache_empty(nanomdm_dbd_cache_t *shelf)
{
    clear(shelf, APR_INT64_MAX);
}

void nanomdm_dbd_cache_shut(nanomdm_dbd_cache_t *shelf)
{
    apr_thread_mutex_lock(shelf->lock);
    shelf->most = 0;
    apr_thread_mutex_unlock(shelf->lock);
    nanomdm_dbd_cache_empty(shelf);
}
