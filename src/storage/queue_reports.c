/* SPDX-License-Identifier: Apache-2.0 */
/* queue_reports.c -- reports of many devices, stored together; in queue.c
 * those that are stored alone, such as NotNow. */

#include "storage/queue_reports.h"
#include "db/db.h"
#include "db/schema.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* In bytes. A longer report costs the database more than what is saved, and
 * 64 of these are less than the least max_allowed_packet of MySQL. */
#define LONGEST (12 * 1024)

int nmdm_queue_reports_suit(const nmdm_msg_t *msg)
{
    return !msg->who.on_user_channel && strcmp(msg->u.report.status, "NotNow")
        && strlen(msg->u.report.stored) <= LONGEST;
}

/* ---- The batch ---- */

typedef struct {
    nmdm_queue_report_t *reports[NMDM_BATCH_MOST];
    int n;
} batch_t;

static int by_id(const void *a, const void *b)
{
    return strcmp((*(nmdm_queue_report_t *const *)a)->entry.key,
                  (*(nmdm_queue_report_t *const *)b)->entry.key);
}

static void sort(batch_t *batch, nmdm_batch_entry_t *first)
{
    batch->n = 0;
    for (; first; first = first->next) {
        batch->reports[batch->n] = (nmdm_queue_report_t *)first;
        batch->reports[batch->n]->stored = 0;
        batch->n++;
    }
    qsort(batch->reports, (size_t)batch->n, sizeof(*batch->reports), by_id);
}

/* The columns uuid, request type and text of the next command. */
static void take_next(nmdm_queue_report_t *report, const char **cols)
{
    report->stored = 1;
    report->next = cols[0] ? NMDM_NEXT_COMMAND : NMDM_NEXT_NOTHING;
    report->command.uuid = apr_pstrdup(report->pool, cols[0]);
    report->command.request_type = apr_pstrdup(report->pool, cols[1]);
    report->command.text = apr_pstrdup(report->pool, cols[2]);
}

/* ---- SQLite: one by one, with one commit ---- */

static nmdm_err_t *store_one(nmdm_ctx_t *ctx, nmdm_queue_report_t *report)
{
    const nmdm_report_t *said = &report->msg->u.report;
    const char *id = report->entry.key, *cols[4];
    int stored, found;

    NMDM_TRY(nmdm_db_exec(ctx, &stored, STMT_RESULT_PUT,
                          NMDM_ARGS(said->status, said->stored, id,
                                    said->command_uuid, id, report->sha256,
                                    said->command_uuid)));
    if (!stored) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 4, STMT_QUEUE_NEXT,
                         NMDM_ARGS(id, "NotNow", "NotNow", id,
                                   report->sha256)));
    if (found) {
        take_next(report, cols + 1);
    }
    return NULL;
}

static nmdm_err_t *store_each(nmdm_ctx_t *ctx, batch_t *batch)
{
    int i;

    for (i = 0; i < batch->n; i++) {
        NMDM_TRY(store_one(ctx, batch->reports[i]));
    }
    return NULL;
}

/* ---- Rows of reports that were stored ---- */

enum { ID, STATUS, NEXT_UUID, NEXT_TYPE, NEXT_TEXT, COLUMNS };

static nmdm_queue_report_t *find(const batch_t *batch, const char **row)
{
    int i;

    for (i = 0; i < batch->n; i++) {
        if (!strcmp(batch->reports[i]->entry.key, row[ID])
            && !strcmp(batch->reports[i]->msg->u.report.status, row[STATUS])) {
            return batch->reports[i];
        }
    }
    return NULL;
}

static nmdm_err_t *take_rows(nmdm_ctx_t *ctx, const batch_t *batch,
                             nmdm_stmt_e stmt, const char **args, int nargs)
{
    apr_array_header_t *rows
        = apr_array_make(ctx->pool, batch->n * COLUMNS, sizeof(const char *));
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, rows, COLUMNS, stmt, args, nargs));
    for (i = 0; i < rows->nelts; i += COLUMNS) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);
        nmdm_queue_report_t *report = find(batch, row);

        if (report) {
            take_next(report, row + NEXT_UUID);
        }
    }
    return NULL;
}

/* ---- One list for each value ---- */

typedef struct {
    const char *ids[NMDM_BATCH_MOST], *uuids[NMDM_BATCH_MOST],
        *digests[NMDM_BATCH_MOST], *statuses[NMDM_BATCH_MOST],
        *texts[NMDM_BATCH_MOST];
} lists_t;

