/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c -- what is queued and what was answered, as operators ask for
 * it; and taking commands back.
 *
 * A page is read in hundreds of short rows; commands and reports, which may be
 * large, follow one by one until the page is full or PAGE_BYTES are. */

#include "api/queue.h"
#include "api/enqueue.h"
#include "codec/plist_json.h"
#include "db/db.h"
#include "codec/json.h"
#include "base/time.h"
#include "storage/queries.h"
#include "storage/queue.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Of commands and reports in one page: whoever is over it is its last. */
#define PAGE_BYTES (4 * 1024 * 1024)

/* Of reports as JSON in one page; what is beyond is given raw alone. */
#define PAGE_VALUES 200000

/* ---- A page ---- */

typedef struct page_t page_t;
struct page_t {
    const char *id, *uuid;      /* what is asked for; one may be NULL */
    nmdm_api_paging_t asked;
    char kind;                  /* of the cursor */

    nmdm_json_t *reply;
    nmdm_json_t *entries;
    const char *cursor[3];      /* of the last entry */
    int is_begun;               /* is there one? */
    int count;
    apr_int64_t skip;           /* entries before the page, by offset */
    nmdm_api_paging_batches_t batches;
    apr_size_t bytes;
    int values_left;
    apr_pool_t *scratch;        /* of one entry */
};

static void open_page(nmdm_ctx_t *ctx, page_t *page, const char *name)
{
    int i;

    page->reply = nmdm_json_object(ctx->pool);
    page->entries = nmdm_json_add_array(page->reply, name);
    for (i = 0; i < 3; i++) {
        page->cursor[i] = page->asked.parts[i];
    }
    page->is_begun = 0;
    page->count = 0;
    page->skip = page->asked.offset;
    page->bytes = 0;
    page->values_left = PAGE_VALUES;
    nmdm_api_paging_begin(&page->batches, ctx->pool);
    apr_pool_create(&page->scratch, ctx->pool);
}

static int is_full(const page_t *page)
{
    return page->count >= page->asked.limit || page->bytes >= PAGE_BYTES;
}

static void set_next(nmdm_ctx_t *ctx, page_t *page)
{
    int n = page->kind == 'q' ? 3 : page->kind == 'r' ? 2 : 1;

    nmdm_json_add_string(page->reply, "next_cursor",
                         nmdm_api_paging_cursor(ctx->pool, page->kind,
                                                page->cursor, n));
}

/* Whether an entry lies before what the offset asks for. */
static int is_skipped(page_t *page)
{
    if (page->skip) {
        page->skip--;
        return 1;
    }
    return 0;
}

/* ctx with a pool for the next rows. */
static nmdm_ctx_t next_batch(const nmdm_ctx_t *ctx, page_t *page)
{
    nmdm_ctx_t batch = *ctx;

    batch.pool = nmdm_api_paging_turn(&page->batches);
    return batch;
}

/* ---- Parts of entries ---- */

static void set_text(nmdm_json_t *entry, const char *key, const char *text)
{
    if (text && *text) {
        nmdm_json_add_string(entry, key, text);
    }
}

static void set_time(nmdm_json_t *entry, const char *key, apr_pool_t *p,
                     apr_time_t t)
{
    if (t) {
        nmdm_json_add_string(entry, key, nmdm_time_rfc3339(p, t));
    }
}

/* Zero is what it is when nobody says anything. */
static void set_number(nmdm_json_t *entry, const char *key,
                       const char *digits)
{
    if (digits && apr_atoi64(digits)) {
        nmdm_json_add_integer(entry, key, apr_atoi64(digits));
    }
}

static void set_base64(page_t *page, nmdm_json_t *entry, const char *key,
                       const char *text)
{
    nmdm_bytes_t bytes = { text, strlen(text) };

    nmdm_json_add_string(entry, key,
                         nmdm_base64_encode(page->scratch, bytes));
    page->bytes += bytes.len;
}

/* What is read of the database for one entry is gone with it. */
static nmdm_ctx_t in_scratch(const nmdm_ctx_t *ctx, page_t *page)
{
    nmdm_ctx_t part = *ctx;

    apr_pool_clear(page->scratch);
    part.pool = page->scratch;
    return part;
}

static nmdm_err_t *kept(nmdm_ctx_t *ctx, const nmdm_err_t *err)
{
    return err ? nmdm_err_copy(ctx->pool, err) : NULL;
}

