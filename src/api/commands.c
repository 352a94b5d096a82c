/* SPDX-License-Identifier: Apache-2.0 */
/* commands.c -- one command, and who has it. */

#include "api/commands.h"
#include "api/answer.h"
#include "api/listing.h"
#include "codec/json.h"
#include "db/db.h"
#include "storage/enrollment_queries.h"
#include "storage/queue_queries.h"

#include <string.h>

static const char *state_of(const nmdm_recipient_t *r)
{
    if (r->status && strcmp(r->status, "NotNow")) {
        return "answered";
    }
    return !r->active ? "cancelled" : r->is_expired ? "expired" : "pending";
}

static nmdm_err_t *add_recipient(nmdm_ctx_t *ctx, nmdm_api_listing_t *page,
                                 const nmdm_recipient_t *r)
{
    nmdm_json_t *entry;

    page->cursor[0] = r->id;
    if (nmdm_api_listing_skips(page)) {
        return NULL;
    }
    entry = nmdm_json_add_object(page->entries, NULL);
    nmdm_json_add_string(entry, "id", r->id);
    nmdm_json_add_string(entry, "state", state_of(r));
    nmdm_json_add_text(entry, "status", r->status);
    nmdm_json_add_digits(entry, "priority", r->priority);
    nmdm_json_add_time(entry, "created_at", ctx->pool, r->created);
    nmdm_json_add_time(entry, "expires_at", ctx->pool, r->expires);
    nmdm_json_add_time(entry, "updated_at", ctx->pool, r->updated);
    nmdm_json_add_digits(entry, "not_now_tally", r->not_now_tally);
    nmdm_json_add_time(entry, "not_now_at", ctx->pool, r->not_now_at);
    if (r->status) {
        NMDM_TRY(nmdm_api_listing_result(ctx, page, entry, r->id, page->uuid));
    }
    page->count++;
    return NULL;
}

nmdm_err_t *nmdm_api_commands_unknown(nmdm_ctx_t *ctx, const char *uuid)
{
    return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1761)
                    "there is no command %s", uuid);
}

static nmdm_err_t *describe_command(nmdm_ctx_t *ctx, nmdm_api_listing_t *page)
{
    nmdm_ctx_t part;
    nmdm_command_t command;
    apr_time_t created;

    page->reply = nmdm_json_object(ctx->pool);
    apr_pool_create(&page->scratch, ctx->pool);
    part = nmdm_api_listing_scratch(ctx, page);
    NMDM_TRY(nmdm_api_listing_kept(
        ctx, nmdm_queue_queries_command(&part, &command, &created,
                                        page->uuid)));
    if (!command.text) {
        return nmdm_api_commands_unknown(ctx, page->uuid);
    }
    nmdm_api_listing_open(ctx, page, "enrollments");
    nmdm_json_add_string(page->reply, "command_uuid", page->uuid);
    nmdm_json_add_string(page->reply, "request_type", command.request_type);
    nmdm_json_add_time(page->reply, "created_at", ctx->pool, created);
    nmdm_api_listing_base64(page, page->reply, "command", command.text);
    page->bytes = 0;
    return NULL;
}

static nmdm_err_t *do_command(nmdm_ctx_t *ctx, void *baton)
{
    nmdm_api_listing_t *page = baton;
    apr_array_header_t *rows;
    int i, n;

    NMDM_TRY(describe_command(ctx, page));
    do {
        nmdm_ctx_t batch = nmdm_api_listing_batch(ctx, page);

        rows = apr_array_make(batch.pool, NMDM_QUERIES_PAGE,
                              sizeof(nmdm_recipient_t));
        NMDM_TRY(nmdm_queue_queries_recipients(&batch, rows, page->uuid,
                                               page->cursor[0]));
        n = rows->nelts;
        for (i = 0; i < n && !nmdm_api_listing_is_full(page); i++) {
            NMDM_TRY(add_recipient(ctx, page,
                                   &APR_ARRAY_IDX(rows, i,
                                                  nmdm_recipient_t)));
        }
    } while (i == n && n == NMDM_QUERIES_PAGE
             && !nmdm_api_listing_is_full(page));
    if (i < n || n == NMDM_QUERIES_PAGE) {
        nmdm_api_listing_next(ctx, page);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_commands_get(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *uuid,
                                  const nmdm_api_paging_query_t *query)
{
    nmdm_api_listing_t page = { .uuid = uuid, .kind = 'c' };
    nmdm_err_t *err = nmdm_api_answer_check_id(ctx, uuid);

    if (!err) {
        err = nmdm_api_paging_read(&page.asked, ctx->pool, query, 'c', 1);
    }
    return nmdm_api_listing_answer(ctx, reply, status, &page, do_command, err);
}
