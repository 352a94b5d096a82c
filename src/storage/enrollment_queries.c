/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_queries.c -- enrollments as operators see them. */

#include "storage/enrollment_queries.h"
#include "storage/scep.h"
#include "storage/query_rows.h"
#include "base/time.h"
#include "crypto/seal.h"
#include "db/db.h"
#include "db/schema.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

static nmdm_err_t *select_keys(nmdm_ctx_t *ctx, apr_array_header_t *values,
                               nmdm_keys_e from,
                               const apr_array_header_t *list,
                               const char *after)
{
    const char *args[NMDM_SQL_IDS + 1];

    switch (from) {
    case NMDM_KEYS_OF_IDS:
    case NMDM_KEYS_OF_SERIALS:
    case NMDM_KEYS_BEGUN_OF_IDS:
    case NMDM_KEYS_BEGUN_OF_SERIALS:
        nmdm_db_fill_ids(args, list, 0);
        args[NMDM_SQL_IDS] = after;
        return nmdm_db_rows(ctx, values, 3,
                            from == NMDM_KEYS_OF_IDS ? STMT_ENROLLMENTS_IDS
                            : from == NMDM_KEYS_OF_SERIALS
                                ? STMT_ENROLLMENTS_SERIALS
                            : from == NMDM_KEYS_BEGUN_OF_IDS
                                ? STMT_ENROLLMENTS_BEGUN_IDS
                                : STMT_ENROLLMENTS_BEGUN_SERIALS,
                            args, NMDM_SQL_IDS + 1);
    case NMDM_KEYS_OF_NAME:
    case NMDM_KEYS_OF_TYPE:
        return nmdm_db_rows(ctx, values, 3,
                            from == NMDM_KEYS_OF_NAME ? STMT_ENROLLMENTS_NAME
                            : nmdm_schema_is_complete(ctx)
                                ? STMT_ENROLLMENTS_TYPE
                                : STMT_ENROLLMENTS_TYPE_SCAN,
                            NMDM_ARGS(APR_ARRAY_IDX(list, 0, const char *),
                                      after));
    case NMDM_KEYS_BEGUN:
        return nmdm_db_rows(ctx, values, 3, nmdm_schema_has_states(ctx)
                            ? STMT_ENROLLMENTS_BEGUN
                            : STMT_ENROLLMENTS_BEGUN_SCAN,
                            NMDM_ARGS(after));
    default:
        return nmdm_db_rows(ctx, values, 3, from == NMDM_KEYS_DISABLED
                            && nmdm_schema_has_states(ctx)
                            ? STMT_ENROLLMENTS_DISABLED
                            : STMT_ENROLLMENTS_WALK,
                            NMDM_ARGS(after));
    }
}

nmdm_err_t *nmdm_enrollment_queries_keys(nmdm_ctx_t *ctx,
                                         apr_array_header_t *keys,
                                         nmdm_keys_e from,
                                         const apr_array_header_t *list,
                                         const char *after)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);
    int i;

    NMDM_TRY(select_keys(ctx, values, from, list, after));
    for (i = 0; i < values->nelts; i += 3) {
        const char **row = nmdm_query_rows_at(values, i);
        nmdm_key_t *key = &APR_ARRAY_PUSH(keys, nmdm_key_t);

        key->id = row[0];
        key->type = row[1];
        key->enabled = nmdm_query_rows_is_true(row[2]);
    }
    return NULL;
}

nmdm_err_t *nmdm_enrollment_queries_skip(nmdm_ctx_t *ctx, const char **id,
                                         const char *after)
{
    int found;

    *id = NULL;
    return nmdm_db_row(ctx, &found, id, 1, STMT_ENROLLMENTS_SKIP,
                       NMDM_ARGS(after));
}

#define ENROLLMENT_COLUMNS 15

static void read_enrollment(nmdm_enrollment_t *e, const char **row)
{
    *e = (nmdm_enrollment_t){
        .id = row[0], .type = row[1],
            .enabled = nmdm_query_rows_is_true(row[2]),
        .tally = row[3], .last_seen = nmdm_time_of_seconds(row[4]),
        .device_id = row[5], .user_id = row[6], .topic = row[7],
        .serial_number = row[8], .cert_pem = row[9],
        .device_token_at = nmdm_time_of_seconds(row[11]),
        .user_short_name = row[12], .user_long_name = row[13],
        .user_token_at = nmdm_time_of_seconds(row[14]),
    };
}

