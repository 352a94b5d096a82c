/* SPDX-License-Identifier: Apache-2.0 */
/* retention.c -- what is finished is not kept for ever.
 *
 * A pass goes through all enrollments in the order of their ids, a bounded
 * stride at a time; nanomdm_chores says who has the next stride and where it
 * begins. For each enrollment the results are read from the newest on, by the
 * index that also serves operators: so nothing is paid for while devices
 * report. */

#include "jobs/retention.h"
#include "jobs/retention_rules.h"
#include "base/once_daily.h"
#include "db/db.h"
#include "db/schema.h"
#include "base/time.h"
#include "storage/enrollment_queries.h"
#include "storage/queue_queries.h"
#include "storage/queue.h"

#include <apr_atomic.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define CHORE "retention"

/* Seconds from one stride to the next, and from one pass to the next. */
#define PAUSE 5
#define PAUSE_OF_PASS 21600

/* The bounds of a stride. */
#define MAX_REMOVED 1000
#define MAX_TIME apr_time_from_sec(2)
/* Pages of one enrollment; the rest of a longer history stays. */
#define MAX_PAGES 1000

#define A_DAY 86400

/* Their commands or results hold PINs, passwords, recovery keys and unlock
 * tokens that exist nowhere else. */
static const char *const PRECIOUS[] = {
    "ActivationLockBypassCode", "DeviceLock", "EraseDevice",
    "RequestUnlockToken", "RotateFileVaultKey", "SecurityInfo",
    "SetAutoAdminPassword", "SetFirmwarePassword", "SetRecoveryLock",
    "VerifyFirmwarePassword", "VerifyRecoveryLock", NULL
};

typedef struct {
    nmdm_ctx_t *ctx;            /* of the whole run */
    const nmdm_retention_t *rules;
    const char *position;       /* the last enrollment that is done with */
    apr_int64_t now;            /* by the database's clock */
    int is_mine;
    apr_time_t started;
    apr_hash_t *tally[2];       /* RequestType -> int *, [1] of dry runs */
    int removed, events;
    int is_over;                /* the budget is spent */
    int is_complete;            /* the pass is */
} run_t;

/* What one enrollment has come to. */
typedef struct {
    run_t *run;
    const char *id;
    apr_hash_t *seen;           /* RequestType -> int *: results so far */
    int pages, removed;
    apr_array_header_t *uuids;  /* of this page, to be removed */
} walk_t;

/* ---- Rules ---- */

const nmdm_retention_rule_t *nmdm_retention_rule(const nmdm_retention_t *all,
                                                 const char *request_type)
{
    const nmdm_retention_rule_t *rule = apr_hash_get(
        all->by_type, request_type, APR_HASH_KEY_STRING);
    int i;

    if (rule) {
        return rule;
    }
    for (i = 0; PRECIOUS[i]; i++) {
        if (!strcmp(PRECIOUS[i], request_type)) {
            return NULL;
        }
    }
    return all->others;
}

static int count_one(apr_hash_t *counts, apr_pool_t *p, const char *name)
{
    int *count = apr_hash_get(counts, name, APR_HASH_KEY_STRING);

    if (!count) {
        count = apr_pcalloc(p, sizeof(*count));
        apr_hash_set(counts, apr_pstrdup(p, name), APR_HASH_KEY_STRING,
                     count);
    }
    return ++*count;
}

static int is_old(const run_t *run, apr_time_t then, int days)
{
    return then && run->now - apr_time_sec(then) >= (apr_int64_t)days * A_DAY;
}

static void doom(walk_t *walk, const nmdm_retention_rule_t *rule,
                 const char *request_type, const char *uuid)
{
    run_t *run = walk->run;

    count_one(run->tally[rule->is_dry], run->ctx->pool, request_type);
    if (!rule->is_dry) {
        APR_ARRAY_PUSH(walk->uuids, const char *) = uuid;
    }
}

/* ---- One page of one enrollment ---- */

/* The command itself is a matter of its own: it may be others' as well. */
static nmdm_err_t *do_forget(nmdm_ctx_t *ctx, void *baton)
{
    walk_t *walk = baton;
    const char *args[1 + NMDM_SQL_IDS];

    args[0] = walk->id;
    nmdm_db_fill_ids(args + 1, walk->uuids, 0);
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_FORGET_QUEUE, args,
                          1 + NMDM_SQL_IDS));
    return nmdm_db_exec(ctx, NULL, STMT_FORGET_RESULTS, args,
                        1 + NMDM_SQL_IDS);
}

static nmdm_err_t *do_forget_commands(nmdm_ctx_t *ctx, void *baton)
{
    const char *args[NMDM_SQL_IDS];

    nmdm_db_fill_ids(args, ((walk_t *)baton)->uuids, 0);
    return nmdm_db_exec(ctx, NULL, STMT_FORGET_COMMANDS, args, NMDM_SQL_IDS);
}

