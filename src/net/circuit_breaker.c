/* SPDX-License-Identifier: Apache-2.0 */
/* circuit_breaker.c -- stops asking a peer that does not answer. */

#include "net/circuit_breaker.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

/* So many failures, one after the other, open a circuit ... */
#define FAILURES 5
/* ... for this long, doubled each time that it does not help. */
#define FIRST_PAUSE apr_time_from_sec(30)
#define LONGEST_PAUSE apr_time_from_sec(10 * 60)

typedef struct {
    int failures;
    apr_interval_time_t pause;
    apr_time_t open_until;      /* 0: closed */
} circuit_t;

struct nmdm_circuit_breaker_t {
    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_pool_t *pool;
    apr_hash_t *circuits;       /* name -> circuit_t */
};

nmdm_err_t *nmdm_circuit_breaker_create(nmdm_circuit_breaker_t **out,
                                        apr_pool_t *p)
{
    nmdm_circuit_breaker_t *breaker = apr_pcalloc(p, sizeof(*breaker));
    apr_status_t rv = apr_thread_mutex_create(&breaker->lock,
                                              APR_THREAD_MUTEX_DEFAULT, p);

    if (rv == APR_SUCCESS) {
        rv = nmdm_own_pool(&breaker->pool, p);
    }
    if (rv != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, rv, NMDMNO(0162)
                        "no memory for circuit breakers");
    }
    breaker->circuits = apr_hash_make(breaker->pool);
    *out = breaker;
    return NULL;
}

static circuit_t *find(nmdm_circuit_breaker_t *breaker, const char *name)
{
    circuit_t *circuit = apr_hash_get(breaker->circuits, name,
                                      APR_HASH_KEY_STRING);

    if (!circuit) {
        circuit = apr_pcalloc(breaker->pool, sizeof(*circuit));
        apr_hash_set(breaker->circuits, apr_pstrdup(breaker->pool, name),
                     APR_HASH_KEY_STRING, circuit);
    }
    return circuit;
}

int nmdm_circuit_breaker_is_open(nmdm_circuit_breaker_t *breaker,
                                 const char *name, apr_time_t now)
{
    circuit_t *circuit;
    int is_open;

    apr_thread_mutex_lock(breaker->lock);
    circuit = find(breaker, name);
    is_open = now < circuit->open_until;
    if (circuit->open_until && !is_open) {
        /* Others wait for what becomes of this one. */
        circuit->open_until = now + circuit->pause;
    }
    apr_thread_mutex_unlock(breaker->lock);
    return is_open;
}

void nmdm_circuit_breaker_note(nmdm_circuit_breaker_t *breaker,
                               const char *name, int has_answered,
                               apr_time_t now)
{
    circuit_t *circuit;

    apr_thread_mutex_lock(breaker->lock);
    circuit = find(breaker, name);
    if (has_answered) {
        *circuit = (circuit_t){ 0, 0, 0 };
    }
    else if (++circuit->failures >= FAILURES) {
        circuit->pause = !circuit->pause ? FIRST_PAUSE
            : circuit->pause < LONGEST_PAUSE / 2 ? circuit->pause * 2
            : LONGEST_PAUSE;
        circuit->open_until = now + circuit->pause;
        circuit->failures = 0;
    }
    apr_thread_mutex_unlock(breaker->lock);
}
