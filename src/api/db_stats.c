/* SPDX-License-Identifier: Apache-2.0 */
/* db_stats.c -- what the database holds, in numbers. */

#include "api/db_stats.h"
#include "db/db.h"
#include "storage/outbox.h"
#include "db/schema.h"
#include "base/time.h"
#include "crypto/x509.h"

#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include <stdlib.h>

/* Bounds, as in db/statements.c; of enrollments so many batches of a
 * thousand are taken for each type. */
#define BATCH 1000
#define BATCHES 10
#define BATCHES_OF_DEVICES 50
#define MOST_PENDING 10000
#define MOST 1000

const char *const NMDM_DB_STATS_NAMES[NMDM_DB_STATS_TYPES] = {
    NMDM_DEVICE, NMDM_USER, NMDM_SHARED_IPAD, NMDM_USER_ENROLLMENT_DEVICE,
    NMDM_USER_ENROLLMENT
};

nmdm_amount_t nmdm_api_db_stats_enrolled(const nmdm_counted_t *counted)
{
    nmdm_amount_t all = { 0, 0 };
    int i;

    for (i = 0; i < NMDM_DB_STATS_TYPES; i++) {
        all.number += counted->enabled[i].number;
        all.is_least |= counted->enabled[i].is_least;
    }
    return all;
}

/* ---- What was counted lately ---- */

struct nmdm_stats_cache_t {
    apr_thread_mutex_t *lock;   /* guards the rest */
    nmdm_counted_t counted;
    int is_being_counted;
};

nmdm_err_t *nmdm_stats_cache_create(nmdm_stats_cache_t **out, apr_pool_t *p)
{
    nmdm_stats_cache_t *totals = apr_pcalloc(p, sizeof(*totals));
    apr_status_t rv = apr_thread_mutex_create(
        &totals->lock, APR_THREAD_MUTEX_DEFAULT, p);

    if (rv != APR_SUCCESS) {
        return nmdm_err(p, NMDM_INTERNAL, rv, NMDMNO(1901)
                        "no memory for figures");
    }
    *out = totals;
    return NULL;
}

/* Whether they have to be counted now, and by the caller. While another thread
 * counts, others are content with what is there. */
static int is_old(nmdm_stats_cache_t *totals, nmdm_counted_t *out)
{
    apr_time_t now = apr_time_now();
    int yes = 1;

    if (totals) {
        apr_thread_mutex_lock(totals->lock);
        *out = totals->counted;
        if (out->counted_at) {
            yes = !totals->is_being_counted
                && (now - out->counted_at > NMDM_DB_STATS_AGE
                    || now < out->counted_at);
        }
        totals->is_being_counted |= yes;
        apr_thread_mutex_unlock(totals->lock);
    }
    return yes;
}

static void remember(nmdm_stats_cache_t *totals, const nmdm_counted_t *counted)
{
    if (totals) {
        apr_thread_mutex_lock(totals->lock);
        if (counted) {
            totals->counted = *counted;
        }
        totals->is_being_counted = 0;
        apr_thread_mutex_unlock(totals->lock);
    }
}

/* ---- Counting ---- */

static apr_int64_t number(const char *digits)
{
    return digits ? apr_atoi64(digits) : 0;
}

/* In batches, so that no other thread waits long for SQLite, which serves one
 * thread at a time. A row has how many were looked at, how many of them count,
 * and the last id, which is the last argument of the next batch. */
static nmdm_err_t *count_batches(nmdm_ctx_t *ctx, nmdm_amount_t *amount,
                                 int most, nmdm_stmt_e stmt, const char **args,
                                 int nargs)
{
    const char *cols[3];
    int i, found;

    *amount = (nmdm_amount_t){ 0, 0 };
    for (i = 0; i < most; i++) {
        NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3, stmt, args, nargs));
        amount->number += number(cols[1]);
        if (number(cols[0]) < BATCH) {
            return NULL;
        }
        args[nargs - 1] = cols[2];
    }
    amount->is_least = 1;
    return NULL;
}

static nmdm_err_t *count_type(nmdm_ctx_t *ctx, nmdm_amount_t *amount,
                              const char *type)
{
    return count_batches(ctx, amount, BATCHES,
                         nmdm_schema_is_complete(ctx)
                             ? STMT_STATS_ENROLLED
                             : STMT_STATS_ENROLLED_SCAN,
                         NMDM_ARGS(type, ""));
}

/* A device without an enrollment is rare, so more devices are looked at. */
static nmdm_err_t *count_begun(nmdm_ctx_t *ctx, nmdm_amount_t *amount)
{
    return count_batches(ctx, amount, BATCHES_OF_DEVICES,
                         nmdm_schema_has_states(ctx) ? STMT_STATS_BEGUN
                                                     : STMT_STATS_BEGUN_SCAN,
                         NMDM_ARGS(""));
}

