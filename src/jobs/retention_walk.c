/* SPDX-License-Identifier: Apache-2.0 */
/* retention_walk.c -- one enrollment: which of its results and of its
 * cancelled and expired commands go.
 *
 * Results are read from the newest on, by the index that also serves
 * operators: so nothing is paid for while devices report. */

#include "jobs/retention_walk.h"
#include "base/time.h"
#include "db/db.h"
#include "jobs/retention.h"
#include "storage/queue_queries.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

/* How long a run takes. */
#define MAX_TIME apr_time_from_sec(2)
/* Pages of one enrollment; the rest of a longer history stays. */
#define MAX_PAGES 1000

/* Their commands or results hold PINs, passwords, recovery keys and unlock
 * tokens that exist nowhere else. */
static const char *const PRECIOUS[] = {
    "ActivationLockBypassCode", "DeviceLock", "EraseDevice",
    "RequestUnlockToken", "RotateFileVaultKey", "SecurityInfo",
    "SetAutoAdminPassword", "SetFirmwarePassword", "SetRecoveryLock",
    "VerifyFirmwarePassword", "VerifyRecoveryLock", NULL
};

/* What is deleted of one enrollment. */
typedef struct {
    nmdm_retention_run_t *run;
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

static int is_old(const nmdm_retention_run_t *run, apr_time_t then, int days)
{
    return then
           && run->now - apr_time_sec(then)
                  >= (apr_int64_t)days * NMDM_RETENTION_DAY;
}

static void mark_for_deletion(walk_t *walk, const nmdm_retention_rule_t *rule,
                              const char *request_type, const char *uuid)
{
    nmdm_retention_run_t *run = walk->run;

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
 * progress, so a walk that removed something may stop half-way. */
static int goes_on(walk_t *walk)
{
    nmdm_retention_run_t *run = walk->run;

    run->is_over |= run->removed >= NMDM_RETENTION_MAX_REMOVED
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
    nmdm_retention_run_t *run = walk->run;
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
            mark_for_deletion(walk, rule, row->request_type, row->uuid);
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
    nmdm_retention_run_t *run = walk->run;
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
            mark_for_deletion(walk, rule, row[1], row[0]);
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

nmdm_err_t *nmdm_retention_walk_enrollment(nmdm_ctx_t *ctx,
                                           const apr_array_header_t *ids,
                                           int done, void *baton)
{
    nmdm_retention_run_t *run = baton;
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
