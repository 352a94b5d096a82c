/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c -- what is queued for an enrollment; and cancelling commands. */

#include "api/queue.h"
#include "api/commands.h"
#include "api/answer.h"
#include "api/listing.h"
#include "base/text.h"
#include "codec/json.h"
#include "db/db.h"
#include "storage/enrollment_queries.h"
#include "storage/queue_queries.h"
#include "storage/queue.h"

static nmdm_err_t *add_queued(nmdm_ctx_t *ctx, nmdm_api_listing_t *page,
                              const nmdm_queued_t *q)
{
    nmdm_json_t *entry;

    page->cursor[0] = q->priority;
    page->cursor[1] = q->created_text;
    page->cursor[2] = q->tie;
    if (nmdm_api_listing_skips(page)) {
        return NULL;
    }
    entry = nmdm_json_add_object(page->entries, NULL);
    nmdm_json_add_string(entry, "command_uuid", q->uuid);
    nmdm_json_add_text(entry, "request_type", q->request_type);
    NMDM_TRY(nmdm_api_listing_command(ctx, page, entry, q->uuid));
    nmdm_json_add_digits(entry, "priority", q->priority);
    nmdm_json_add_time(entry, "created_at", ctx->pool, q->created);
    nmdm_json_add_time(entry, "expires_at", ctx->pool, q->expires);
    nmdm_json_add_text(entry, "status", q->status);
    nmdm_json_add_digits(entry, "not_now_tally", q->not_now_tally);
    nmdm_json_add_time(entry, "not_now_at", ctx->pool, q->not_now_at);
    page->count++;
    return NULL;
}

static nmdm_err_t *do_queue(nmdm_ctx_t *ctx, void *baton)
{
    nmdm_api_listing_t *page = baton;
    nmdm_queue_place_t place = NMDM_QUEUE_START;
    apr_array_header_t *rows;
    int i, n;

    NMDM_TRY(nmdm_api_listing_enrolled(ctx, page->id));
    nmdm_api_listing_open(ctx, page, "commands");
    if (page->asked.has_cursor) {
        place = (nmdm_queue_place_t){ page->cursor[0], page->cursor[1],
                                      page->cursor[2] };
    }
    do {
        nmdm_ctx_t batch = nmdm_api_listing_batch(ctx, page);

        rows = apr_array_make(batch.pool, NMDM_QUERIES_PAGE,
                              sizeof(nmdm_queued_t));
        NMDM_TRY(nmdm_queue_queries_list(&batch, rows, page->id, &place));
        n = rows->nelts;
        for (i = 0; i < n && !nmdm_api_listing_is_full(page); i++) {
            NMDM_TRY(add_queued(ctx, page,
                                &APR_ARRAY_IDX(rows, i, nmdm_queued_t)));
        }
        place = (nmdm_queue_place_t){ page->cursor[0], page->cursor[1],
                                      page->cursor[2] };
    } while (i == n && n == NMDM_QUERIES_PAGE
             && !nmdm_api_listing_is_full(page));
    if (i < n || n == NMDM_QUERIES_PAGE) {
        nmdm_api_listing_next(ctx, page);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_queue_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                int *status, const char *id,
                                const nmdm_api_paging_query_t *query)
{
    nmdm_api_listing_t page = { .id = id, .kind = 'q' };
    nmdm_err_t *err = nmdm_api_answer_check_id(ctx, id);

    if (!err) {
        err = nmdm_api_paging_read(&page.asked, ctx->pool, query, 'q', 3);
    }
    if (!err) {
        err = nmdm_api_listing_check_place(ctx, &page.asked, 1);
    }
    return nmdm_api_listing_answer(ctx, reply, status, &page, do_queue, err);
}

/* ---- Cancelling ---- */

typedef struct {
    const char *id;             /* or NULL */
    const char *uuid;           /* or NULL */
    int cancelled;
    const char *after, *last;   /* of a batch */
} cancel_t;

static nmdm_err_t *do_clear(nmdm_ctx_t *ctx, void *baton)
{
    cancel_t *in = baton;

    NMDM_TRY(nmdm_api_listing_enrolled(ctx, in->id));
    if (!in->uuid) {
        return nmdm_queue_queries_cancel_all(ctx, &in->cancelled, in->id);
    }
    NMDM_TRY(
        nmdm_queue_queries_cancel_one(ctx, &in->cancelled, in->id, in->uuid));
    return in->cancelled ? NULL
        : nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1762)
                   "%s: command %s does not wait", in->id, in->uuid);
}