static nmdm_err_t *forget(nmdm_ctx_t *ctx, walk_t *walk)
{
    if (!walk->uuids->nelts) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_forget, walk));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_forget_commands, walk));
    walk->removed += walk->uuids->nelts;
    walk->run->removed += walk->uuids->nelts;
    return NULL;
}

/* Whether this enrollment is to be gone on with now. What was removed is
 * progress, so whoever removed something may stop half-way. */
static int goes_on(walk_t *walk)
{
    run_t *run = walk->run;

    run->is_over |= run->removed >= MAX_REMOVED
        || nmdm_time_steady() - run->started > MAX_TIME;
    return ++walk->pages < MAX_PAGES && !(run->is_over && walk->removed);
}

typedef struct {
    const char *id;
    nmdm_result_place_t place;
    const char *uuid;
    apr_array_header_t *rows;
} page_t;

static nmdm_err_t *do_read_results(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;

    apr_array_clear(page->rows);
    return nmdm_queue_queries_results(ctx, page->rows, page->id, &page->place);
}

static nmdm_err_t *judge_results(nmdm_ctx_t *ctx, walk_t *walk,
                                 page_t *page)
{
    run_t *run = walk->run;
    int i;

    page->rows = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                sizeof(nmdm_result_t));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read_results, page));
    for (i = 0; i < page->rows->nelts; i++) {
        const nmdm_result_t *row = &APR_ARRAY_IDX(page->rows, i,
                                                  nmdm_result_t);
        const nmdm_retention_rule_t *rule = row->request_type
            ? nmdm_retention_rule(run->rules, row->request_type) : NULL;

        if (rule && strcmp(row->status, "NotNow")
            && count_one(walk->seen, run->ctx->pool, row->request_type)
                > rule->keep
            && is_old(run, row->updated, rule->days)) {
            doom(walk, rule, row->request_type, row->uuid);
        }
    }
    return NULL;
}

#define SPENT_COLUMNS 3

static nmdm_err_t *do_read_spent(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;

    apr_array_clear(page->rows);
    return nmdm_db_rows(ctx, page->rows, SPENT_COLUMNS, STMT_SPENT_PAGE,
                        NMDM_ARGS(page->id, page->uuid));
}

/* Cancelled and expired commands have no result to keep; a device that has
 * one in its hands gets a day to answer. */
static nmdm_err_t *judge_spent(nmdm_ctx_t *ctx, walk_t *walk, page_t *page)
{
    run_t *run = walk->run;
    int i;

    page->rows = apr_array_make(ctx->pool, SPENT_COLUMNS * NMDM_SQL_IDS,
                                sizeof(const char *));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read_spent, page));
    for (i = 0; i < page->rows->nelts; i += SPENT_COLUMNS) {
        const char **row = &APR_ARRAY_IDX(page->rows, i, const char *);
        const nmdm_retention_rule_t *rule
            = nmdm_retention_rule(run->rules, row[1]);

        if (rule && is_old(run, nmdm_time_of_seconds(row[2]),
                           rule->days ? rule->days : 1)) {
            doom(walk, rule, row[1], row[0]);
        }
    }
    return NULL;
}

/* ---- One enrollment ---- */

/* A page has a context of its own, so that a long history takes no more memory
 * than a short one. */
typedef nmdm_err_t *(*judge_fn)(nmdm_ctx_t *ctx, walk_t *walk, page_t *page);

static nmdm_err_t *judge_page(nmdm_ctx_t *ctx, walk_t *walk, page_t *page,
                              judge_fn judge)
{
    walk->uuids = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                 sizeof(const char *));
    NMDM_TRY(judge(ctx, walk, page));
    return forget(ctx, walk);
}

static nmdm_err_t *walk_results(nmdm_ctx_t *ctx, walk_t *walk)
{
    page_t page = { .id = walk->id, .place = NMDM_RESULT_START };
    nmdm_ctx_t part = *ctx;
    nmdm_err_t *err;
    int more;

    apr_pool_create(&part.pool, ctx->pool);
    do {
        err = judge_page(&part, walk, &page, judge_results);
        more = !err && page.rows->nelts == NMDM_SQL_IDS && goes_on(walk);
        if (more) {
            const nmdm_result_t *last = &APR_ARRAY_IDX(
                page.rows, page.rows->nelts - 1, nmdm_result_t);

            page.place.updated_text = apr_pstrdup(ctx->pool,
                                                  last->updated_text);
            page.place.uuid = apr_pstrdup(ctx->pool, last->uuid);
        }
        err = err ? nmdm_err_copy(ctx->pool, err) : NULL;
        nmdm_db_release(&part);
        apr_pool_clear(part.pool);
    } while (more);
    return err;
}

