/* SPDX-License-Identifier: Apache-2.0 */
/* retention.c -- deletes what is finished and old.
 *
 * A pass goes through all enrollments in the order of their ids, a bounded
 * stride at a time; nanomdm_chores says who has the next stride and where it
 * begins. */

#include "jobs/retention.h"
#include "base/once_daily.h"
#include "base/time.h"
#include "db/db.h"
#include "db/schema.h"
#include "jobs/retention_rules.h"
#include "jobs/retention_walk.h"
#include "storage/enrollment_queries.h"

#include <apr_atomic.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

#define CHORE "retention"

/* Seconds from one stride to the next, and from one pass to the next. */
#define PAUSE 5
#define PAUSE_OF_PASS 21600

typedef struct {
    const char *after;          /* an id */
    apr_array_header_t *rows;   /* of nmdm_key_t */
} ids_t;

/* ---- Events that were not delivered ---- */

typedef struct {
    apr_array_header_t *seqs;
    const char *before;         /* seconds since 1970 */
} events_t;

static nmdm_err_t *do_read_events(nmdm_ctx_t *ctx, void *baton)
{
    events_t *in = baton;

    apr_array_clear(in->seqs);
    return nmdm_db_rows(ctx, in->seqs, 1, STMT_EVENT_OLD,
                        NMDM_ARGS(in->before));
}

static nmdm_err_t *do_forget_events(nmdm_ctx_t *ctx, void *baton)
{
    const char *args[NMDM_SQL_IDS];

    nmdm_db_fill_ids(args, ((events_t *)baton)->seqs, 0);
    return nmdm_db_exec(ctx, NULL, STMT_EVENT_FORGET, args, NMDM_SQL_IDS);
}

static nmdm_err_t *forget_events(nmdm_ctx_t *ctx, nmdm_retention_run_t *run)
{
    const nmdm_retention_rule_t *rule = run->rules->others;
    events_t in = { apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                   sizeof(const char *)), NULL };

    if (!rule || rule->is_dry) {
        return NULL;
    }
    in.before = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, run->now
                             - (apr_int64_t)(rule->days ? rule->days : 1)
                               * NMDM_RETENTION_DAY);
    do {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read_events, &in));
        if (in.seqs->nelts) {
            NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_forget_events,
                                  &in));
        }
        run->events += in.seqs->nelts;
    } while (in.seqs->nelts == NMDM_SQL_IDS
             && run->events < NMDM_RETENTION_MAX_REMOVED);
    return NULL;
}

/* ---- The stride ---- */

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    const char *cols[2] = { NULL };
    nmdm_retention_run_t *run = baton;

    NMDM_TRY(nmdm_db_row(ctx, &run->is_mine, cols, 2, STMT_CHORE_DUE,
                         NMDM_ARGS(CHORE)));
    run->position = cols[0] ? cols[0] : "";
    run->now = cols[1] ? apr_atoi64(cols[1]) : 0;
    return NULL;
}

static nmdm_err_t *do_take(nmdm_ctx_t *ctx, void *baton)
{
    nmdm_retention_run_t *run = baton;
    int rows;

    NMDM_TRY(nmdm_db_exec(ctx, &rows, STMT_CHORE_TAKE,
                          NMDM_ARGS(CHORE, run->position)));
    run->is_mine = rows > 0;
    return NULL;
}

static nmdm_err_t *do_finish(nmdm_ctx_t *ctx, void *baton)
{
    nmdm_retention_run_t *run = baton;

    return nmdm_db_exec(ctx, NULL, STMT_RETENTION_DONE,
                        NMDM_ARGS(apr_itoa(ctx->pool, run->is_complete
                                           ? PAUSE_OF_PASS : PAUSE),
                                  run->position));
}

static nmdm_err_t *do_read_ids(nmdm_ctx_t *ctx, void *baton)
{
    ids_t *page = baton;

    apr_array_clear(page->rows);
    return nmdm_enrollment_queries_keys(ctx, page->rows, NMDM_KEYS_ALL, NULL,
                                        page->after);
}