/* Databases give binary values as hex. */
static nmdm_err_t *read_unlock_token(nmdm_ctx_t *ctx, nmdm_enrollment_t *e,
                                     const char *hex, apr_size_t most)
{
    nmdm_bytes_t token;

    if (!hex) {
        return NULL;
    }
    NMDM_TRY(nmdm_seal_open(&token, ctx->pool, ctx->policy->seal,
                            NMDM_SEAL_UNLOCK_TOKEN, e->device_id,
                            nmdm_hex_decode(ctx->pool, hex)));
    if (token.len <= most) {
        e->unlock_token = token;
    }
    return NULL;
}

nmdm_err_t *nmdm_enrollment_queries_enrollments(nmdm_ctx_t *ctx,
                                                apr_array_header_t *rows,
                                                const apr_array_header_t *ids,
                                                int with_cert,
                                                apr_size_t unlock_token_most)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);
    const char *args[2 + NMDM_SQL_IDS];
    int i;

    args[0] = with_cert ? "1" : "0";
    args[1] = apr_psprintf(ctx->pool, "%" APR_SIZE_T_FMT, unlock_token_most
                           ? nmdm_seal_length(unlock_token_most) : 0);
    nmdm_db_fill_ids(args + 2, ids, 0);
    NMDM_TRY(nmdm_db_rows(ctx, values, ENROLLMENT_COLUMNS,
                          STMT_ENROLLMENTS_ROWS, args, 2 + NMDM_SQL_IDS));
    for (i = 0; i < values->nelts; i += ENROLLMENT_COLUMNS) {
        nmdm_enrollment_t *e = &APR_ARRAY_PUSH(rows, nmdm_enrollment_t);

        read_enrollment(e, nmdm_query_rows_at(values, i));
        NMDM_TRY(read_unlock_token(ctx, e, nmdm_query_rows_at(values, i)[10],
                                   unlock_token_most));
    }
    return NULL;
}

nmdm_err_t *nmdm_enrollment_queries_begun(nmdm_ctx_t *ctx,
                                          apr_array_header_t *rows,
                                          const apr_array_header_t *ids)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);
    const char *args[NMDM_SQL_IDS];
    int i;

    nmdm_db_fill_ids(args, ids, 0);
    NMDM_TRY(nmdm_db_rows(ctx, values, 3, STMT_ENROLLMENTS_BEGUN_ROWS, args,
                          NMDM_SQL_IDS));
    for (i = 0; i < values->nelts; i += 3) {
        const char **row = nmdm_query_rows_at(values, i);

        APR_ARRAY_PUSH(rows, nmdm_enrollment_t) = (nmdm_enrollment_t){
            .id = row[0], .device_id = row[0], .type = "", .tally = "0",
            .serial_number = row[1],
            .begun_at = nmdm_time_of_seconds(row[2]),
        };
    }
    return NULL;
}

nmdm_err_t *nmdm_enrollment_queries_pending(nmdm_ctx_t *ctx,
                                            nmdm_pending_t *out,
                                            const char *id)
{
    const char *cols[3] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3,
                         nmdm_schema_is_complete(ctx) ? STMT_PENDING
                                                      : STMT_PENDING_SCAN,
                         NMDM_ARGS(id)));
    out->pending = nmdm_query_rows_number(cols[0]);
    out->not_now = nmdm_query_rows_number(cols[1]);
    out->not_now_since = nmdm_time_of_seconds(cols[2]);
    return NULL;
}

nmdm_err_t *nmdm_enrollment_queries_last_report(nmdm_ctx_t *ctx,
                                                nmdm_last_report_t *out,
                                                const char *id)
{
    const char *cols[3] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3, STMT_LAST_REPORT,
                         NMDM_ARGS(id)));
    out->uuid = cols[0];
    out->status = cols[1];
    out->at = nmdm_time_of_seconds(cols[2]);
    return NULL;
}

