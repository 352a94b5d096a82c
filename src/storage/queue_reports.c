/* SPDX-License-Identifier: Apache-2.0 */
/* queue_reports.c -- reports of many devices, stored together.
 *
 * Not on MariaDB and MySQL: as a UNION of SELECTs, which is what keeps the
 * collations of all tables apart, a batch costs them more than its reports one
 * by one (1.0 to 1.2 times, MariaDB 10.11). */

#include "storage/queue_reports.h"
#include "db/db.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* In bytes. A longer report costs the database more than what is saved. */
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

/* ---- PostgreSQL: one statement with arrays ---- */

/* Columns of a row, which is of a report that was stored. */
enum { ID, NEXT_UUID, NEXT_TYPE, NEXT_TEXT, COLUMNS };

static nmdm_queue_report_t *find(const batch_t *batch, const char *id)
{
    int i;

    for (i = 0; i < batch->n; i++) {
        if (!strcmp(batch->reports[i]->entry.key, id)) {
            return batch->reports[i];
        }
    }
    return NULL;
}

static void take_rows(const batch_t *batch, const apr_array_header_t *rows)
{
    int i;

    for (i = 0; i < rows->nelts; i += COLUMNS) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);
        nmdm_queue_report_t *report = find(batch, row[ID]);

        if (report) {
            take_next(report, row + NEXT_UUID);
        }
    }
}

static nmdm_err_t *store_arrays(nmdm_ctx_t *ctx, batch_t *batch)
{
    const char *ids[NMDM_BATCH_MOST], *uuids[NMDM_BATCH_MOST],
        *digests[NMDM_BATCH_MOST], *statuses[NMDM_BATCH_MOST],
        *texts[NMDM_BATCH_MOST];
    apr_array_header_t *rows
        = apr_array_make(ctx->pool, batch->n * COLUMNS, sizeof(const char *));
    int i;

    for (i = 0; i < batch->n; i++) {
        ids[i] = batch->reports[i]->entry.key;
        uuids[i] = batch->reports[i]->msg->u.report.command_uuid;
        digests[i] = batch->reports[i]->sha256;
        statuses[i] = batch->reports[i]->msg->u.report.status;
        texts[i] = batch->reports[i]->msg->u.report.stored;
    }
    NMDM_TRY(nmdm_db_rows(
        ctx, rows, COLUMNS, STMT_RESULTS_PUT_NEXT,
        NMDM_ARGS(nmdm_dialect_array(ctx->pool, ids, batch->n),
                  nmdm_dialect_array(ctx->pool, uuids, batch->n),
                  nmdm_dialect_array(ctx->pool, digests, batch->n),
                  nmdm_dialect_array(ctx->pool, statuses, batch->n),
                  nmdm_dialect_array(ctx->pool, texts, batch->n))));
    take_rows(batch, rows);
    return NULL;
}

nmdm_err_t *nmdm_queue_reports(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first)
{
    batch_t batch;

    sort(&batch, first);
    return ctx->db->dialect->has_arrays ? store_arrays(ctx, &batch)
                                        : store_each(ctx, &batch);
}