static nmdm_err_t *walk_some(nmdm_ctx_t *ctx, nmdm_retention_run_t *run)
{
    ids_t page = { .after = run->position };
    apr_array_header_t *ids = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                             sizeof(const char *));
    int i;

    page.rows = apr_array_make(ctx->pool, NMDM_SQL_IDS, sizeof(nmdm_key_t));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read_ids, &page));
    for (i = 0; i < page.rows->nelts; i++) {
        APR_ARRAY_PUSH(ids, const char *)
            = APR_ARRAY_IDX(page.rows, i, nmdm_key_t).id;
    }
    NMDM_TRY(
        nmdm_db_in_parts(ctx, ids, 1, nmdm_retention_walk_enrollment, run));
    if (ids->nelts < NMDM_SQL_IDS
        && (!ids->nelts || !strcmp(run->position, APR_ARRAY_IDX(
                ids, ids->nelts - 1, const char *)))) {
        run->position = "";
        run->is_complete = 1;
    }
    return NULL;
}

/* "DeviceInformation 100, ProfileList 20" */
static const char *list_of(apr_pool_t *p, apr_hash_t *tally)
{
    const char *list = "";
    apr_hash_index_t *at;

    for (at = apr_hash_first(p, tally); at && strlen(list) < 400;
         at = apr_hash_next(at)) {
        const void *name;
        void *count;

        apr_hash_this(at, &name, NULL, &count);
        list = apr_psprintf(p, "%s%s%s %d", list, *list ? ", " : "",
                            (const char *)name, *(int *)count);
    }
    return list;
}

static int has_dry_rule(apr_pool_t *p, const nmdm_retention_t *rules)
{
    apr_hash_index_t *at = apr_hash_first(p, rules->by_type);

    while (at && !((const nmdm_retention_rule_t *)
                   apr_hash_this_val(at))->is_dry) {
        at = apr_hash_next(at);
    }
    return at || (rules->others && rules->others->is_dry);
}

/* Its lines are what a dry run is for: LogLevel warn shows them, too. */
static void log_dry_run(nmdm_ctx_t *ctx, const nmdm_retention_run_t *run)
{
    apr_hash_t *tally = run->tally[1];
    apr_time_t next = apr_time_from_sec(run->now + PAUSE_OF_PASS);

    nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0941)
             "-: NanoMDMRetention dry-run would remove: %s; %s%s",
             apr_hash_count(tally) ? list_of(ctx->pool, tally) : "nothing",
             run->is_complete ? "the next look is at "
                              : "it goes on in a few seconds",
             run->is_complete ? nmdm_time_rfc3339(ctx->pool, next) : "");
}

static void log_run(nmdm_ctx_t *ctx, const nmdm_retention_run_t *run)
{
    if (apr_hash_count(run->tally[0])) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0940)
                 "-: NanoMDMRetention removed what is finished: %s",
                 list_of(ctx->pool, run->tally[0]));
    }
    if (has_dry_rule(ctx->pool, run->rules)
        && (run->is_complete || apr_hash_count(run->tally[1]))) {
        log_dry_run(ctx, run);
    }
    if (run->events) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0942)
                 "-: NanoMDMRetention removed %d %s that no receiver took",
                 run->events, run->events == 1 ? "event" : "events");
    }
}

static void log_that_nothing_is_removed(nmdm_ctx_t *ctx)
{
    if (!ctx->services->daily
        || nmdm_once_daily_is_due(ctx->services->daily, "NanoMDMRetention",
                                  ctx->now)) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0943)
                 "-: NanoMDMRetention needs the additive part of the schema,"
                 " which this database lacks: nothing is removed. Run the"
                 " scripts of schema/upgrade, or write \"NanoMDMSchema"
                 " auto\"");
    }
}

nmdm_err_t *nmdm_retention_run(nmdm_ctx_t *ctx)
{
    nmdm_retention_run_t run = { .ctx = ctx, .rules = ctx->policy->retention,
                  .started = nmdm_time_steady() };

    if (!nmdm_schema_is_complete(ctx)) {
        /* Not before the schema was checked. */
        if (apr_atomic_read32(&ctx->services->db_source->schema->checked)) {
            log_that_nothing_is_removed(ctx);
        }
        return NULL;
    }
    NMDM_TRY(nmdm_retention_rules_record(ctx));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, &run));
    if (run.is_mine) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_take, &run));
    }
    if (!run.is_mine) {
        return NULL;
    }
    run.tally[0] = apr_hash_make(ctx->pool);
    run.tally[1] = apr_hash_make(ctx->pool);
    if (!*run.position) {
        NMDM_TRY(forget_events(ctx, &run));
    }
    NMDM_TRY(walk_some(ctx, &run));
    log_run(ctx, &run);
    return nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_finish, &run);
}
