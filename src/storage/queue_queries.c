/* SPDX-License-Identifier: Apache-2.0 */
/* queue_queries.c -- queues and results as operators see them; cancelling. */

#include "storage/queue_queries.h"
#include "storage/query_rows.h"
#include "base/time.h"
#include "db/db.h"
#include "db/schema.h"

/* Before everything: no priority is higher, no time earlier. */
const nmdm_queue_place_t NMDM_QUEUE_START = {
    "32767", "1970-01-02 00:00:00", "0"
};

#define QUEUED_COLUMNS 10

nmdm_err_t *nmdm_queue_queries_list(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                                    const char *id,
                                    const nmdm_queue_place_t *after)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, QUEUED_COLUMNS,
                          nmdm_schema_is_complete(ctx)
                              ? STMT_QUEUE_PAGE : STMT_QUEUE_PAGE_SCAN,
                          NMDM_ARGS(id, after->priority, after->priority,
                                    after->created_text, after->created_text,
                                    after->tie)));
    for (i = 0; i < values->nelts; i += QUEUED_COLUMNS) {
        const char **row = nmdm_query_rows_at(values, i);

        APR_ARRAY_PUSH(rows, nmdm_queued_t) = (nmdm_queued_t){
            .uuid = row[0], .request_type = row[1], .priority = row[2],
            .created_text = row[3], .tie = row[4],
            .created = nmdm_time_of_seconds(row[5]),
            .expires = nmdm_time_of_seconds(row[6]), .status = row[7],
            .not_now_tally = row[8],
            .not_now_at = nmdm_time_of_seconds(row[9]),
        };
    }
    return NULL;
}

nmdm_err_t *nmdm_queue_queries_command(nmdm_ctx_t *ctx, nmdm_command_t *command,
                                       apr_time_t *created, const char *uuid)
{
    const char *cols[3] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3, STMT_COMMAND_GET,
                         NMDM_ARGS(uuid)));
    command->uuid = uuid;
    command->request_type = cols[0];
    command->text = cols[2];
    *created = nmdm_time_of_seconds(cols[1]);
    return NULL;
}

const nmdm_result_place_t NMDM_RESULT_START = { "9999-01-01 00:00:00", "" };

#define RESULT_COLUMNS 7

static void read_results(apr_array_header_t *rows,
                         const apr_array_header_t *values)
{
    int i;

    for (i = 0; i < values->nelts; i += RESULT_COLUMNS) {
        const char **row = nmdm_query_rows_at(values, i);

        APR_ARRAY_PUSH(rows, nmdm_result_t) = (nmdm_result_t){
            .uuid = row[0], .request_type = row[1], .status = row[2],
            .updated_text = row[3],
            .updated = nmdm_time_of_seconds(row[4]), .not_now_tally = row[5],
            .not_now_at = nmdm_time_of_seconds(row[6]),
        };
    }
}

nmdm_err_t *nmdm_queue_queries_results(nmdm_ctx_t *ctx,
                                       apr_array_header_t *rows,
                                       const char *id,
                                       const nmdm_result_place_t *after)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);

    NMDM_TRY(nmdm_db_rows(ctx, values, RESULT_COLUMNS, STMT_RESULT_PAGE,
                          NMDM_ARGS(id, after->updated_text,
                                    after->updated_text, after->uuid)));
    read_results(rows, values);
    return NULL;
}

nmdm_err_t *nmdm_queue_queries_result_of(nmdm_ctx_t *ctx,
                                         apr_array_header_t *rows,
                                         const char *id, const char *uuid)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);

    NMDM_TRY(nmdm_db_rows(ctx, values, RESULT_COLUMNS, STMT_RESULT_OF,
                          NMDM_ARGS(id, uuid)));
    read_results(rows, values);
    return NULL;
}

nmdm_err_t *nmdm_queue_queries_result_text(nmdm_ctx_t *ctx, const char **text,
                                           const char *id, const char *uuid)
{
    int found;

    *text = NULL;
    return nmdm_db_row(ctx, &found, text, 1, STMT_RESULT_TEXT,
                       NMDM_ARGS(id, uuid));
}

#define RECIPIENT_COLUMNS 6
#define ANSWER_COLUMNS 5

