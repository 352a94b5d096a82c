/* SPDX-License-Identifier: Apache-2.0 */
/* dbd_cache.c -- keeps connections of mod_dbd from one request to the next.
 *
 * mod_dbd asks a MariaDB or MySQL server whether a connection is alive each
 * time it hands it out, which is half of what an idle poll costs there. One
 * that worked a moment ago is alive; so it waits here for the next request,
 * and only after a second without one it goes back to mod_dbd.
 *
 * A connection of SQLite holds the schema, statements and pages in memory of
 * its own, and what it is asked takes a processor for some microseconds. More
 * of them than processors only take memory, and find less in their caches. */

#include "httpd/dbd_cache.h"
#include "base/cond.h"
#include "base/time.h"

#include <string.h>

/* After so long mod_dbd shall look at a connection again. */
#define FRESH apr_time_from_sec(1)
/* How long a connection that does not suffice is waited for, before there is
 * one more. */
#define MOMENT apr_time_from_msec(100)

typedef struct {
    nanomdm_dbd_conn_t conn;
    apr_time_t since;           /* on the steady clock */
} place_t;

struct nanomdm_dbd_cache_t {
    nanomdm_dbd_cache_fn close;
    nmdm_cond_t *lock;          /* guards the rest; signalled at a return */
    place_t *places;            /* the last is the one released last */
    int n, most;
    int size;                   /* of mod_dbd's pool */
    int few;                    /* so many suffice, most often; 0: as many as
                                 * are asked for */
    int lent;                   /* by mod_dbd to us, those here included */
    int asking;                 /* threads that are in mod_dbd for one more */
    int waiting;                /* threads, for one that is put back */
    int keeps;              /* however long they were not used */
};

nanomdm_dbd_cache_t *nanomdm_dbd_cache_create(apr_pool_t *p, int size,
                                              int few,
                                              nanomdm_dbd_cache_fn close)
{
    nanomdm_dbd_cache_t *cache = apr_pcalloc(p, sizeof(*cache));
    /* Half of a pool, so that other modules find some of it. */
    int most = (size + 1) / 2;

    if (nmdm_cond_create(&cache->lock, p) != APR_SUCCESS) {
        return NULL;
    }
    cache->close = close;
    cache->places = apr_pcalloc(p, (apr_size_t)most * sizeof(place_t));
    cache->most = most;
    cache->size = size;
    cache->few = few;
    return cache;
}

static void wait_for_one(nanomdm_dbd_cache_t *cache,
                         apr_interval_time_t timeout)
{
    cache->waiting++;
    nmdm_cond_wait(cache->lock, timeout);
    cache->waiting--;
}

/* While a database that is away keeps what is here, mod_dbd is asked. */
static int is_enough(const nanomdm_dbd_cache_t *cache)
{
    return cache->few && !cache->keeps
        && cache->lent + cache->asking >= cache->few;
}

int nanomdm_dbd_cache_take(nanomdm_dbd_cache_t *cache,
                           nanomdm_dbd_conn_t *conn)
{
    apr_time_t now = nmdm_time_steady(), end = now + MOMENT;
    int found;

    nmdm_cond_lock(cache->lock);
    while (!cache->n && is_enough(cache) && now < end) {
        wait_for_one(cache, end - now);
        now = nmdm_time_steady();
    }
    found = cache->n && (cache->keeps || cache->few
                         || cache->places[cache->n - 1].since > now - FRESH);
    if (found) {
        *conn = cache->places[--cache->n].conn;
    }
    else {
        cache->asking++;
    }
    nmdm_cond_unlock(cache->lock);
    return found;
}

void nanomdm_dbd_cache_asked(nanomdm_dbd_cache_t *cache, int got)
{
    nmdm_cond_lock(cache->lock);
    cache->asking--;
    cache->lent += got;
    nmdm_cond_unlock(cache->lock);
}

void nanomdm_dbd_cache_wait(nanomdm_dbd_cache_t *cache,
                            apr_interval_time_t timeout)
{
    nmdm_cond_lock(cache->lock);
    wait_for_one(cache, timeout);
    nmdm_cond_unlock(cache->lock);
}

/* Whether a thread waits in mod_dbd until another thread closes a
 * connection. */
static int is_waited_for(const nanomdm_dbd_cache_t *cache)
{
    return cache->asking && cache->lent + cache->asking > cache->size;
}

void nanomdm_dbd_cache_put(nanomdm_dbd_cache_t *cache, nanomdm_dbd_conn_t conn)
{
    int fits;

    nmdm_cond_lock(cache->lock);
    fits = cache->n < cache->most && !is_waited_for(cache);
    if (fits) {
        cache->places[cache->n++] = (place_t){ conn, nmdm_time_steady() };
        if (cache->waiting) {
            nmdm_cond_signal_one(cache->lock);
        }
    }
    nmdm_cond_unlock(cache->lock);
    if (!fits) {
        nanomdm_dbd_cache_close(cache, conn);
    }
}

void nanomdm_dbd_cache_close(nanomdm_dbd_cache_t *cache,
                             nanomdm_dbd_conn_t conn)
{
    cache->close(conn);
    nmdm_cond_lock(cache->lock);
    cache->lent--;
    if (cache->waiting) {
        nmdm_cond_signal_one(cache->lock);      /* it may ask for one more */
    }
    nmdm_cond_unlock(cache->lock);
}

/* One by one, because mod_dbd may be connecting and makes a thread that closes
 * wait for it: not with our lock. */
static void clear(nanomdm_dbd_cache_t *cache, apr_time_t before)
{
    nanomdm_dbd_conn_t oldest;
    int found;

    do {
        nmdm_cond_lock(cache->lock);
        found = cache->n && cache->places[0].since <= before;
        if (found) {
            oldest = cache->places[0].conn;
            cache->n--;
            memmove(cache->places, cache->places + 1,
                    (apr_size_t)cache->n * sizeof(place_t));
        }
        nmdm_cond_unlock(cache->lock);
        if (found) {
            nanomdm_dbd_cache_close(cache, oldest);
        }
    } while (found);
}

void nanomdm_dbd_cache_keep(nanomdm_dbd_cache_t *cache, int yes)
{
    nmdm_cond_lock(cache->lock);
    cache->keeps = yes;
    nmdm_cond_unlock(cache->lock);
}

void nanomdm_dbd_cache_expire(nanomdm_dbd_cache_t *cache)
{
    int yes;

    nmdm_cond_lock(cache->lock);
    yes = !cache->keeps;
    nmdm_cond_unlock(cache->lock);
    if (yes) {
        clear(cache, nmdm_time_steady() - FRESH);
    }
}

void nanomdm_dbd_cache_empty(nanomdm_dbd_cache_t *cache)
{
    clear(cache, APR_INT64_MAX);
}

void nanomdm_dbd_cache_shut(nanomdm_dbd_cache_t *cache)
{
    nmdm_cond_lock(cache->lock);
    cache->most = 0;
    nmdm_cond_unlock(cache->lock);
    nanomdm_dbd_cache_empty(cache);
}
