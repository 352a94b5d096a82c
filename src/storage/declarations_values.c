/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_values.c -- writes the values of a status report: a report of
 * thousands of apps has a hundred thousand of them. */

#include "storage/declarations_status.h"
#include "db/db.h"

#include <apr_strings.h>

#include <string.h>

/* Of values, in one statement. */
#define MOST_BYTES (1024 * 1024)
#define MOST_ROWS 2000

/* Parameters of a row; of them those that all rows have in common. */
enum { ID, STATUS_ID, REPORTED_AT, COMMON, COLUMNS = 8 };

typedef struct {
    nmdm_ctx_t *ctx;
    const nmdm_declarations_value_t *rows;
    int n;                      /* of rows */
    int is_new;
    const char *common[COMMON];
} values_t;

static const char *column(const nmdm_declarations_value_t *row, int number)
{
    switch (number) {
    case COMMON:
        return row->row_key;
    case COMMON + 1:
        return row->path;
    case COMMON + 2:
        return row->object;
    case COMMON + 3:
        return row->value;
    default:
        return row->kind;
    }
}

static apr_size_t bytes_of(const nmdm_declarations_value_t *row)
{
    return strlen(row->path) + strlen(row->object) + strlen(row->value);
}

/* ---- Lists as parameters ---- */

/* The rows from `done` on that go into one statement, at least one. */
static int rows_that_fit(const values_t *values, int done)
{
    apr_size_t bytes = 0;
    int n;

    for (n = 0; done + n < values->n && n < MOST_ROWS; n++) {
        bytes += bytes_of(&values->rows[done + n]);
        if (n && bytes > MOST_BYTES) {
            break;
        }
    }
    return n;
}

static nmdm_err_t *put_arrays(nmdm_ctx_t *ctx, const values_t *values,
                              int done, int n)
{
    const char **list = apr_palloc(ctx->pool, (apr_size_t)n * sizeof(*list));
    const char *args[COLUMNS];
    int i, k;

    memcpy(args, values->common, sizeof(values->common));
    for (k = COMMON; k < COLUMNS; k++) {
        for (i = 0; i < n; i++) {
            list[i] = column(&values->rows[done + i], k);
        }
        args[k] = nmdm_dialect_array(ctx->pool, list, n);
    }
    return nmdm_db_exec(ctx, NULL, values->is_new ? STMT_DD_VALUES_ADD
                                                  : STMT_DD_VALUES_PUT,
                        args, COLUMNS);
}

/* ---- A mark for each value ---- */

static const struct {
    nmdm_stmt_e add, put;
    int places;
    int repeats;                /* the last row fills places that are left */
} SIZES[] = {
    { STMT_DD_VALUES_ADD_100, STMT_DD_VALUES_PUT_100, 100, 0 },
    { STMT_DD_VALUES_PUT_20, STMT_DD_VALUES_PUT_20, 20, 1 },
    { STMT_DD_VALUES_PUT_1, STMT_DD_VALUES_PUT_1, 1, 0 }
};
#define SMALLEST ((int)(sizeof(SIZES) / sizeof(*SIZES)) - 1)

static const nmdm_declarations_value_t *row_at(const values_t *values, int i)
{
    return &values->rows[i < values->n ? i : values->n - 1];
}

static int is_fit(const values_t *values, int done, int size)
{
    apr_size_t bytes = 0;
    int left = values->n - done, i;

    if (left == 1 || (left < SIZES[size].places && !SIZES[size].repeats)) {
        return 0;
    }
    for (i = 0; i < SIZES[size].places; i++) {
        bytes += bytes_of(row_at(values, done + i));
    }
    return bytes <= MOST_BYTES;
}

static nmdm_err_t *put_list(nmdm_ctx_t *ctx, const values_t *values, int done,
                            int *n)
{
    const char **args;
    int size = 0, i, k;

    while (size < SMALLEST && !is_fit(values, done, size)) {
        size++;
    }
    *n = SIZES[size].places;
    args = apr_palloc(ctx->pool, (apr_size_t)(*n * COLUMNS) * sizeof(*args));
    for (i = 0; i < *n; i++) {
        memcpy(args + i * COLUMNS, values->common, sizeof(values->common));
        for (k = COMMON; k < COLUMNS; k++) {
            args[i * COLUMNS + k] = column(row_at(values, done + i), k);
        }
    }
    return nmdm_db_exec(ctx, NULL, values->is_new ? SIZES[size].add
                                                  : SIZES[size].put,
                        args, *n * COLUMNS);
}

/* ---- All of them ---- */

/* What a statement takes in memory goes with it. */
static nmdm_err_t *put_some(values_t *values, int done, int *n)
{
    nmdm_ctx_t part = *values->ctx;
    nmdm_err_t *err;

    apr_pool_create(&part.pool, values->ctx->pool);
    if (part.db->dialect->has_arrays) {
        *n = rows_that_fit(values, done);
        err = put_arrays(&part, values, done, *n);
    }
    else {
        err = put_list(&part, values, done, n);
    }
    if (err) {
        err = nmdm_err_copy(values->ctx->pool, err);
    }
    apr_pool_destroy(part.pool);
    return err;
}

nmdm_err_t *nmdm_declarations_status_put_values(
    nmdm_ctx_t *ctx, const char *id, const apr_array_header_t *rows,
    int is_new, apr_int64_t now)
{
    values_t values = {
        ctx, (const nmdm_declarations_value_t *)rows->elts, rows->nelts,
        is_new, { id, ctx->trace_id, apr_psprintf(
                      ctx->pool, "%" APR_INT64_T_FMT, now) }
    };
    int done, n = 0;

    for (done = 0; done < values.n; done += n) {
        NMDM_TRY(put_some(&values, done, &n));
    }
    return NULL;
}