static nmdm_err_t *add_answers(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                               apr_hash_t *by_id, const char *uuid)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx),
        *ids = nmdm_query_rows_values(ctx);
    const char *args[1 + NMDM_SQL_IDS];
    int i;

    for (i = 0; i < rows->nelts; i++) {
        APR_ARRAY_PUSH(ids, const char *)
            = APR_ARRAY_IDX(rows, i, nmdm_recipient_t).id;
    }
    args[0] = uuid;
    nmdm_db_fill_ids(args + 1, ids, 0);
    NMDM_TRY(nmdm_db_rows(ctx, values, ANSWER_COLUMNS, STMT_COMMAND_RESULTS,
                          args, 1 + NMDM_SQL_IDS));
    for (i = 0; i < values->nelts; i += ANSWER_COLUMNS) {
        const char **row = nmdm_query_rows_at(values, i);
        nmdm_recipient_t *r = apr_hash_get(by_id, row[0],
                                           APR_HASH_KEY_STRING);

        if (r) {
            r->status = row[1];
            r->updated = nmdm_time_of_seconds(row[2]);
            r->not_now_tally = row[3];
            r->not_now_at = nmdm_time_of_seconds(row[4]);
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_queue_queries_recipients(nmdm_ctx_t *ctx,
                                          apr_array_header_t *rows,
                                          const char *uuid, const char *after)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);
    apr_hash_t *by_id = apr_hash_make(ctx->pool);
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, RECIPIENT_COLUMNS,
                          nmdm_schema_is_complete(ctx)
                              ? STMT_COMMAND_PAGE : STMT_COMMAND_PAGE_SCAN,
                          NMDM_ARGS(uuid, after)));
    for (i = 0; i < values->nelts; i += RECIPIENT_COLUMNS) {
        const char **row = nmdm_query_rows_at(values, i);

        APR_ARRAY_PUSH(rows, nmdm_recipient_t) = (nmdm_recipient_t){
            .id = row[0], .active = nmdm_query_rows_is_true(row[1]),
                .priority = row[2],
            .created = nmdm_time_of_seconds(row[3]),
            .expires = nmdm_time_of_seconds(row[4]),
            .is_expired = nmdm_query_rows_is_true(row[5]),
        };
    }
    /* The array has stopped moving. */
    for (i = 0; i < rows->nelts; i++) {
        nmdm_recipient_t *r = &APR_ARRAY_IDX(rows, i, nmdm_recipient_t);

        apr_hash_set(by_id, r->id, APR_HASH_KEY_STRING, r);
    }
    return rows->nelts ? add_answers(ctx, rows, by_id, uuid) : NULL;
}

nmdm_err_t *nmdm_queue_queries_cancel_all(nmdm_ctx_t *ctx, int *cancelled,
                                          const char *id)
{
    return nmdm_db_exec(ctx, cancelled,
                        nmdm_schema_is_complete(ctx) ? STMT_CANCEL_ALL
                                                     : STMT_CANCEL_ALL_SCAN,
                        NMDM_ARGS(id));
}

nmdm_err_t *nmdm_queue_queries_cancel_one(nmdm_ctx_t *ctx, int *cancelled,
                                          const char *id, const char *uuid)
{
    return nmdm_db_exec(ctx, cancelled, STMT_CANCEL_ONE,
                        NMDM_ARGS(id, uuid));
}

nmdm_err_t *nmdm_queue_queries_cancel_range(nmdm_ctx_t *ctx, int *cancelled,
                                            const char *uuid, const char *after,
                                            const char *last)
{
    return nmdm_db_exec(ctx, cancelled, STMT_CANCEL_RANGE,
                        NMDM_ARGS(uuid, after, last));
}

nmdm_err_t *nmdm_queue_queries_cancelled(nmdm_ctx_t *ctx,
                                         apr_array_header_t *rows,
                                         const char *id)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, 3, STMT_CANCELLED_PAGE,
                          NMDM_ARGS(id)));
    for (i = 0; i < values->nelts; i += 3) {
        const char **row = nmdm_query_rows_at(values, i);

        APR_ARRAY_PUSH(rows, nmdm_cancelled_t) = (nmdm_cancelled_t){
            row[0], row[1], nmdm_time_of_seconds(row[2])
        };
    }
    return NULL;
}