static nmdm_err_t *walk_spent(nmdm_ctx_t *ctx, walk_t *walk)
{
    page_t page = { .id = walk->id, .uuid = "" };
    nmdm_ctx_t part = *ctx;
    nmdm_err_t *err;
    int more;

    apr_pool_create(&part.pool, ctx->pool);
    do {
        err = judge_page(&part, walk, &page, judge_spent);
        more = !err && page.rows->nelts == SPENT_COLUMNS * NMDM_SQL_IDS
            && goes_on(walk);
        if (more) {
            page.uuid = apr_pstrdup(ctx->pool, APR_ARRAY_IDX(
                page.rows, page.rows->nelts - SPENT_COLUMNS, const char *));
        }
        err = err ? nmdm_err_copy(ctx->pool, err) : NULL;
        nmdm_db_release(&part);
        apr_pool_clear(part.pool);
    } while (more);
    return err;
}

static nmdm_err_t *walk_enrollment(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids, int done,
                                   void *baton)
{
    run_t *run = baton;
    walk_t walk = { .run = run, .id = APR_ARRAY_IDX(ids, 0, const char *) };

    (void)done;
    if (run->is_over) {
        return NULL;
    }
    walk.seen = apr_hash_make(ctx->pool);
    NMDM_TRY(walk_results(ctx, &walk));
    if (!(run->is_over && walk.removed)) {
        walk.pages = 0;
        NMDM_TRY(walk_spent(ctx, &walk));
    }
    if (!(run->is_over && walk.removed)) {
        run->position = apr_pstrdup(run->ctx->pool, walk.id);
    }
    return NULL;
}

/* ---- Events that nobody took ---- */

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

static nmdm_err_t *forget_events(nmdm_ctx_t *ctx, run_t *run)
{
    const nmdm_retention_rule_t *rule = run->rules->others;
    events_t in = { apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                   sizeof(const char *)), NULL };

    if (!rule || rule->is_dry) {
        return NULL;
    }
    in.before = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, run->now
                             - (apr_int64_t)(rule->days ? rule->days : 1)
                               * A_DAY);
    do {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read_events, &in));
        if (in.seqs->nelts) {
            NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_forget_events,
                                  &in));
        }
        run->events += in.seqs->nelts;
    } while (in.seqs->nelts == NMDM_SQL_IDS && run->events < MAX_REMOVED);
    return NULL;
}

/* ---- The stride ---- */

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    const char *cols[2] = { NULL };
    run_t *run = baton;

    NMDM_TRY(nmdm_db_row(ctx, &run->is_mine, cols, 2, STMT_CHORE_DUE,
                         NMDM_ARGS(CHORE)));
    run->position = cols[0] ? cols[0] : "";
    run->now = cols[1] ? apr_atoi64(cols[1]) : 0;
    return NULL;
}

static nmdm_err_t *do_take(nmdm_ctx_t *ctx, void *baton)
{
    run_t *run = baton;
    int rows;

    NMDM_TRY(nmdm_db_exec(ctx, &rows, STMT_CHORE_TAKE,
                          NMDM_ARGS(CHORE, run->position)));
    run->is_mine = rows > 0;
    return NULL;
}

static nmdm_err_t *do_finish(nmdm_ctx_t *ctx, void *baton)
{
    run_t *run = baton;

    return nmdm_db_exec(ctx, NULL, STMT_RETENTION_DONE,
                        NMDM_ARGS(apr_itoa(ctx->pool, run->is_complete
                                           ? PAUSE_OF_PASS : PAUSE),
                                  run->position));
}

static nmdm_err_t *do_read_ids(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;

    apr_array_clear(page->rows);
    return nmdm_enrollment_queries_keys(ctx, page->rows, NMDM_KEYS_ALL, NULL,
                                        page->id);
}

static nmdm_err_t *walk_some(nmdm_ctx_t *ctx, run_t *run)
{
    page_t page = { .id = run->position };
    apr_array_header_t *ids = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                             sizeof(const char *));
    int i;

    page.rows = apr_array_make(ctx->pool, NMDM_SQL_IDS, sizeof(nmdm_key_t));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read_ids, &page));
    for (i = 0; i < page.rows->nelts; i++) {
        APR_ARRAY_PUSH(ids, const char *)
            = APR_ARRAY_IDX(page.rows, i, nmdm_key_t).id;
    }
    NMDM_TRY(nmdm_db_in_parts(ctx, ids, 1, walk_enrollment, run));
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
static void log_dry_run(nmdm_ctx_t *ctx, const run_t *run)
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

static void tell(nmdm_ctx_t *ctx, const run_t *run)
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
                 "-: NanoMDMRetention removed %d events that no receiver"
                 " took", run->events);
    }
}

static void tell_that_nothing_is_removed(nmdm_ctx_t *ctx)
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
    run_t run = { .ctx = ctx, .rules = ctx->policy->retention,
                  .started = nmdm_time_steady() };

    if (!nmdm_schema_is_complete(ctx)) {
        /* Not before somebody has looked. */
        if (apr_atomic_read32(&ctx->services->db_source->schema->checked)) {
            tell_that_nothing_is_removed(ctx);
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
    tell(ctx, &run);
    return nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_finish, &run);
}
