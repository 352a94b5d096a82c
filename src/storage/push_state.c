/* SPDX-License-Identifier: Apache-2.0 */
/* push_state.c -- pushes and push certificates in the database. */

#include "storage/push_state.h"
#include "crypto/push_cert_pem.h"
#include "crypto/seal.h"
#include "db/db.h"
#include "db/schema.h"

#include <apr_strings.h>

#include <stdlib.h>

nmdm_err_t *nmdm_push_state_info(nmdm_ctx_t *ctx, apr_array_header_t *infos,
                                 const apr_array_header_t *ids)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, ids->nelts * 5,
                                              sizeof(const char *));
    nmdm_stmt_e stmt = nmdm_schema_is_complete(ctx)
        ? STMT_PUSH_INFO : STMT_PUSH_INFO_ALONE;
    const char *args[NMDM_SQL_IDS];
    int done, i;

    for (done = 0; done < ids->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args, ids, done);
        NMDM_TRY(nmdm_db_rows(ctx, rows, 5, stmt, args, NMDM_SQL_IDS));
    }
    for (i = 0; i < rows->nelts; i += 5) {
        nmdm_push_info_t *info = &APR_ARRAY_PUSH(infos, nmdm_push_info_t);

        info->id = APR_ARRAY_IDX(rows, i, const char *);
        info->topic = APR_ARRAY_IDX(rows, i + 1, const char *);
        info->push_magic = APR_ARRAY_IDX(rows, i + 2, const char *);
        info->token_hex = APR_ARRAY_IDX(rows, i + 3, const char *);
        info->was_refused = strcmp(APR_ARRAY_IDX(rows, i + 4, const char *),
                                   "0") != 0;
    }
    return NULL;
}

nmdm_err_t *nmdm_push_state_refused(nmdm_ctx_t *ctx,
                                    const nmdm_refusal_t *refusal)
{
    const char *status = apr_itoa(ctx->pool, refusal->status);

    return nmdm_schema_is_complete(ctx)
        ? nmdm_db_exec(ctx, NULL, STMT_PUSH_REFUSED,
                       NMDM_ARGS(status, nmdm_utf8_shortened(
                                     ctx->pool, refusal->reason, 255),
                                 refusal->id, refusal->token_hex))
        : NULL;
}

static const char *seconds(nmdm_ctx_t *ctx, apr_time_t t)
{
    return apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                        (apr_int64_t)apr_time_sec(t));
}

nmdm_err_t *nmdm_push_state_expect(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids,
                                   apr_time_t look_at)
{
    return nmdm_schema_is_complete(ctx)
        ? nmdm_db_exec_ids(ctx, STMT_PUSH_EXPECT, seconds(ctx, look_at), ids)
        : NULL;
}

nmdm_err_t *nmdm_push_state_due(nmdm_ctx_t *ctx, apr_array_header_t **ids)
{
    *ids = apr_array_make(ctx->pool, NMDM_SQL_IDS, sizeof(const char *));
    return nmdm_db_rows(ctx, *ids, 1, STMT_PUSH_DUE,
                        NMDM_ARGS(seconds(ctx, ctx->now)));
}

nmdm_err_t *nmdm_push_state_pending(nmdm_ctx_t *ctx,
                                    apr_array_header_t *pending,
                                    const apr_array_header_t *ids)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, 4 * NMDM_SQL_IDS,
                                              sizeof(const char *));
    const char *args[NMDM_SQL_IDS];
    int done, i;

    for (done = 0; done < ids->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args, ids, done);
        NMDM_TRY(nmdm_db_rows(ctx, rows, 4, STMT_PUSH_STATE, args,
                              NMDM_SQL_IDS));
    }
    for (i = 0; i < rows->nelts; i += 4) {
        nmdm_pending_push_t *push = &APR_ARRAY_PUSH(pending,
                                                    nmdm_pending_push_t);

        push->id = APR_ARRAY_IDX(rows, i, const char *);
        push->tries = atoi(APR_ARRAY_IDX(rows, i + 1, const char *));
        push->is_waiting = *APR_ARRAY_IDX(rows, i + 2, const char *) == '1';
        push->is_seen = *APR_ARRAY_IDX(rows, i + 3, const char *) == '1';
    }
    return NULL;
}

