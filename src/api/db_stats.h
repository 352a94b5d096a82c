/* SPDX-License-Identifier: Apache-2.0 */
/* db_stats.h -- what the database holds, in numbers.
 *
 * No number costs more the more there is: each is exact up to a bound and
 * says "at least" beyond. */

#ifndef NMDM_API_DB_STATS_H
#define NMDM_API_DB_STATS_H

#include "api/amount.h"
#include "api/identity_stats.h"
#include "base/context.h"

#define NMDM_DB_STATS_TYPES 5

/* Counted at most once in NMDM_DB_STATS_AGE by each child. */
#define NMDM_DB_STATS_AGE apr_time_from_sec(30)

typedef struct {
    apr_time_t counted_at;
    nmdm_amount_t enabled[NMDM_DB_STATS_TYPES]; /* in the order of
                                                 * base/context.h */
    nmdm_amount_t begun;        /* devices without a TokenUpdate yet */
    /* Of all enrollments, if more than were counted: what the database takes
     * their number to be; else 0. */
    apr_int64_t estimate;
    int has_queue;              /* are the rest known? */
    nmdm_amount_t pending;      /* commands, expired ones included */
    apr_time_t oldest_pending;  /* of those counted; 0: none */
    nmdm_amount_t silent;       /* pushed to again and again, and not seen */
    nmdm_amount_t put_off;      /* NotNow for more than a day */
    nmdm_identity_stats_t identities;
} nmdm_counted_t;

typedef struct {
    const char *id;
    apr_time_t since;
} nmdm_slow_t;

typedef struct {
    const char *id, *status, *reason;
    apr_time_t at;
} nmdm_refused_push_t;

typedef struct {
    const char *topic;
    apr_time_t not_after;       /* 0: it cannot be read */
} nmdm_topic_t;

typedef struct {
    nmdm_counted_t counted;
    nmdm_amount_t refused;      /* pushes, until a new token arrives */
    apr_array_header_t *refusals;       /* nmdm_refused_push_t, 20 at most */
    apr_array_header_t *silent, *put_off;       /* nmdm_slow_t, the slowest,
                                                 * 10 at most */
    apr_array_header_t *stuck;  /* renewals, nmdm_stuck_t */
    int has_outbox;
    nmdm_amount_t events_pending, events_dead;
    int has_declarations;
    nmdm_amount_t declarations, declaration_sets;
    nmdm_amount_t declarative;  /* enrollments that have asked for some */
    nmdm_amount_t declaring_invalid;    /* that reported an invalid one */
    nmdm_amount_t declaring_waiting;    /* for which a command waits */
    nmdm_amount_t declaring_in_sync;    /* for which none does */
    nmdm_amount_t changes;      /* whose devices are still to be notified */
    apr_int64_t oldest_change;  /* its age in seconds; 0 without one */
    apr_array_header_t *topics; /* of push certificates, nmdm_topic_t */
    apr_interval_time_t latency;        /* of a trivial statement */
} nmdm_db_stats_t;

extern const char *const NMDM_DB_STATS_NAMES[NMDM_DB_STATS_TYPES];

/* Remembers what was counted lately; of a child, lives as long as p. */
nmdm_err_t *nmdm_stats_cache_create(nmdm_stats_cache_t **out, apr_pool_t *p);

/* Reads the figures of the status page, in ctx->pool, in two units that read.
 * What takes long to count is remembered in ctx->services for a while. After
 * an error *out holds what was read before it. */
nmdm_err_t *nmdm_api_db_stats(nmdm_db_stats_t *out, nmdm_ctx_t *ctx);
/* How many commands wait, counted as there; -1 without the tables that know. */
nmdm_err_t *nmdm_api_db_stats_depth(apr_int64_t *depth, nmdm_ctx_t *ctx);
/* Of the five types, as far as they were counted. */
nmdm_amount_t nmdm_api_db_stats_enrolled(const nmdm_counted_t *counted);

#endif /* NMDM_API_DB_STATS_H */
