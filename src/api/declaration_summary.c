/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_summary.c -- one declaration at all enrollments that have it,
 * for operators. */

#include "api/declarations.h"
#include "db/db.h"
#include "storage/declarations.h"
#include "storage/declarations_status.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Each enrollment is in one of them, so that they add up. */
static const char *const STATES[] = {
    "active", "valid", "invalid", "inactive", "outdated", "unreported", NULL
};

static const char *state_of(const char *const *row)
{
    if (!row[2]) {
        return "unreported";
    }
    if (*row[3] == '1') {
        return "outdated";
    }
    if (*row[1] == '1') {
        return "active";
    }
    if (!strcmp(row[2], "valid") && !strcmp(row[4], "management")) {
        return "valid";
    }
    return strcmp(row[2], "invalid") ? "inactive" : "invalid";
}

typedef struct {
    const char *identifier, *set, *after;
    int found;
    apr_array_header_t *sets, *rows;
} page_t;

static nmdm_err_t *do_sets(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;
    nmdm_declaration_t stored;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    NMDM_TRY(nmdm_declarations_get(ctx, &page->found, &stored,
                                   page->identifier));
    return nmdm_declarations_list_all(ctx, &page->sets, NMDM_LIST_SETS_OF,
                                      page->identifier);
}

static nmdm_err_t *do_page(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;

    page->rows = apr_array_make(ctx->pool, 5000, sizeof(const char *));
    return nmdm_declarations_status_page(ctx, page->rows, page->identifier,
                                         page->set, page->after);
}

static nmdm_err_t *find_sets(nmdm_api_declarations_call_t *call, page_t *page)
{
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_sets, page));
    return page->found ? NULL
        : nmdm_api_declarations_unknown(call->ctx, page->identifier);
}

/* All enrollments of a set, a page at a time, in memory that is used again. */
static nmdm_err_t *count_set(nmdm_ctx_t *ctx, page_t *page, int *counts)
{
    nmdm_ctx_t part = *ctx;
    nmdm_err_t *err;
    char after[1024] = "";
    int i, k, n;

    part.db = NULL;
    apr_pool_create(&part.pool, ctx->pool);
    do {
        page->after = after;
        err = nmdm_db_unit(&part, NMDM_UNIT_READ, do_page, page);
        n = err ? 0 : page->rows->nelts;
        for (i = 0; i < n; i += NMDM_DECLARATIONS_SUMMARY_COLUMNS) {
            const char *const *row = &APR_ARRAY_IDX(page->rows, i,
                                                    const char *);

            for (k = 0; STATES[k]; k++) {
                counts[k] += !strcmp(STATES[k], state_of(row));
            }
            apr_cpystrn(after, row[0], sizeof(after));
        }
        err = err ? nmdm_err_copy(ctx->pool, err) : NULL;
        nmdm_db_release(&part);
        apr_pool_clear(part.pool);
    } while (n == NMDM_DECLARATIONS_PAGE
                  * NMDM_DECLARATIONS_SUMMARY_COLUMNS);
    apr_pool_destroy(part.pool);
    return err;
}

nmdm_err_t *nmdm_api_declaration_status_summary(
    nmdm_api_declarations_call_t *call)
{
    nmdm_json_text_t *text = nmdm_json_text_create(call->ctx->pool);
    page_t page = { .identifier = call->rest };
    int counts[6] = { 0 }, i, assigned = 0;

    NMDM_TRY(find_sets(call, &page));
    nmdm_db_release(call->ctx);
    for (i = 0; i < page.sets->nelts; i++) {
        page.set = APR_ARRAY_IDX(page.sets, i, const char *);
        NMDM_TRY(count_set(call->ctx, &page, counts));
    }
    for (i = 0; STATES[i]; i++) {
        assigned += counts[i];
    }
    nmdm_json_text_raw(text, "{");
    nmdm_json_text_pair_raw(text, "assigned",
                            apr_itoa(call->ctx->pool, assigned));
    for (i = 0; STATES[i]; i++) {
        nmdm_json_text_pair_raw(text, STATES[i],
                                apr_itoa(call->ctx->pool, counts[i]));
    }
    nmdm_json_text_raw(text, "}\n");
    nmdm_api_declarations_json(call, text);
    return NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static nmdm_err_t *check_state(nmdm_api_declarations_call_t *call,
                               const char *state)
{
    int i;

    for (i = 0; STATES[i]; i++) {
        if (!state || !strcmp(state, STATES[i])) {
            return NULL;
        }
    }
    return nmdm_err(call->ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(2572)
                    "state is none of active, valid, invalid, inactive,"
                    " outdated and unreported");
}

/* At least `limit` of the ids of a set that are in a state, if it has them. */
static nmdm_err_t *collect_set(nmdm_ctx_t *ctx, page_t *page,
                               apr_array_header_t *ids, const char *state,
                               int limit)
{
    int found = 0, i, n;

    do {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_page, page));
        n = page->rows->nelts;
        for (i = 0; i < n; i += NMDM_DECLARATIONS_SUMMARY_COLUMNS) {
            const char *const *row = &APR_ARRAY_IDX(page->rows, i,
                                                    const char *);

            page->after = row[0];
            if (!state || !strcmp(state, state_of(row))) {
                APR_ARRAY_PUSH(ids, const char *) = row[0];
                found++;
            }
        }
    } while (found < limit && n == NMDM_DECLARATIONS_PAGE
                                   * NMDM_DECLARATIONS_SUMMARY_COLUMNS);
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_status_enrollments(
    nmdm_api_declarations_call_t *call)
{
    const char *state = nmdm_api_declarations_param(call, "state");
    const char *after = nmdm_api_declarations_param(call, "after");
    apr_array_header_t *ids = apr_array_make(call->ctx->pool, 64,
                                             sizeof(const char *));
    page_t page = { .identifier = call->rest };
    int limit, i;

    NMDM_TRY(check_state(call, state));
    NMDM_TRY(nmdm_api_declarations_number(call, &limit, "limit",
                                          NMDM_DECLARATIONS_PAGE, 1,
                                          NMDM_DECLARATIONS_PAGE));
    NMDM_TRY(find_sets(call, &page));
    for (i = 0; i < page.sets->nelts; i++) {
        page.set = APR_ARRAY_IDX(page.sets, i, const char *);
        page.after = after ? after : "";
        NMDM_TRY(collect_set(call->ctx, &page, ids, state, limit));
    }
    qsort(ids->elts, (size_t)ids->nelts, sizeof(const char *),
          compare_names);
    if (ids->nelts > limit) {
        ids->nelts = limit;
    }
    nmdm_api_declarations_names(call, ids);
    return NULL;
}