static nmdm_err_t *read_taken(nmdm_ctx_t *ctx, nmdm_last_push_t *out,
                              const char *id)
{
    const char *at = NULL;
    int found;

    if (!nmdm_schema_has_pushed(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &found, &at, 1, STMT_LAST_PUSH_TAKEN,
                         NMDM_ARGS(id)));
    out->has_taken = 1;
    out->taken_at = nmdm_time_of_seconds(at);
    return NULL;
}

nmdm_err_t *nmdm_enrollment_queries_last_push(nmdm_ctx_t *ctx,
                                              nmdm_last_push_t *out,
                                              const char *id)
{
    const char *cols[5] = { NULL };

    *out = (nmdm_last_push_t){ .found = 0 };
    if (!nmdm_schema_is_complete(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &out->found, cols, 5, STMT_LAST_PUSH,
                         NMDM_ARGS(id)));
    out->status = cols[0];
    out->reason = cols[1];
    out->tries = cols[2];
    out->next_at = nmdm_time_of_seconds(cols[3]);
    out->pushed_at = nmdm_time_of_seconds(cols[4]);
    return read_taken(ctx, out, id);
}

nmdm_err_t *nmdm_enrollment_queries_authenticated(nmdm_ctx_t *ctx,
                                                  apr_time_t *authenticate_at,
                                                  apr_time_t *token_at,
                                                  const char *device_id)
{
    const char *cols[2] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 2, STMT_AUTHENTICATED,
                         NMDM_ARGS(device_id)));
    *authenticate_at = nmdm_time_of_seconds(cols[0]);
    *token_at = nmdm_time_of_seconds(cols[1]);
    return NULL;
}

/* By their digests: a join would compare texts of different collations in a
 * database that NanoMDM has made. */
static nmdm_err_t *describe_issued(nmdm_ctx_t *ctx, apr_array_header_t *rows)
{
    int i;

    for (i = 0; nmdm_schema_has_scep(ctx) && i < rows->nelts; i++) {
        nmdm_association_t *a = &APR_ARRAY_IDX(rows, i, nmdm_association_t);
        nmdm_issued_row_t issued;

        NMDM_TRY(nmdm_issued_get(ctx, &issued, a->sha256));
        if (issued.found) {
            a->issuer_sha256 = issued.issuer_sha256;
            a->purpose = issued.purpose;
            a->not_after = issued.not_after;
            a->is_revoked = issued.revoked != 0;
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_enrollment_queries_associations(nmdm_ctx_t *ctx,
                                                 apr_array_header_t *rows,
                                                 const char *device_id)
{
    apr_array_header_t *values = nmdm_query_rows_values(ctx);
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, 2, STMT_CERTS_OF_DEVICE,
                          NMDM_ARGS(device_id)));
    for (i = 0; i < values->nelts; i += 2) {
        const char **row = nmdm_query_rows_at(values, i);
        nmdm_association_t *a = &APR_ARRAY_PUSH(rows, nmdm_association_t);

        *a = (nmdm_association_t){ .sha256 = row[0],
                                   .at = nmdm_time_of_seconds(row[1]) };
    }
    return describe_issued(ctx, rows);
}

nmdm_err_t *nmdm_enrollment_queries_is_enrolled(nmdm_ctx_t *ctx, int *yes,
                                                const char *id)
{
    return nmdm_db_row(ctx, yes, NULL, 0, STMT_TALLY, NMDM_ARGS(id));
}

nmdm_err_t *nmdm_enrollment_queries_other_case(nmdm_ctx_t *ctx,
                                               const char **other,
                                               const char *id)
{
    int i, yes;

    for (i = 0; i < 2; i++) {
        char *copy = apr_pstrdup(ctx->pool, id), *at;

        for (at = copy; *at; at++) {
            *at = (char)(i ? apr_tolower(*at) : apr_toupper(*at));
        }
        *other = copy;
        if (strcmp(copy, id)) {
            NMDM_TRY(nmdm_enrollment_queries_is_enrolled(ctx, &yes, copy));
            if (yes) {
                return NULL;
            }
        }
    }
    *other = NULL;
    return NULL;
}

nmdm_err_t *nmdm_enrollment_queries_batch(nmdm_ctx_t *ctx, const char **last,
                                          const char *uuid, const char *after)
{
    int found;

    *last = NULL;
    return nmdm_db_row(ctx, &found, last, 1, STMT_CANCEL_BATCH,
                       NMDM_ARGS(uuid, after));
}
