/* SPDX-License-Identifier: Apache-2.0 */
/* last_seen.c -- who was seen lately.
 *
 * Writing last_seen_at is the dearest part of an idle poll. So a poll only
 * notes the id, and the child writes what it noted in one statement for many
 * devices; a crash loses no more than the last second of it. */

#include "storage/last_seen.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

struct nmdm_last_seen_t {
    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_pool_t *pool;           /* of ids; cleared when they are taken */
    apr_hash_t *ids;
};

nmdm_err_t *nmdm_last_seen_create(nmdm_last_seen_t **out, apr_pool_t *p)
{
    nmdm_last_seen_t *seen = apr_pcalloc(p, sizeof(*seen));
    apr_status_t rv;

    rv = apr_thread_mutex_create(&seen->lock, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = nmdm_own_pool(&seen->pool, p);
    }
    if (rv != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, rv,
                        NMDMNO(0151) "no memory for the list of devices"
                        " seen");
    }
    seen->ids = apr_hash_make(seen->pool);
    *out = seen;
    return NULL;
}

void nmdm_last_seen_note(nmdm_last_seen_t *seen, const char *id)
{
    apr_thread_mutex_lock(seen->lock);
    if (apr_hash_count(seen->ids) < NMDM_LAST_SEEN_MOST
        && !apr_hash_get(seen->ids, id, APR_HASH_KEY_STRING)) {
        const char *copy = apr_pstrdup(seen->pool, id);

        apr_hash_set(seen->ids, copy, APR_HASH_KEY_STRING, copy);
    }
    apr_thread_mutex_unlock(seen->lock);
}

apr_array_header_t *nmdm_last_seen_take(nmdm_last_seen_t *seen, apr_pool_t *p)
{
    apr_array_header_t *ids;
    apr_hash_index_t *hi;

    apr_thread_mutex_lock(seen->lock);
    ids = apr_array_make(p, (int)apr_hash_count(seen->ids) + 1,
                         sizeof(const char *));
    for (hi = apr_hash_first(p, seen->ids); hi; hi = apr_hash_next(hi)) {
        APR_ARRAY_PUSH(ids, const char *)
            = apr_pstrdup(p, apr_hash_this_key(hi));
    }
    apr_pool_clear(seen->pool);
    seen->ids = apr_hash_make(seen->pool);
    apr_thread_mutex_unlock(seen->lock);
    return ids;
}