static nmdm_err_t *count_enrollments(nmdm_ctx_t *ctx, nmdm_counted_t *out)
{
    const char *cols[1] = { NULL };
    int i, found, has_more = 0;

    for (i = 0; i < NMDM_DB_STATS_TYPES; i++) {
        NMDM_TRY(count_type(ctx, &out->enabled[i], NMDM_DB_STATS_NAMES[i]));
        has_more |= out->enabled[i].is_least;
    }
    out->estimate = 0;
    if (has_more) {
        NMDM_TRY(nmdm_db_row(ctx, &found, cols, 1, STMT_STATS_ESTIMATE,
                             NULL, 0));
        out->estimate = number(cols[0]);
    }
    if (out->estimate < nmdm_api_db_stats_enrolled(out).number) {
        out->estimate = 0;
    }
    return NULL;
}

/* A statement that says how many, and how many it looked at. */
static nmdm_err_t *count_of(nmdm_ctx_t *ctx, nmdm_amount_t *amount,
                            nmdm_stmt_e stmt, const char **args, int nargs)
{
    const char *cols[2];
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 2, stmt, args, nargs));
    amount->number = number(cols[0]);
    amount->is_least = number(cols[1]) >= MOST;
    return NULL;
}

static const char *a_day_ago(nmdm_ctx_t *ctx)
{
    return apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT,
                        apr_time_sec(ctx->now) - 86400);
}

static nmdm_err_t *count_queue(nmdm_ctx_t *ctx, nmdm_counted_t *out)
{
    const char *cols[3];
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3, STMT_STATS_PENDING, NULL,
                         0));
    out->pending.number = number(cols[0]);
    out->pending.is_least = number(cols[2]) >= MOST_PENDING;
    out->oldest_pending = nmdm_time_of_seconds(cols[1]);
    NMDM_TRY(count_of(ctx, &out->silent, STMT_STATS_SILENT, NULL, 0));
    return count_of(ctx, &out->put_off, STMT_STATS_PUT_OFF,
                    NMDM_ARGS(a_day_ago(ctx)));
}

static nmdm_err_t *do_count(nmdm_ctx_t *ctx, void *baton)
{
    nmdm_counted_t *counted = baton;

    NMDM_TRY(count_enrollments(ctx, counted));
    NMDM_TRY(count_begun(ctx, &counted->begun));
    counted->has_queue = nmdm_schema_is_complete(ctx);
    if (counted->has_queue) {
        NMDM_TRY(count_queue(ctx, counted));
    }
    NMDM_TRY(nmdm_api_identity_stats(&counted->identities, ctx));
    counted->counted_at = apr_time_now();
    return NULL;
}

/* ---- Reading ---- */

static nmdm_err_t *read_refusals(nmdm_ctx_t *ctx, nmdm_db_stats_t *out)
{
    apr_array_header_t *values = apr_array_make(ctx->pool, 80,
                                                sizeof(const char *));
    int i;

    NMDM_TRY(count_of(ctx, &out->refused, STMT_STATS_REFUSED, NULL, 0));
    NMDM_TRY(nmdm_db_rows(ctx, values, 4, STMT_STATS_REFUSALS, NULL, 0));
    for (i = 0; i < values->nelts; i += 4) {
        const char **row = &APR_ARRAY_IDX(values, i, const char *);

        APR_ARRAY_PUSH(out->refusals, nmdm_refused_push_t)
            = (nmdm_refused_push_t){ row[0], row[1], row[2] ? row[2] : "",
                                     nmdm_time_of_seconds(row[3]) };
    }
    return NULL;
}

static nmdm_err_t *read_slow(nmdm_ctx_t *ctx, apr_array_header_t *slow,
                             nmdm_stmt_e stmt, const char **args, int nargs)
{
    apr_array_header_t *values = apr_array_make(ctx->pool, 20,
                                                sizeof(const char *));
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, 2, stmt, args, nargs));
    for (i = 0; i < values->nelts; i += 2) {
        const char **row = &APR_ARRAY_IDX(values, i, const char *);

        APR_ARRAY_PUSH(slow, nmdm_slow_t)
            = (nmdm_slow_t){ row[0], nmdm_time_of_seconds(row[1]) };
    }
    return NULL;
}

static nmdm_err_t *count_events(nmdm_ctx_t *ctx, nmdm_amount_t *amount,
                                nmdm_stmt_e stmt)
{
    const char *cols[1];
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 1, stmt, NULL, 0));
    amount->number = number(cols[0]);
    amount->is_least = amount->number >= MOST;
    return NULL;
}

static nmdm_err_t *read_certs(nmdm_ctx_t *ctx, nmdm_db_stats_t *out)
{
    apr_array_header_t *values = apr_array_make(ctx->pool, 8,
                                                sizeof(const char *));
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, 2, STMT_STATS_CERTS, NULL, 0));
    for (i = 0; i < values->nelts; i += 2) {
        const char **row = &APR_ARRAY_IDX(values, i, const char *);
        nmdm_topic_t *topic = &APR_ARRAY_PUSH(out->topics, nmdm_topic_t);

        topic->topic = row[0];
        topic->not_after = 0;
        if (!nmdm_x509_not_after(&topic->not_after, row[1])) {
            topic->not_after = 0;
        }
    }
    return NULL;
}

