/* SPDX-License-Identifier: Apache-2.0 */
/* results.c -- what an enrollment answered. */

#include "api/results.h"
#include "api/answer.h"
#include "api/listing.h"
#include "codec/json.h"
#include "db/db.h"
#include "storage/enrollment_queries.h"
#include "storage/queue_queries.h"

static nmdm_err_t *add_result(nmdm_ctx_t *ctx, nmdm_api_listing_t *page,
                              const nmdm_result_t *r)
{
    nmdm_json_t *entry;

    page->cursor[0] = r->updated_text;
    page->cursor[1] = r->uuid;
    page->is_begun = 1;
    if (nmdm_api_listing_skips(page)) {
        return NULL;
    }
    entry = nmdm_json_add_object(page->entries, NULL);
    nmdm_json_add_string(entry, "command_uuid", r->uuid);
    nmdm_json_add_text(entry, "request_type", r->request_type);
    nmdm_json_add_string(entry, "status", r->status);
    nmdm_json_add_time(entry, "updated_at", ctx->pool, r->updated);
    nmdm_json_add_digits(entry, "not_now_tally", r->not_now_tally);
    nmdm_json_add_time(entry, "not_now_at", ctx->pool, r->not_now_at);
    NMDM_TRY(nmdm_api_listing_result(ctx, page, entry, page->id, r->uuid));
    page->count++;
    return NULL;
}

static nmdm_err_t *read_results(nmdm_ctx_t *ctx, nmdm_api_listing_t *page,
                                apr_array_header_t *rows)
{
    nmdm_result_place_t place = { page->cursor[0], page->cursor[1] };

    if (page->uuid) {
        return nmdm_queue_queries_result_of(ctx, rows, page->id, page->uuid);
    }
    return nmdm_queue_queries_results(ctx, rows, page->id,
                                      page->asked.has_cursor || page->is_begun
                                 ? &place : &NMDM_RESULT_START);
}

static nmdm_err_t *do_results(nmdm_ctx_t *ctx, void *baton)
{
    nmdm_api_listing_t *page = baton;
    apr_array_header_t *rows;
    int i, n;

    NMDM_TRY(nmdm_api_listing_enrolled(ctx, page->id));
    nmdm_api_listing_open(ctx, page, "results");
    do {
        nmdm_ctx_t batch = nmdm_api_listing_batch(ctx, page);

        rows = apr_array_make(batch.pool, NMDM_QUERIES_PAGE,
                              sizeof(nmdm_result_t));
        NMDM_TRY(read_results(&batch, page, rows));
        n = rows->nelts;
        for (i = 0; i < n && !nmdm_api_listing_is_full(page); i++) {
            NMDM_TRY(add_result(ctx, page,
                                &APR_ARRAY_IDX(rows, i, nmdm_result_t)));
        }
    } while (i == n && n == NMDM_QUERIES_PAGE
             && !nmdm_api_listing_is_full(page));
    if (i < n || n == NMDM_QUERIES_PAGE) {
        nmdm_api_listing_next(ctx, page);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_results_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *id, const char *uuid,
                                  const nmdm_api_paging_query_t *query)
{
    nmdm_api_listing_t page = { .id = id, .uuid = uuid, .kind = 'r' };
    nmdm_err_t *err = nmdm_api_answer_check_id(ctx, id);

    if (!err && uuid) {
        err = nmdm_api_answer_check_id(ctx, uuid);
    }
    if (!err) {
        err = nmdm_api_paging_read(&page.asked, ctx->pool, query, 'r', 2);
    }
    if (!err) {
        err = nmdm_api_listing_check_place(ctx, &page.asked, 0);
    }
    return nmdm_api_listing_answer(ctx, reply, status, &page, do_results, err);
}