static nmdm_err_t *add_command_text(nmdm_ctx_t *ctx, page_t *page,
                                    nmdm_json_t *entry, const char *uuid)
{
    nmdm_ctx_t part = in_scratch(ctx, page);
    nmdm_command_t command;
    apr_time_t created;

    NMDM_TRY(kept(
        ctx, nmdm_queue_queries_command(&part, &command, &created, uuid)));
    if (command.text) {
        set_base64(page, entry, "command", command.text);
    }
    return NULL;
}

/* A report as it came, and as JSON where that is possible. */
static nmdm_err_t *add_result_text(nmdm_ctx_t *ctx, page_t *page,
                                   nmdm_json_t *entry, const char *id,
                                   const char *uuid)
{
    nmdm_ctx_t part = in_scratch(ctx, page);
    nmdm_bytes_t bytes;
    const char *text;

    NMDM_TRY(kept(ctx, nmdm_queue_queries_result_text(&part, &text, id, uuid)));
    if (!text) {
        return NULL;            /* removed meanwhile */
    }
    set_base64(page, entry, "result", text);
    bytes.data = text;
    bytes.len = strlen(text);
    /* NanoMDM may have stored what we would not read. */
    (void)nmdm_plist_json_convert(entry, "result_json", page->scratch, bytes,
                                  &page->values_left);
    return NULL;
}

static nmdm_err_t *must_be_enrolled(nmdm_ctx_t *ctx, const char *id)
{
    int found;

    NMDM_TRY(nmdm_enrollment_queries_is_enrolled(ctx, &found, id));
    return found ? NULL : nmdm_api_answer_unknown_id(ctx, id);
}

static nmdm_err_t *answer_page(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                               int *status, page_t *page, nmdm_unit_fn work,
                               nmdm_err_t *err)
{
    if (!err) {
        err = nmdm_db_unit(ctx, NMDM_UNIT_READ, work, page);
    }
    return nmdm_api_answer_send(ctx, reply, status, page->reply, err);
}

/* ---- Queues ---- */

static nmdm_err_t *add_queued(nmdm_ctx_t *ctx, page_t *page,
                              const nmdm_queued_t *q)
{
    nmdm_json_t *entry;

    page->cursor[0] = q->priority;
    page->cursor[1] = q->created_text;
    page->cursor[2] = q->tie;
    if (is_skipped(page)) {
        return NULL;
    }
    entry = nmdm_json_add_object(page->entries, NULL);
    nmdm_json_add_string(entry, "command_uuid", q->uuid);
    set_text(entry, "request_type", q->request_type);
    NMDM_TRY(add_command_text(ctx, page, entry, q->uuid));
    set_number(entry, "priority", q->priority);
    set_time(entry, "created_at", ctx->pool, q->created);
    set_time(entry, "expires_at", ctx->pool, q->expires);
    set_text(entry, "status", q->status);
    set_number(entry, "not_now_tally", q->not_now_tally);
    set_time(entry, "not_now_at", ctx->pool, q->not_now_at);
    page->count++;
    return NULL;
}

static nmdm_err_t *do_queue(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;
    nmdm_queue_place_t place = NMDM_QUEUE_START;
    apr_array_header_t *rows;
    int i, n;

    NMDM_TRY(must_be_enrolled(ctx, page->id));
    open_page(ctx, page, "commands");
    if (page->asked.has_cursor) {
        place = (nmdm_queue_place_t){ page->cursor[0], page->cursor[1],
                                      page->cursor[2] };
    }
    do {
        nmdm_ctx_t batch = next_batch(ctx, page);

        rows = apr_array_make(batch.pool, NMDM_QUERIES_PAGE,
                              sizeof(nmdm_queued_t));
        NMDM_TRY(nmdm_queue_queries_list(&batch, rows, page->id, &place));
        n = rows->nelts;
        for (i = 0; i < n && !is_full(page); i++) {
            NMDM_TRY(add_queued(ctx, page,
                                &APR_ARRAY_IDX(rows, i, nmdm_queued_t)));
        }
        place = (nmdm_queue_place_t){ page->cursor[0], page->cursor[1],
                                      page->cursor[2] };
    } while (i == n && n == NMDM_QUERIES_PAGE && !is_full(page));
    if (i < n || n == NMDM_QUERIES_PAGE) {
        set_next(ctx, page);
    }
    return NULL;
}