nmdm_err_t *nmdm_push_state_again(nmdm_ctx_t *ctx, const char *id, int tries,
                                  apr_time_t next, int is_pushed)
{
    return nmdm_db_exec(ctx, NULL,
                        is_pushed ? STMT_PUSH_AGAIN : STMT_PUSH_LATER,
                        NMDM_ARGS(apr_itoa(ctx->pool, tries),
                                  seconds(ctx, next), id));
}

nmdm_err_t *nmdm_push_state_postpone(nmdm_ctx_t *ctx,
                                     const apr_array_header_t *ids,
                                     apr_time_t next)
{
    return nmdm_db_exec_ids(ctx, STMT_PUSH_POSTPONE, seconds(ctx, next), ids);
}

nmdm_err_t *nmdm_push_state_recall(nmdm_ctx_t *ctx, apr_time_t last)
{
    return nmdm_db_exec(ctx, NULL, STMT_PUSH_RECALL,
                        NMDM_ARGS(seconds(ctx, ctx->now),
                                  seconds(ctx, last)));
}

nmdm_err_t *nmdm_push_state_forget(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids)
{
    return nmdm_db_exec_ids(ctx, STMT_PUSH_FORGET, NULL, ids);
}

nmdm_err_t *nmdm_push_state_taken(nmdm_ctx_t *ctx,
                                  const apr_array_header_t *ids)
{
    return nmdm_schema_has_pushed(ctx)
        ? nmdm_db_exec_ids(ctx, STMT_PUSH_TAKEN, NULL, ids) : NULL;
}

nmdm_err_t *nmdm_push_state_topic_in_use(nmdm_ctx_t *ctx, const char **other,
                                         const char *topic)
{
    int found;

    *other = NULL;
    return nmdm_db_row(ctx, &found, other, 1, STMT_TOPIC_IN_USE,
                       NMDM_ARGS(topic, topic));
}

nmdm_err_t *nmdm_push_state_put_cert(nmdm_ctx_t *ctx,
                                     const nmdm_push_cert_t *cert)
{
    nmdm_bytes_t key = { cert->key_pem, strlen(cert->key_pem) };

    NMDM_TRY(nmdm_seal_close(&key, ctx->pool, ctx->policy->seal,
                             NMDM_SEAL_PUSH_KEY, cert->topic, key));
    return nmdm_db_exec(ctx, NULL, STMT_PUSH_CERT_PUT,
                        NMDM_ARGS(cert->topic, cert->cert_pem, key.data));
}

nmdm_err_t *nmdm_push_state_get_cert(nmdm_ctx_t *ctx,
                                     nmdm_stored_cert_t *out,
                                     const char *topic)
{
    const char *cols[3] = { NULL };

    NMDM_TRY(nmdm_db_row(ctx, &out->found, cols, 3, STMT_PUSH_CERT_GET,
                         NMDM_ARGS(topic)));
    out->cert_pem = cols[0];
    out->stored_key = cols[1];
    out->topic = cols[2];
    return NULL;
}

nmdm_err_t *nmdm_push_state_only_topic(nmdm_ctx_t *ctx, const char **topic,
                                       int *are_several)
{
    apr_array_header_t *topics = apr_array_make(ctx->pool, 2,
                                                sizeof(const char *));

    NMDM_TRY(nmdm_db_rows(ctx, topics, 1, STMT_PUSH_CERT_TOPICS, NULL, 0));
    *are_several = topics->nelts > 1;
    *topic = topics->nelts == 1 ? APR_ARRAY_IDX(topics, 0, const char *)
                                : NULL;
    return NULL;
}

nmdm_err_t *nmdm_push_state_open_key(nmdm_ctx_t *ctx, const char **key_pem,
                                     const nmdm_stored_cert_t *cert)
{
    nmdm_bytes_t key = { cert->stored_key, strlen(cert->stored_key) };

    NMDM_TRY(nmdm_seal_open(&key, ctx->pool, ctx->policy->seal,
                            NMDM_SEAL_PUSH_KEY, cert->topic, key));
    *key_pem = key.data;
    return NULL;
}
