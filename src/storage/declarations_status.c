/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_status.c -- what devices report. Many rows travel as one JSON
 * parameter, so that a report with thousands of apps takes few statements. */

#include "storage/declarations_status.h"
#include "codec/json_text.h"
#include "db/db.h"
#include "mdm/status_items.h"
#include "storage/declarations_tokens.h"

#include <apr_strings.h>

#include <string.h>

/* So many rows, or so many bytes, in a statement. */
#define MOST_ROWS 2000
#define MOST_BYTES (1024 * 1024)

static apr_int64_t seconds(const char *text)
{
    return text ? apr_atoi64(text) : 0;
}

nmdm_err_t *nmdm_declarations_status_begin(nmdm_ctx_t *ctx, const char *id)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_REPORTED, NMDM_ARGS(id));
}

/* All rows that a statement has for an id. */
static nmdm_err_t *read_rows(nmdm_ctx_t *ctx, apr_array_header_t **rows,
                             int columns, nmdm_stmt_e stmt, const char *id)
{
    *rows = apr_array_make(ctx->pool, 64 * columns, sizeof(const char *));
    return nmdm_db_rows(ctx, *rows, columns, stmt, NMDM_ARGS(id));
}

/* ---- Rows by the hundred ---- */

/* Rows on their way into the database. */
typedef struct {
    nmdm_ctx_t *ctx;
    nmdm_stmt_e stmt;
    const char *id;
    nmdm_json_text_t *text;
    int rows;
} batch_t;

static nmdm_err_t *flush(batch_t *batch)
{
    if (!batch->rows) {
        return NULL;
    }
    nmdm_json_text_raw(batch->text, "]");
    NMDM_TRY(nmdm_db_exec(batch->ctx, NULL, batch->stmt, NMDM_ARGS(
        batch->id, batch->ctx->trace_id, batch->text->data)));
    batch->text->len = 0;
    batch->rows = 0;
    return NULL;
}

static void begin_row(batch_t *batch)
{
    nmdm_json_text_raw(batch->text, batch->rows++ ? ",{" : "[{");
}

static nmdm_err_t *end_row(batch_t *batch)
{
    nmdm_json_text_raw(batch->text, "}");
    return batch->rows >= MOST_ROWS || batch->text->len >= MOST_BYTES
        ? flush(batch) : NULL;
}

/* A statement with an id and a list of names. */
static nmdm_err_t *drop(nmdm_ctx_t *ctx, nmdm_stmt_e stmt, const char *id,
                        const apr_array_header_t *names)
{
    const char *args[1 + NMDM_SQL_IDS];
    int done;

    args[0] = id;
    for (done = 0; done < names->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args + 1, names, done);
        NMDM_TRY(nmdm_db_exec(ctx, NULL, stmt, args, 1 + NMDM_SQL_IDS));
    }
    return NULL;
}

/* ---- Declarations ---- */

#define STATE_COLUMNS 8

nmdm_err_t *nmdm_declarations_status_states(nmdm_ctx_t *ctx,
                                            apr_array_header_t **states,
                                            const char *id)
{
    apr_array_header_t *rows;
    int i;

    NMDM_TRY(read_rows(ctx, &rows, STATE_COLUMNS, STMT_DD_STATES, id));
    *states = apr_array_make(ctx->pool, rows->nelts / STATE_COLUMNS + 1,
                             sizeof(nmdm_declarations_state_t));
    for (i = 0; i < rows->nelts; i += STATE_COLUMNS) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);

        APR_ARRAY_PUSH(*states, nmdm_declarations_state_t)
            = (nmdm_declarations_state_t){
                row[0], row[1], *row[2] == '1', row[3], row[4], row[5],
                row[6], seconds(row[7])
            };
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_status_put_states(
    nmdm_ctx_t *ctx, const char *id, const apr_array_header_t *states)
{
    batch_t batch = { ctx, STMT_DD_STATE_PUT, id,
                      nmdm_json_text_create(ctx->pool), 0 };
    int i;

    for (i = 0; i < states->nelts; i++) {
        const nmdm_declarations_state_t *state = &APR_ARRAY_IDX(
            states, i, nmdm_declarations_state_t);

        begin_row(&batch);
        nmdm_json_text_pair(batch.text, "i", state->identifier);
        nmdm_json_text_pair(batch.text, "m", state->manifest);
        nmdm_json_text_pair(batch.text, "a", state->is_active ? "1" : "0");
        nmdm_json_text_pair(batch.text, "v", state->valid);
        nmdm_json_text_pair(batch.text, "t", state->token);
        if (state->reasons) {
            nmdm_json_text_pair(batch.text, "r", state->reasons);
        }
        NMDM_TRY(end_row(&batch));
    }
    return flush(&batch);
}