static int is_time(apr_pool_t *p, const char *text)
{
    apr_time_t t;

    return strlen(text) >= 19 && strlen(text) <= 26 && text[10] == ' '
        && nmdm_time_read(&t, apr_pstrcat(p, text, "Z", NULL))
        && !strncmp(nmdm_time_rfc3339(p, t), text, 10)
        && !strncmp(nmdm_time_rfc3339(p, t) + 11, text + 11, 8);
}

/* The database would take a cursor that was tampered with for a fault. */
static nmdm_err_t *check_place(nmdm_ctx_t *ctx, const nmdm_api_paging_t *page,
                               int time_at)
{
    const char *priority = page->parts[0];

    if (!page->has_cursor
        || (is_time(ctx->pool, page->parts[time_at])
            && (!time_at || !strcmp(apr_itoa(ctx->pool, atoi(priority)),
                                    priority)))) {
        return NULL;
    }
    return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1760)
                    "\"cursor\" is not one that this call gave as"
                    " next_cursor");
}

nmdm_err_t *nmdm_api_queue_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                int *status, const char *id,
                                const nmdm_api_paging_query_t *query)
{
    page_t page = { .id = id, .kind = 'q' };
    nmdm_err_t *err = nmdm_api_answer_check_id(ctx, id);

    if (!err) {
        err = nmdm_api_paging_read(&page.asked, ctx->pool, query, 'q', 3);
    }
    if (!err) {
        err = check_place(ctx, &page.asked, 1);
    }
    return answer_page(ctx, reply, status, &page, do_queue, err);
}

/* ---- Results ---- */

static nmdm_err_t *add_result(nmdm_ctx_t *ctx, page_t *page,
                              const nmdm_result_t *r)
{
    nmdm_json_t *entry;

    page->cursor[0] = r->updated_text;
    page->cursor[1] = r->uuid;
    page->is_begun = 1;
    if (is_skipped(page)) {
        return NULL;
    }
    entry = nmdm_json_add_object(page->entries, NULL);
    nmdm_json_add_string(entry, "command_uuid", r->uuid);
    set_text(entry, "request_type", r->request_type);
    nmdm_json_add_string(entry, "status", r->status);
    set_time(entry, "updated_at", ctx->pool, r->updated);
    set_number(entry, "not_now_tally", r->not_now_tally);
    set_time(entry, "not_now_at", ctx->pool, r->not_now_at);
    NMDM_TRY(add_result_text(ctx, page, entry, page->id, r->uuid));
    page->count++;
    return NULL;
}

static nmdm_err_t *read_results(nmdm_ctx_t *ctx, page_t *page,
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
    page_t *page = baton;
    apr_array_header_t *rows;
    int i, n;

    NMDM_TRY(must_be_enrolled(ctx, page->id));
    open_page(ctx, page, "results");
    do {
        nmdm_ctx_t batch = next_batch(ctx, page);

        rows = apr_array_make(batch.pool, NMDM_QUERIES_PAGE,
                              sizeof(nmdm_result_t));
        NMDM_TRY(read_results(&batch, page, rows));
        n = rows->nelts;
        for (i = 0; i < n && !is_full(page); i++) {
            NMDM_TRY(add_result(ctx, page,
                                &APR_ARRAY_IDX(rows, i, nmdm_result_t)));
        }
    } while (i == n && n == NMDM_QUERIES_PAGE && !is_full(page));
    if (i < n || n == NMDM_QUERIES_PAGE) {
        set_next(ctx, page);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_results_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *id, const char *uuid,
                                  const nmdm_api_paging_query_t *query)
{
    page_t page = { .id = id, .uuid = uuid, .kind = 'r' };
    nmdm_err_t *err = nmdm_api_answer_check_id(ctx, id);

    if (!err && uuid) {
        err = nmdm_api_answer_check_id(ctx, uuid);
    }
    if (!err) {
        err = nmdm_api_paging_read(&page.asked, ctx->pool, query, 'r', 2);
    }
    if (!err) {
        err = check_place(ctx, &page.asked, 0);
    }
    return answer_page(ctx, reply, status, &page, do_results, err);
}

/* ---- One command, many enrollments ---- */

static const char *state_of(const nmdm_recipient_t *r)
{
    if (r->status && strcmp(r->status, "NotNow")) {
        return "answered";
    }
    return !r->active ? "cancelled" : r->is_expired ? "expired" : "pending";
}

static nmdm_err_t *add_recipient(nmdm_ctx_t *ctx, page_t *page,
                                 const nmdm_recipient_t *r)
{
    nmdm_json_t *entry;

    page->cursor[0] = r->id;
    if (is_skipped(page)) {
        return NULL;
    }
    entry = nmdm_json_add_object(page->entries, NULL);
    nmdm_json_add_string(entry, "id", r->id);
    nmdm_json_add_string(entry, "state", state_of(r));
    set_text(entry, "status", r->status);
    set_number(entry, "priority", r->priority);
    set_time(entry, "created_at", ctx->pool, r->created);
    set_time(entry, "expires_at", ctx->pool, r->expires);
    set_time(entry, "updated_at", ctx->pool, r->updated);
    set_number(entry, "not_now_tally", r->not_now_tally);
    set_time(entry, "not_now_at", ctx->pool, r->not_now_at);
    if (r->status) {
        NMDM_TRY(add_result_text(ctx, page, entry, r->id, page->uuid));
    }
    page->count++;
    return NULL;
}

static nmdm_err_t *unknown_command(nmdm_ctx_t *ctx, const char *uuid)
{
    return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1761)
                    "there is no command %s", uuid);
}

