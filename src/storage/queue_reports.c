/* SPDX-License-Identifier: Apache-2.0 */
/* queue_reports.c -- reports of many devices, stored together. */

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

/* ---- PostgreSQL: one statement with arrays ---- */

static nmdm_err_t *store_arrays(nmdm_ctx_t *ctx, batch_t *batch)
{
    const char *ids[NMDM_BATCH_MOST], *uuids[NMDM_BATCH_MOST],
        *digests[NMDM_BATCH_MOST], *statuses[NMDM_BATCH_MOST],
        *texts[NMDM_BATCH_MOST];
    int i;

    for (i = 0; i < batch->n; i++) {
        ids[i] = batch->reports[i]->entry.key;
        uuids[i] = batch->reports[i]->msg->u.report.command_uuid;
        digests[i] = batch->reports[i]->sha256;
        statuses[i] = batch->reports[i]->msg->u.report.status;
        texts[i] = batch->reports[i]->msg->u.report.stored;
    }
    return take_rows(
        ctx, batch, STMT_RESULTS_PUT_NEXT,
        NMDM_ARGS(nmdm_dialect_array(ctx->pool, ids, batch->n),
                  nmdm_dialect_array(ctx->pool, uuids, batch->n),
                  nmdm_dialect_array(ctx->pool, digests, batch->n),
                  nmdm_dialect_array(ctx->pool, statuses, batch->n),
                  nmdm_dialect_array(ctx->pool, texts, batch->n)));
}

/* ---- MariaDB and MySQL: a SELECT for each, in two statements ---- */

/* A statement exists in three sizes. What is left over asks for an id that no
 * device has. */
static const struct {
    nmdm_stmt_e put, next;
    int places;
} SIZES[] = {
    { STMT_RESULTS_PUT_4, STMT_RESULTS_NEXT_4, 4 },
    { STMT_RESULTS_PUT_16, STMT_RESULTS_NEXT_16, 16 },
    { STMT_RESULTS_PUT_64, STMT_RESULTS_NEXT_64, NMDM_BATCH_MOST },
};
enum { PUT_ARGS = 6, NEXT_ARGS = 4 };

static nmdm_err_t *put_all(nmdm_ctx_t *ctx, const batch_t *batch, int size)
{
    const char *args[NMDM_BATCH_MOST * PUT_ARGS], **at = args;
    int i;

    for (i = 0; i < SIZES[size].places; i++, at += PUT_ARGS) {
        const nmdm_queue_report_t *report
            = i < batch->n ? batch->reports[i] : NULL;
        const nmdm_report_t *said = report ? &report->msg->u.report : NULL;

        at[0] = said ? said->status : "";
        at[1] = said ? nmdm_schema_xml(ctx, said->stored) : "";
        at[2] = at[4] = report ? report->entry.key : "";
        at[3] = said ? said->command_uuid : "";
        at[5] = report ? report->sha256 : "";
    }
    return nmdm_db_exec(ctx, NULL, SIZES[size].put, args,
                        SIZES[size].places * PUT_ARGS);
}

/* What was stored is found afterwards: the number of rows that an upsert
 * changed does not tell which. */
static nmdm_err_t *find_all(nmdm_ctx_t *ctx, const batch_t *batch, int size)
{
    const char *args[NMDM_BATCH_MOST * NEXT_ARGS], **at = args;
    int i;

    for (i = 0; i < SIZES[size].places; i++, at += NEXT_ARGS) {
        const nmdm_queue_report_t *report
            = i < batch->n ? batch->reports[i] : NULL;

        at[0] = report ? report->msg->u.report.command_uuid : "";
        at[1] = at[2] = report ? report->entry.key : "";
        at[3] = report ? report->sha256 : "";
    }
    return take_rows(ctx, batch, SIZES[size].next, args,
                     SIZES[size].places * NEXT_ARGS);
}

static nmdm_err_t *store_union(nmdm_ctx_t *ctx, batch_t *batch)
{
    int size = 0;

    while (SIZES[size].places < batch->n) {
        size++;
    }
    NMDM_TRY(put_all(ctx, batch, size));
    return find_all(ctx, batch, size);
}

nmdm_err_t *nmdm_queue_reports(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first)
{
    static nmdm_err_t *(*const STORE[])(nmdm_ctx_t *, batch_t *) = {
        [NMDM_SQLITE3] = store_each,
        [NMDM_PGSQL] = store_arrays,
        [NMDM_MYSQL] = store_union,
    };
    batch_t batch;

    sort(&batch, first);
    return STORE[ctx->db->dialect](ctx, &batch);
}
