/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_params.c -- any bytes as what a URL holds: a line is a list of ids, the
 * next the parameters of the query. */

#include "world.h"
#include "api/answer.h"
#include "api/enqueue.h"
#include "api/events.h"
#include "api/commands.h"
#include "api/queue.h"
#include "api/results.h"
#include "api/command_json.h"
#include "api/enqueue_options.h"
#include "api/enrollments.h"
#include "webhook/event.h"

/* Where a page ends, the next one begins. */
static void fuzz_cursor(apr_pool_t *p, const nmdm_api_paging_query_t *query)
{
    nmdm_api_paging_query_t next = { NULL, NULL, NULL };
    nmdm_api_paging_t page, same;
    int i;

    if (nmdm_api_paging_read(&page, p, query, 'e', 3)) {
        return;
    }
    PROMISED(page.limit > 0 && page.limit <= NMDM_API_PAGING_MOST);
    PROMISED(page.offset >= 0 && !(page.offset && page.has_cursor));
    if (!page.has_cursor) {
        return;
    }
    next.cursor = nmdm_api_paging_cursor(p, 'e', page.parts, 3);
    PROMISED(!nmdm_api_paging_read(&same, p, &next, 'e', 3));
    for (i = 0; i < 3; i++) {
        PROMISED(nmdm_utf8_valid(page.parts[i], strlen(page.parts[i])));
        PROMISED(!strcmp(page.parts[i], same.parts[i]));
    }
}

static void fuzz_terms(apr_pool_t *p, const char *priority,
                       const char *expires)
{
    nmdm_ctx_t *ctx = request_in(p);
    nmdm_enqueue_options_t terms;

    if (!nmdm_api_enqueue_options_read(&terms, ctx, priority, expires)) {
        PROMISED(terms.priority >= -128 && terms.priority <= 127);
        PROMISED(!terms.expires || terms.expires > ctx->now);
    }
}

static void fuzz_ids(apr_pool_t *p, const apr_array_header_t *ids)
{
    static const nmdm_bytes_t COMMAND = {
        "<plist><dict><key>CommandUUID</key><string>U</string><key>Command"
        "</key><dict><key>RequestType</key><string>T</string></dict></dict>"
        "</plist>", 139
    };
    nmdm_ctx_t *ctx = request_in(p);
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    const apr_array_header_t *distinct = nmdm_api_answer_distinct(p, ids);
    int i, status = 0;

    PROMISED(distinct->nelts <= ids->nelts);
    for (i = 0; i < distinct->nelts; i++) {
        PROMISED(*APR_ARRAY_IDX(distinct, i, const char *));
    }
    check_answer(ctx, nmdm_api_enqueue(ctx, &reply, &status, ids, COMMAND,
                                       0), &reply);
    check_answer(ctx, nmdm_api_queue_clear(ctx, &reply, &status, ids, NULL),
                 &reply);
}

static void fuzz_calls(apr_pool_t *p, const char *id,
                       const apr_table_t *params)
{
    static const nmdm_bytes_t ALL = { "", 0 };
    nmdm_ctx_t *ctx = request_in(p);
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    const char *limit = apr_table_get(params, "limit");
    const char *cursor = apr_table_get(params, "cursor");
    const char *uuid = apr_table_get(params, "command_uuid");
    nmdm_api_paging_query_t query = { limit, apr_table_get(params, "offset"),
                                cursor };
    int status = 0;

    fuzz_cursor(p, &query);
    fuzz_terms(p, apr_table_get(params, "priority"),
               apr_table_get(params, "expires"));
    check_answer(ctx,
                 nmdm_api_enrollments_query(ctx, &reply, &status, ALL, &query),
                 &reply);
    check_answer(ctx, nmdm_api_queue_list(ctx, &reply, &status, id, &query),
                 &reply);
    check_answer(ctx, nmdm_api_results_list(ctx, &reply, &status, id, uuid,
                                            &query), &reply);
    check_answer(ctx, nmdm_api_commands_get(ctx, &reply, &status, id, &query),
                 &reply);
    check_answer(ctx, nmdm_api_events_list(ctx, &reply, &status, apr_table_get(
                 params, "state"), limit, cursor), &reply);
    check_answer(ctx, nmdm_api_events_drop(ctx, &reply, &status, id), &reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_table_t *params;
    char *ids, *query;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    ids = apr_pstrmemdup(p, (const char *)data, size);
    query = strchr(ids, '\n');
    if (query) {
        *query++ = '\0';
    }
    params = nmdm_event_params(p, query);
    fuzz_ids(p, nmdm_api_answer_split_ids(p, ids));
    fuzz_calls(p, ids, params);
    apr_pool_destroy(p);
    return 0;
}