/* The places beyond the last report repeat it: its first one counts. */
static void list(lists_t *lists, nmdm_ctx_t *ctx, const batch_t *batch,
                 int places)
{
    int i;

    for (i = 0; i < places; i++) {
        const nmdm_queue_report_t *report
            = batch->reports[i < batch->n ? i : batch->n - 1];

        lists->ids[i] = report->entry.key;
        lists->uuids[i] = report->msg->u.report.command_uuid;
        lists->digests[i] = report->sha256;
        lists->statuses[i] = report->msg->u.report.status;
        lists->texts[i] = i < batch->n
            ? nmdm_schema_xml(ctx, report->msg->u.report.stored) : "";
    }
}

/* ---- PostgreSQL: one statement with arrays ---- */

static nmdm_err_t *store_arrays(nmdm_ctx_t *ctx, batch_t *batch)
{
    lists_t lists;
    int n = batch->n;

    list(&lists, ctx, batch, n);
    return take_rows(
        ctx, batch, STMT_RESULTS_PUT_NEXT,
        NMDM_ARGS(nmdm_dialect_array(ctx->pool, lists.ids, n),
                  nmdm_dialect_array(ctx->pool, lists.uuids, n),
                  nmdm_dialect_array(ctx->pool, lists.digests, n),
                  nmdm_dialect_array(ctx->pool, lists.statuses, n),
                  nmdm_dialect_array(ctx->pool, lists.texts, n)));
}

/* ---- MariaDB and MySQL: two statements with lists of parameters ---- */

/* The statements exist in these sizes. */
typedef struct {
    nmdm_stmt_e put, next;
    int places;
} size_of_lists_t;

static const size_of_lists_t SIZES[] = {
    { STMT_RESULTS_PUT_4, STMT_RESULTS_NEXT_4, 4 },
    { STMT_RESULTS_PUT_8, STMT_RESULTS_NEXT_8, 8 },
    { STMT_RESULTS_PUT_16, STMT_RESULTS_NEXT_16, 16 },
    { STMT_RESULTS_PUT_32, STMT_RESULTS_NEXT_32, 32 },
    { STMT_RESULTS_PUT_64, STMT_RESULTS_NEXT_64, NMDM_BATCH_MOST },
};
enum { PUT_LISTS = 7, NEXT_LISTS = 5 };

static int append(const char **args, int nargs, const char *const *texts,
                  int n)
{
    memcpy(args + nargs, texts, (size_t)n * sizeof(*texts));
    return nargs + n;
}

static nmdm_err_t *put_lists(nmdm_ctx_t *ctx, const lists_t *lists,
                             const size_of_lists_t *size)
{
    const char *args[PUT_LISTS * NMDM_BATCH_MOST];
    int places = size->places, n;

    n = append(args, 0, lists->statuses, places);
    n = append(args, n, lists->texts, places);
    n = append(args, n, lists->ids, places);
    n = append(args, n, lists->ids, places);
    n = append(args, n, lists->digests, places);
    n = append(args, n, lists->uuids, places);
    n = append(args, n, lists->uuids, places);
    return nmdm_db_exec(ctx, NULL, size->put, args, n);
}

/* What was stored is found afterwards: the number of rows that an upsert
 * changed does not tell which. */
static nmdm_err_t *find_next(nmdm_ctx_t *ctx, const batch_t *batch,
                             const lists_t *lists,
                             const size_of_lists_t *size)
{
    const char *args[NEXT_LISTS * NMDM_BATCH_MOST];
    int places = size->places, n;

    n = append(args, 0, lists->ids, places);
    n = append(args, n, lists->ids, places);
    n = append(args, n, lists->uuids, places);
    n = append(args, n, lists->uuids, places);
    n = append(args, n, lists->digests, places);
    return take_rows(ctx, batch, size->next, args, n);
}

static nmdm_err_t *store_lists(nmdm_ctx_t *ctx, batch_t *batch)
{
    const size_of_lists_t *size = SIZES;
    lists_t lists;

    while (size->places < batch->n) {
        size++;
    }
    list(&lists, ctx, batch, size->places);
    NMDM_TRY(put_lists(ctx, &lists, size));
    return find_next(ctx, batch, &lists, size);
}

nmdm_err_t *nmdm_queue_reports(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first)
{
    const nmdm_dialect_t *dialect = ctx->db->dialect;
    batch_t batch;

    sort(&batch, first);
    return dialect->has_one_writer ? store_each(ctx, &batch)
        : dialect->has_arrays ? store_arrays(ctx, &batch)
        : store_lists(ctx, &batch);
}
