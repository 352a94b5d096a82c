/* SPDX-License-Identifier: Apache-2.0 */
/* counters.h -- what happened, counted by all children together.
 *
 * Counters live in memory that children share. They have names from fixed
 * lists, so that no device or operator can make more of them. */

#ifndef NMDM_COUNTERS_H
#define NMDM_COUNTERS_H

#include "base/context.h"

typedef enum {
    NMDM_COUNT_REQUESTS,        /* by handler and class of status */
    NMDM_COUNT_CHECKINS,        /* by MessageType and outcome */
    NMDM_COUNT_REPORTS,         /* by Status and outcome */
    NMDM_COUNT_UNREAD,          /* refused before it was known what it is */
    NMDM_COUNT_DELIVERED,       /* commands */
    NMDM_COUNT_PUSHES,          /* by what APNs said */
    NMDM_COUNT_EVENTS,          /* for webhooks */
    NMDM_COUNT_DATABASE,        /* failures */
    NMDM_COUNT_LIMITED,         /* requests beyond NanoMDMRateLimit */
    NMDM_COUNT_SCEP,            /* answers to PKIOperation */
    NMDM_COUNT_PROFILES,        /* for enrollment, given and refused */
    NMDM_COUNT_DURATION,        /* requests by handler and upper bound */
    NMDM_COUNT_MICROSECONDS,    /* that these took */
    NMDM_COUNT_FAMILIES
} nmdm_count_e;

/* Counters of one kind, as monitoring knows them: one for each value of the
 * one or two keys. */
typedef struct {
    const char *name, *help;
    const char *key;            /* NULL: it is one counter */
    const char *const *values;
    int n;                      /* 1 without a key */
    const char *second_key;     /* or NULL */
    const char *const *second_values;
    int seconds;                /* 1 without one */
} nmdm_family_t;

/* The description of a family of counters; static. */
const nmdm_family_t *nmdm_count_family(nmdm_count_e family);

/* Memory for all of it: a caller's, zeroed, then made. */
apr_size_t nmdm_counters_size(void);
void nmdm_counters_make(nmdm_counters_t *counters, apr_time_t now);
apr_time_t nmdm_counters_since(nmdm_counters_t *counters);

/* Adds to one. A value that is not in the list counts as the last of it.
 * counters may be NULL: nothing is counted. */
void nmdm_count(nmdm_counters_t *counters, nmdm_count_e family,
                const char *value, const char *second, apr_uint64_t number);
/* A request that took so long, for NMDM_COUNT_DURATION and its sum. */
void nmdm_count_duration(nmdm_counters_t *counters, const char *handler,
                         apr_interval_time_t took);

/* What has been counted under the values of these numbers, ever since and in
 * the last hour. */
apr_uint64_t nmdm_counted(nmdm_counters_t *counters,
                          nmdm_count_e family, int value, int second);
apr_uint64_t nmdm_counted_lately(nmdm_counters_t *counters,
                                 nmdm_count_e family, int value, int second,
                                 apr_time_t now);

/* The last hour by minutes, the last day by quarters of an hour. */
typedef enum { NMDM_BY_MINUTE, NMDM_BY_QUARTER, NMDM_STEPS } nmdm_step_e;
#define NMDM_MINUTES 60
#define NMDM_QUARTERS 96
#define NMDM_STEPS_MOST NMDM_QUARTERS
/* NMDM_MINUTES or NMDM_QUARTERS. */
int nmdm_counted_steps(nmdm_step_e step);
/* What was counted in each step: the last one is the present. Steps before
 * counting began are 0. */
void nmdm_counted_by_step(apr_uint64_t *out, nmdm_counters_t *counters,
                          nmdm_step_e step, nmdm_count_e family, int value,
                          int second, apr_time_t now);
/* The sum of a family, or of one value of it. */
apr_uint64_t nmdm_counted_all(nmdm_counters_t *counters,
                              nmdm_count_e family);
apr_uint64_t nmdm_counted_of(nmdm_counters_t *counters,
                             nmdm_count_e family, int value);

/* To be called about once a second, by any thread: keeps what the last hour
 * and the last day are measured by. */
void nmdm_counters_tick(nmdm_counters_t *counters, apr_time_t now);

/* ---- How many commands wait ---- */

/* Whether the caller, of all threads of all children, is to count them for
 * this minute. */
int nmdm_counters_depth_is_due(nmdm_counters_t *counters, apr_time_t now);
void nmdm_counters_note_depth(nmdm_counters_t *counters, apr_int64_t depth,
                              apr_time_t now);
/* As noted last before the end of each step; -1 where it is not known. */
void nmdm_counters_depths(apr_int64_t *out, nmdm_counters_t *counters,
                          nmdm_step_e step, apr_time_t now);

/* ---- Events that died ---- */

/* Adds a number of events that died, which may be 0, and returns how many the
 * line is about that is due now: once a minute, of all children together; 0
 * when none is. Without counters each call's number is due. */
apr_uint32_t nmdm_counters_due_deaths(nmdm_counters_t *counters,
                                      apr_uint32_t number, apr_time_t now);

/* ---- How many different devices ---- */

/* An enrollment was heard of. */
void nmdm_counters_see(nmdm_counters_t *counters, const char *id,
                       apr_time_t now);

/* One was heard of whose identity certificate, this one, ends soon. */
void nmdm_counters_see_ending(nmdm_counters_t *counters, const char *sha256,
                              apr_time_t now);

typedef enum {
    NMDM_LAST_HOUR, NMDM_LAST_DAY, NMDM_ENDING_LAST_DAY
} nmdm_span_e;

/* How many different ones, within about two percent: of 60 to 65 minutes, or
 * of 24 to 25 hours. */
apr_uint64_t nmdm_counters_seen(nmdm_counters_t *counters,
                                nmdm_span_e span, apr_time_t now);

#endif /* NMDM_COUNTERS_H */
