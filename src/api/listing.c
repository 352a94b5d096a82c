/* SPDX-License-Identifier: Apache-2.0 */
/* listing.c -- pages of commands and reports, which may be large. */

#include "api/listing.h"
#include "api/answer.h"
#include "base/time.h"
#include "codec/plist_json.h"
#include "db/db.h"
#include "storage/enrollment_queries.h"
#include "storage/queue_queries.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Size limit of a page; the entry that exceeds it is the last one. */
#define PAGE_BYTES (4 * 1024 * 1024)

/* Of reports as JSON in one page; what is beyond is given raw alone. */
#define PAGE_VALUES 200000

void nmdm_api_listing_open(nmdm_ctx_t *ctx, nmdm_api_listing_t *page,
                           const char *name)
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

int nmdm_api_listing_is_full(const nmdm_api_listing_t *page)
{
    return page->count >= page->asked.limit || page->bytes >= PAGE_BYTES;
}

void nmdm_api_listing_next(nmdm_ctx_t *ctx, nmdm_api_listing_t *page)
{
    int n = page->kind == 'q' ? 3 : page->kind == 'r' ? 2 : 1;

    nmdm_json_add_string(page->reply, "next_cursor",
                         nmdm_api_paging_cursor(ctx->pool, page->kind,
                                                page->cursor, n));
}

/* Whether an entry lies before what the offset asks for. */
int nmdm_api_listing_skips(nmdm_api_listing_t *page)
{
    if (page->skip) {
        page->skip--;
        return 1;
    }
    return 0;
}

/* ctx with a pool for the next rows. */
nmdm_ctx_t nmdm_api_listing_batch(const nmdm_ctx_t *ctx,
                                  nmdm_api_listing_t *page)
{
    nmdm_ctx_t batch = *ctx;

    batch.pool = nmdm_api_paging_turn(&page->batches);
    return batch;
}

void nmdm_api_listing_base64(nmdm_api_listing_t *page, nmdm_json_t *entry,
                             const char *key, const char *text)
{
    nmdm_bytes_t bytes = { text, strlen(text) };

    nmdm_json_add_string(entry, key,
                         nmdm_base64_encode(page->scratch, bytes));
    page->bytes += bytes.len;
}

/* What is read of the database for one entry is gone with it. */
nmdm_ctx_t nmdm_api_listing_scratch(const nmdm_ctx_t *ctx,
                                    nmdm_api_listing_t *page)
{
    nmdm_ctx_t part = *ctx;

    apr_pool_clear(page->scratch);
    part.pool = page->scratch;
    return part;
}

nmdm_err_t *nmdm_api_listing_kept(nmdm_ctx_t *ctx, const nmdm_err_t *err)
{
    return err ? nmdm_err_copy(ctx->pool, err) : NULL;
}

nmdm_err_t *nmdm_api_listing_command(nmdm_ctx_t *ctx, nmdm_api_listing_t *page,
                                     nmdm_json_t *entry, const char *uuid)
{
    nmdm_ctx_t part = nmdm_api_listing_scratch(ctx, page);
    nmdm_command_t command;
    apr_time_t created;

    NMDM_TRY(nmdm_api_listing_kept(
        ctx, nmdm_queue_queries_command(&part, &command, &created,
                                        uuid)));
    if (command.text) {
        nmdm_api_listing_base64(page, entry, "command", command.text);
    }
    return NULL;
}

/* A report as received, and as JSON where that is possible. */
nmdm_err_t *nmdm_api_listing_result(nmdm_ctx_t *ctx, nmdm_api_listing_t *page,
                                    nmdm_json_t *entry, const char *id,
                                    const char *uuid)
{
    nmdm_ctx_t part = nmdm_api_listing_scratch(ctx, page);
    nmdm_bytes_t bytes;
    const char *text;

    NMDM_TRY(nmdm_api_listing_kept(
        ctx, nmdm_queue_queries_result_text(&part, &text, id,
                                            uuid)));
    if (!text) {
        return NULL;            /* removed meanwhile */
    }
    nmdm_api_listing_base64(page, entry, "result", text);
    bytes.data = text;
    bytes.len = strlen(text);
    /* NanoMDM may have stored what we would not read. */
    (void)nmdm_plist_json_convert(entry, "result_json", page->scratch, bytes,
                                  &page->values_left);
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
nmdm_err_t *nmdm_api_listing_check_place(nmdm_ctx_t *ctx,
                                         const nmdm_api_paging_t *page,
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

nmdm_err_t *nmdm_api_listing_enrolled(nmdm_ctx_t *ctx, const char *id)
{
    int found;

    NMDM_TRY(nmdm_enrollment_queries_is_enrolled(ctx, &found, id));
    return found ? NULL : nmdm_api_answer_unknown_id(ctx, id);
}

nmdm_err_t *nmdm_api_listing_answer(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                    int *status, nmdm_api_listing_t *page,
                                    nmdm_unit_fn work, nmdm_err_t *err)
{
    if (!err) {
        err = nmdm_db_unit(ctx, NMDM_UNIT_READ, work, page);
    }
    return nmdm_api_answer_send(ctx, reply, status, page->reply, err);
}
