/* SPDX-License-Identifier: Apache-2.0 */
/* rate_limit.c -- how often a device may ask: a bucket for each certificate
 * and limit.
 *
 * A bucket is one time, that at which it will be full again: each request
 * moves it on by what a request costs, and none may move it further ahead than
 * the whole bucket costs. So there is nothing to refill, and an addition by
 * compare-and-swap is the only lock. */

#include "base/rate_limit.h"

#include <apr_atomic.h>

/* A certificate's buckets are among eight, in three cache lines. */
#define WAYS 8
#define SETS 8192

typedef struct {
    apr_uint64_t key;           /* of certificate and limit; 0: free */
    apr_uint64_t full_at;       /* apr_time_t */
    apr_uint32_t logged;        /* the minute since 1970 of the last line */
} bucket_t;

struct nmdm_rate_limits_t {
    bucket_t sets[SETS][WAYS];
};

apr_size_t nmdm_rate_limits_size(void)
{
    return sizeof(nmdm_rate_limits_t);
}

/* The first 64 bits of a digest, of which a client cannot choose even these.
 * The limit changes the bits that do not choose the set: how far ahead a
 * bucket may be means nothing to another limit. */
static apr_uint64_t key_of(const char *sha256, const nmdm_rate_limit_t *limit)
{
    apr_uint64_t key = 0, rate = (apr_uint64_t)limit->each << 17
        | (apr_uint64_t)limit->burst;
    int i;

    for (i = 0; i < 16 && sha256[i]; i++) {
        char c = sha256[i];

        key = key << 4 | (apr_uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    key ^= rate * SETS;
    return key ? key : 1;
}

/* A bucket that is full is as good as none, and the one that was so for the
 * longest time is taken first. */
static bucket_t *find(bucket_t *set, apr_uint64_t key)
{
    int tries, i;

    for (tries = 0; tries < WAYS; tries++) {
        bucket_t *fullest = set;
        apr_uint64_t owner;

        for (i = 0; i < WAYS; i++) {
            if (apr_atomic_read64(&set[i].key) == key) {
                return &set[i];
            }
            if (apr_atomic_read64(&set[i].full_at)
                < apr_atomic_read64(&fullest->full_at)) {
                fullest = &set[i];
            }
        }
        owner = apr_atomic_read64(&fullest->key);
        if (apr_atomic_cas64(&fullest->key, key, owner) == owner) {
            apr_atomic_set64(&fullest->full_at, 0);
            apr_atomic_set32(&fullest->logged, 0);
            return fullest;
        }
    }
    return NULL;                /* others take places faster than we do */
}

static int is_first_of_minute(bucket_t *bucket, apr_time_t now)
{
    apr_uint32_t minute = (apr_uint32_t)(apr_time_sec(now) / 60);
    apr_uint32_t logged = apr_atomic_read32(&bucket->logged);

    return logged != minute
        && apr_atomic_cas32(&bucket->logged, minute, logged) == logged;
}

int nmdm_rate_limits_take(nmdm_rate_limits_t *limits, apr_interval_time_t *wait,
                          int *is_news, const char *sha256,
                          const nmdm_rate_limit_t *limit, apr_time_t now)
{
    apr_uint64_t key = key_of(sha256, limit);
    apr_uint64_t each = (apr_uint64_t)limit->each;
    apr_uint64_t most = (apr_uint64_t)now + each * (apr_uint64_t)limit->burst;
    bucket_t *bucket = limits && each ? find(limits->sets[key % SETS], key)
                                      : NULL;
    apr_uint64_t was, from;

    if (!bucket) {
        return 1;
    }
    do {
        was = apr_atomic_read64(&bucket->full_at);
        from = was > (apr_uint64_t)now ? was : (apr_uint64_t)now;
        if (from > most) {      /* the clock was set back */
            from = most;
        }
        if (from + each > most) {
            apr_atomic_cas64(&bucket->full_at, from, was);
            *wait = (apr_interval_time_t)(from + each - most);
            *is_news = is_first_of_minute(bucket, now);
            return 0;
        }
    } while (apr_atomic_cas64(&bucket->full_at, from + each, was) != was);
    return 1;
}