nmdm_err_t *nmdm_declarations_status_drop_states(
    nmdm_ctx_t *ctx, const char *id, const apr_array_header_t *identifiers)
{
    return drop(ctx, STMT_DD_STATE_DROP, id, identifiers);
}

/* ---- Values ---- */

#define VALUE_COLUMNS 8

nmdm_err_t *nmdm_declarations_status_sealed_values(
    nmdm_ctx_t *ctx, apr_array_header_t **values, const char *id)
{
    apr_array_header_t *rows;
    int i;

    NMDM_TRY(read_rows(ctx, &rows, VALUE_COLUMNS, STMT_DD_VALUES, id));
    *values = apr_array_make(ctx->pool, rows->nelts / VALUE_COLUMNS + 1,
                             sizeof(nmdm_declarations_value_t));
    for (i = 0; i < rows->nelts; i += VALUE_COLUMNS) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);

        APR_ARRAY_PUSH(*values, nmdm_declarations_value_t)
            = (nmdm_declarations_value_t){
                row[0], row[1], row[2], row[4] ? row[4] : row[3], row[5],
                row[6], seconds(row[7])
            };
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_status_oldest(nmdm_ctx_t *ctx,
                                            apr_int64_t *reported_at,
                                            const char *id)
{
    const char *cols[1] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 1, STMT_DD_VALUES_OLDEST,
                         NMDM_ARGS(id)));
    *reported_at = found ? seconds(cols[0]) : 0;
    return NULL;
}

nmdm_err_t *nmdm_declarations_status_values(nmdm_ctx_t *ctx,
                                            apr_array_header_t **values,
                                            const char *id)
{
    int i;

    NMDM_TRY(nmdm_declarations_status_sealed_values(ctx, values, id));
    for (i = 0; i < (*values)->nelts; i++) {
        nmdm_declarations_value_t *value = &APR_ARRAY_IDX(
            *values, i, nmdm_declarations_value_t);

        if (!strncmp(value->path, NMDM_DECLARATIONS_STATUS_ROOT,
                     strlen(NMDM_DECLARATIONS_STATUS_ROOT))
            && nmdm_status_items_is_secret(
                value->path + strlen(NMDM_DECLARATIONS_STATUS_ROOT))) {
            value->value = "redacted";
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_status_drop_values(
    nmdm_ctx_t *ctx, const char *id, const apr_array_header_t *row_keys)
{
    int done;

    for (done = 0; done < row_keys->nelts; done += MOST_ROWS) {
        apr_array_header_t part = *row_keys;

        part.elts += (apr_size_t)done * sizeof(const char *);
        part.nelts = row_keys->nelts - done < MOST_ROWS
            ? row_keys->nelts - done : MOST_ROWS;
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_VALUE_DROP, NMDM_ARGS(
            id, nmdm_declarations_tokens_list(ctx->pool, &part))));
    }
    return NULL;
}

/* ---- Errors ---- */

#define ERROR_COLUMNS 5

nmdm_err_t *nmdm_declarations_status_errors(nmdm_ctx_t *ctx,
                                            apr_array_header_t **errors,
                                            const char *id)
{
    apr_array_header_t *rows;
    int i;

    NMDM_TRY(read_rows(ctx, &rows, ERROR_COLUMNS, STMT_DD_ERRORS, id));
    *errors = apr_array_make(ctx->pool, rows->nelts / ERROR_COLUMNS + 1,
                             sizeof(nmdm_declarations_error_t));
    for (i = 0; i < rows->nelts; i += ERROR_COLUMNS) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);

        APR_ARRAY_PUSH(*errors, nmdm_declarations_error_t)
            = (nmdm_declarations_error_t){ row[0], row[1], row[2], row[3],
                                           seconds(row[4]) };
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_status_put_error(nmdm_ctx_t *ctx,
                                               const char *id,
                                               const char *path,
                                               const char *error)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_ERROR_PUT,
                        NMDM_ARGS(id, ctx->trace_id, path, error));
}