static nmdm_err_t *describe_command(nmdm_ctx_t *ctx, page_t *page)
{
    nmdm_ctx_t part;
    nmdm_command_t command;
    apr_time_t created;

    page->reply = nmdm_json_object(ctx->pool);
    apr_pool_create(&page->scratch, ctx->pool);
    part = in_scratch(ctx, page);
    NMDM_TRY(kept(ctx, nmdm_queue_queries_command(&part, &command, &created,
                                                  page->uuid)));
    if (!command.text) {
        return unknown_command(ctx, page->uuid);
    }
    open_page(ctx, page, "enrollments");
    nmdm_json_add_string(page->reply, "command_uuid", page->uuid);
    nmdm_json_add_string(page->reply, "request_type", command.request_type);
    set_time(page->reply, "created_at", ctx->pool, created);
    set_base64(page, page->reply, "command", command.text);
    page->bytes = 0;
    return NULL;
}

static nmdm_err_t *do_command(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;
    apr_array_header_t *rows;
    int i, n;

    NMDM_TRY(describe_command(ctx, page));
    do {
        nmdm_ctx_t batch = next_batch(ctx, page);

        rows = apr_array_make(batch.pool, NMDM_QUERIES_PAGE,
                              sizeof(nmdm_recipient_t));
        NMDM_TRY(nmdm_queue_queries_recipients(&batch, rows, page->uuid,
                                               page->cursor[0]));
        n = rows->nelts;
        for (i = 0; i < n && !is_full(page); i++) {
            NMDM_TRY(add_recipient(ctx, page,
                                   &APR_ARRAY_IDX(rows, i,
                                                  nmdm_recipient_t)));
        }
    } while (i == n && n == NMDM_QUERIES_PAGE && !is_full(page));
    if (i < n || n == NMDM_QUERIES_PAGE) {
        set_next(ctx, page);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_commands_get(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *uuid,
                                  const nmdm_api_paging_query_t *query)
{
    page_t page = { .uuid = uuid, .kind = 'c' };
    nmdm_err_t *err = nmdm_api_answer_check_id(ctx, uuid);

    if (!err) {
        err = nmdm_api_paging_read(&page.asked, ctx->pool, query, 'c', 1);
    }
    return answer_page(ctx, reply, status, &page, do_command, err);
}

/* ---- Taking back ---- */

typedef struct {
    const char *id;             /* or NULL */
    const char *uuid;           /* or NULL */
    int cancelled;
    const char *after, *last;   /* of a stride */
} cancel_t;

static nmdm_err_t *do_clear(nmdm_ctx_t *ctx, void *baton)
{
    cancel_t *in = baton;

    NMDM_TRY(must_be_enrolled(ctx, in->id));
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
            nmdm_json_set_string(failed, in.id, nmdm_err_text(err));
        }
        else {
            nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1763)
                     "%s: %d queued commands cancelled [trace %s]", in.id,
                     in.cancelled, ctx->trace_id);
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
    return found ? NULL : unknown_command(ctx, in->uuid);
}

/* Each stride is a unit of its own: it commits, and others may write. */
static nmdm_err_t *do_stride(nmdm_ctx_t *ctx, void *baton)
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
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_stride, &in));
        *cancelled += in.cancelled;
        in.after = in.last;
    } while (in.last);
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1764)
             "-: command %s cancelled for %d enrollments [trace %s]", uuid,
             *cancelled, ctx->trace_id);
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