static nmdm_err_t *clear_each(nmdm_ctx_t *ctx, nmdm_json_t *failed,
                              int *failures, const apr_array_header_t *ids,
                              const char *uuid)
{
    int i;

    for (i = 0; i < ids->nelts; i++) {
        cancel_t in = { .id = APR_ARRAY_IDX(ids, i, const char *),
                        .uuid = uuid };
        nmdm_err_t *err = nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_clear, &in);

        if (err && err->kind != NMDM_NOT_FOUND) {
            return err;
        }
        if (err) {
            (*failures)++;
            nmdm_json_add_string(failed, in.id, nmdm_err_text(err));
        }
        else {
            nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1763)
                     "%s: %d queued %s cancelled [trace %s]", in.id,
                     in.cancelled,
                     nmdm_text_plural(in.cancelled, "command", "commands"),
                     ctx->trace_id);
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_api_queue_clear(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const apr_array_header_t *all,
                                 const char *uuid)
{
    apr_array_header_t *ids = nmdm_api_answer_distinct(ctx->pool, all);
    nmdm_json_t *out = nmdm_json_object(ctx->pool);
    nmdm_json_t *failed = nmdm_json_add_object(out, "status");
    int failures = 0;
    nmdm_err_t *err = ids->nelts ? nmdm_api_answer_check_ids(ctx->pool, ids)
                                 : nmdm_api_answer_check_id(ctx, "");

    if (!err && uuid) {
        err = nmdm_api_answer_check_id(ctx, uuid);
    }
    if (!err) {
        err = clear_each(ctx, failed, &failures, ids, uuid);
    }
    if (!err && !failures) {
        *status = 204;
        return NULL;
    }
    err = nmdm_api_answer_send(ctx, reply, status, out, err);
    if (!err) {
        *status = 207;
    }
    return err;
}

static nmdm_err_t *do_find(nmdm_ctx_t *ctx, void *baton)
{
    cancel_t *in = baton;
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, NULL, 0, STMT_COMMAND_EXISTS,
                         NMDM_ARGS(in->uuid)));
    return found ? NULL : nmdm_api_commands_unknown(ctx, in->uuid);
}

/* Each batch is a unit of its own: it commits, and others may write. */
static nmdm_err_t *do_batch(nmdm_ctx_t *ctx, void *baton)
{
    cancel_t *in = baton;

    in->cancelled = 0;
    NMDM_TRY(
        nmdm_enrollment_queries_batch(ctx, &in->last, in->uuid, in->after));
    return in->last ? nmdm_queue_queries_cancel_range(
                          ctx, &in->cancelled, in->uuid, in->after, in->last)
                    : NULL;
}

static nmdm_err_t *cancel(nmdm_ctx_t *ctx, int *cancelled, const char *uuid)
{
    cancel_t in = { .uuid = uuid, .after = "" };

    NMDM_TRY(nmdm_api_answer_check_id(ctx, uuid));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_find, &in));
    do {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_batch, &in));
        *cancelled += in.cancelled;
        in.after = in.last;
    } while (in.last);
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1764)
             "-: command %s cancelled for %d %s [trace %s]", uuid, *cancelled,
             nmdm_text_plural(*cancelled, "enrollment", "enrollments"),
             ctx->trace_id);
    return NULL;
}

nmdm_err_t *nmdm_api_queue_cancel(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *uuid)
{
    nmdm_json_t *out = nmdm_json_object(ctx->pool);
    int cancelled = 0;
    nmdm_err_t *err = cancel(ctx, &cancelled, uuid);

    nmdm_json_add_string(out, "command_uuid", uuid);
    nmdm_json_add_integer(out, "cancelled", cancelled);
    return nmdm_api_answer_send(ctx, reply, status, out, err);
}