nmdm_err_t *nmdm_declarations_status_error_again(nmdm_ctx_t *ctx,
                                                 const char *seq)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_ERROR_AGAIN,
                        NMDM_ARGS(ctx->trace_id, seq));
}

nmdm_err_t *nmdm_declarations_status_trim_errors(nmdm_ctx_t *ctx,
                                                 const char *id, int keep)
{
    apr_array_header_t *errors, *seqs;
    const char *places[NMDM_SQL_IDS];
    int i;

    NMDM_TRY(nmdm_declarations_status_errors(ctx, &errors, id));
    seqs = apr_array_make(ctx->pool, 16, sizeof(const char *));
    for (i = keep; i < errors->nelts; i++) {
        APR_ARRAY_PUSH(seqs, const char *) = APR_ARRAY_IDX(
            errors, i, nmdm_declarations_error_t).seq;
    }
    for (i = 0; i < seqs->nelts; i += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(places, seqs, i);
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_ERROR_TRIM, places,
                              NMDM_SQL_IDS));
    }
    return NULL;
}

/* ---- Reports ---- */

static nmdm_err_t *read_report(nmdm_ctx_t *ctx, int *found,
                               nmdm_declarations_report_t *out,
                               const char *id, const char *index)
{
    const char *cols[4];

    NMDM_TRY(nmdm_db_row(ctx, found, cols, 4, STMT_DD_REPORT_NTH,
                         NMDM_ARGS(id, index)));
    if (*found) {
        *out = (nmdm_declarations_report_t){ cols[0], cols[1], cols[2],
                                             seconds(cols[3]), index };
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_status_put_report(nmdm_ctx_t *ctx,
                                                const char *id,
                                                const char *raw, int keep)
{
    nmdm_declarations_report_t oldest;
    int found;

    if (keep) {
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_REPORT_PUT,
                              NMDM_ARGS(id, ctx->trace_id, raw)));
    }
    NMDM_TRY(read_report(ctx, &found, &oldest, id,
                         apr_itoa(ctx->pool, keep)));
    return !found ? NULL
        : nmdm_db_exec(ctx, NULL, STMT_DD_REPORT_TRIM,
                       NMDM_ARGS(id, oldest.seq));
}

nmdm_err_t *nmdm_declarations_status_report(nmdm_ctx_t *ctx, int *found,
                                            nmdm_declarations_report_t *out,
                                            const char *id, const char *index,
                                            const char *status_id)
{
    const char *cols[5];

    if (!status_id) {
        return read_report(ctx, found, out, id, index);
    }
    NMDM_TRY(nmdm_db_row(ctx, found, cols, 5, STMT_DD_REPORT_NTH_OF,
                         NMDM_ARGS(id, status_id)));
    if (*found) {
        *out = (nmdm_declarations_report_t){ cols[0], cols[1], cols[2],
                                             seconds(cols[3]), cols[4] };
        *found = !index || apr_atoi64(index) == apr_atoi64(cols[4]);
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_status_page(nmdm_ctx_t *ctx,
                                          apr_array_header_t *rows,
                                          const char *identifier,
                                          const char *set, const char *after)
{
    return nmdm_db_rows(ctx, rows, NMDM_DECLARATIONS_SUMMARY_COLUMNS,
                        STMT_DD_SUMMARY_PAGE,
                        NMDM_ARGS(identifier, set, after, identifier));
}