/* Each counted to ten thousand. */
static nmdm_err_t *count_declarations(nmdm_ctx_t *ctx, nmdm_db_stats_t *out)
{
    nmdm_amount_t *const amounts[] = {
        &out->declarations, &out->declaration_sets, &out->declarative,
        &out->changes
    };
    const char *cols[7];
    int i, found;

    out->has_declarations = ctx->policy->declarations
        && nmdm_schema_has_declarations(ctx);
    if (!out->has_declarations) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 7, STMT_DD_STATS, NULL, 0));
    for (i = 0; i < 4; i++) {
        amounts[i]->number = number(cols[i]);
        amounts[i]->is_least = amounts[i]->number >= MOST_PENDING;
    }
    out->oldest_change = number(cols[4]);
    out->declaring_invalid.number = number(cols[5]);
    out->declaring_waiting.number = number(cols[6]);
    out->declaring_in_sync.number = out->declarative.number
                                    - out->declaring_waiting.number;
    out->declaring_waiting.is_least = out->declaring_in_sync.is_least
        = out->declarative.is_least;
    return NULL;
}

/* The second time: the first one may have to prepare it. */
static nmdm_err_t *measure(nmdm_ctx_t *ctx, nmdm_db_stats_t *out)
{
    const char *cols[1];
    apr_time_t started = 0;
    int i, found;

    for (i = 0; i < 2; i++) {
        started = nmdm_time_steady();
        NMDM_TRY(nmdm_db_row(ctx, &found, cols, 1, STMT_DEVICE_EXISTS,
                             NMDM_ARGS("")));
    }
    out->latency = nmdm_time_steady() - started;
    return NULL;
}

/* May be done again from its start. */
static nmdm_err_t *do_read(nmdm_ctx_t *ctx, void *baton)
{
    nmdm_db_stats_t *out = baton;

    apr_array_clear(out->refusals);
    apr_array_clear(out->silent);
    apr_array_clear(out->put_off);
    apr_array_clear(out->topics);
    NMDM_TRY(measure(ctx, out));
    NMDM_TRY(read_certs(ctx, out));
    if (nmdm_schema_is_complete(ctx)) {
        NMDM_TRY(read_refusals(ctx, out));
        NMDM_TRY(read_slow(ctx, out->silent, STMT_STATS_SILENT_IDS, NULL,
                           0));
        NMDM_TRY(read_slow(ctx, out->put_off, STMT_STATS_PUT_OFF_IDS,
                           NMDM_ARGS(a_day_ago(ctx))));
    }
    NMDM_TRY(nmdm_api_identity_stats_stuck(out->stuck, ctx));
    NMDM_TRY(count_declarations(ctx, out));
    out->has_outbox = nmdm_outbox_takes(ctx, 0);
    if (out->has_outbox) {
        NMDM_TRY(count_events(ctx, &out->events_pending,
                              STMT_STATS_EVENTS_PENDING));
        NMDM_TRY(count_events(ctx, &out->events_dead,
                              STMT_STATS_EVENTS_DEAD));
    }
    return NULL;
}

nmdm_err_t *nmdm_api_db_stats(nmdm_db_stats_t *out, nmdm_ctx_t *ctx)
{
    nmdm_err_t *err;

    *out = (nmdm_db_stats_t){
        .refusals = apr_array_make(ctx->pool, 20,
                                   sizeof(nmdm_refused_push_t)),
        .silent = apr_array_make(ctx->pool, 10, sizeof(nmdm_slow_t)),
        .put_off = apr_array_make(ctx->pool, 10, sizeof(nmdm_slow_t)),
        .stuck = apr_array_make(ctx->pool, 10, sizeof(nmdm_stuck_t)),
        .topics = apr_array_make(ctx->pool, 4, sizeof(nmdm_topic_t)),
    };
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read, out));
    if (!is_old(ctx->services->totals, &out->counted)) {
        return NULL;
    }
    err = nmdm_db_unit(ctx, NMDM_UNIT_READ, do_count, &out->counted);
    remember(ctx->services->totals, err ? NULL : &out->counted);
    return err;
}

static nmdm_err_t *do_depth(nmdm_ctx_t *ctx, void *baton)
{
    apr_int64_t *depth = baton;
    const char *cols[3] = { NULL };
    int found;

    *depth = -1;
    if (nmdm_schema_is_complete(ctx)) {
        NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3, STMT_STATS_PENDING, NULL,
                             0));
        *depth = number(cols[0]);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_db_stats_depth(apr_int64_t *depth, nmdm_ctx_t *ctx)
{
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_depth, depth);
}
