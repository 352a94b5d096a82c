/* SPDX-License-Identifier: Apache-2.0 */
/* pool_shim.c -- takes every piece of pool memory from malloc.
 *
 * APR hands out pieces of large blocks, so AddressSanitizer does not see who
 * writes beyond a piece. Loaded before libapr (LD_PRELOAD behind libasan, or
 * linked into a test) this gives each piece an allocation of its own.
 *
 * The pieces of a pool are freed by one cleanup, registered before all others
 * of the pool and therefore run last: cleanups may use what was allocated
 * after they were registered. Not covered: pools that note subprocesses, whose
 * list APR reads after the cleanups. */

#include <apr_pools.h>
#include <apr_strings.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#undef apr_palloc
#undef apr_pcalloc
/* The header has a macro of this name instead; the library has both. */
void *apr_pcalloc(apr_pool_t *p, apr_size_t size);

typedef void *(*palloc_fn)(apr_pool_t *p, apr_size_t size);

/* In front of each piece; as large as the alignment that malloc promises. */
typedef union piece_t {
    union piece_t *next;
    max_align_t align;
} piece_t;

/* The pieces of one pool. */
typedef struct owner_t {
    struct owner_t *next;
    apr_pool_t *pool;
    piece_t *pieces;
} owner_t;

#define BUCKETS 4096

static owner_t *owners[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Set while APR allocates for us: that has to be pool memory. */
static __thread int inside;

static owner_t **bucket_of(const apr_pool_t *p)
{
    return &owners[((size_t)p >> 4) % BUCKETS];
}

static void *real_palloc(apr_pool_t *p, apr_size_t size)
{
    static palloc_fn real;

    if (!real) {
        real = (palloc_fn)dlsym(RTLD_NEXT, "apr_palloc");
    }
    return real(p, size);
}

static apr_status_t free_pieces(void *data)
{
    owner_t *owner = data, **at;
    piece_t *piece, *next;

    pthread_mutex_lock(&lock);
    for (at = bucket_of(owner->pool); *at != owner; at = &(*at)->next) {
        /* it is there */
    }
    *at = owner->next;
    pthread_mutex_unlock(&lock);

    for (piece = owner->pieces; piece; piece = next) {
        next = piece->next;
        free(piece);
    }
    free(owner);
    return APR_SUCCESS;
}

/* A pool is used by one thread at a time, so nobody adds the same owner
 * between the two locks. */
static owner_t *owner_of(apr_pool_t *p)
{
    owner_t *owner;

    pthread_mutex_lock(&lock);
    for (owner = *bucket_of(p); owner; owner = owner->next) {
        if (owner->pool == p) {
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    if (owner) {
        return owner;
    }
    owner = calloc(1, sizeof(*owner));
    owner->pool = p;
    inside = 1;
    apr_pool_cleanup_register(p, owner, free_pieces, apr_pool_cleanup_null);
    inside = 0;
    pthread_mutex_lock(&lock);
    owner->next = *bucket_of(p);
    *bucket_of(p) = owner;
    pthread_mutex_unlock(&lock);
    return owner;
}

void *apr_palloc(apr_pool_t *p, apr_size_t size)
{
    owner_t *owner;
    piece_t *piece;

    if (inside) {
        return real_palloc(p, size);
    }
    owner = owner_of(p);
    piece = malloc(sizeof(*piece) + size);
    if (!piece) {
        abort();
    }
    piece->next = owner->pieces;
    owner->pieces = piece;
    return piece + 1;
}

void *apr_pcalloc(apr_pool_t *p, apr_size_t size)
{
    return memset(apr_palloc(p, size), 0, size);
}

/* APR's own writes into the pool's block directly. */
char *apr_pvsprintf(apr_pool_t *p, const char *fmt, va_list args)
{
    va_list again;
    char *text;
    int len;

    va_copy(again, args);
    len = apr_vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    text = apr_palloc(p, (apr_size_t)len + 1);
    apr_vsnprintf(text, (apr_size_t)len + 1, fmt, args);
    return text;
}
