/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_given.c -- what an enrollment gets of its declarations. */

#include "storage/declarations_given.h"
#include "db/db.h"
#include "storage/declarations_changes.h"
#include "storage/declarations_tokens.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Seconds from one repair to the next, of an enrollment that does not follow;
 * the last is for all further ones. */
static const int PAUSES[] = { 0, 3600, 4 * 3600, 24 * 3600 };
#define PAUSES_MOST ((int)(sizeof(PAUSES) / sizeof(*PAUSES)) - 1)

nmdm_err_t *nmdm_declarations_given_token(nmdm_ctx_t *ctx, const char **token,
                                          const char *id)
{
    nmdm_declaration_t shard = nmdm_declarations_tokens_shard_of(ctx->pool,
                                                                 ctx, id);
    apr_array_header_t *sets = apr_array_make(ctx->pool, 8,
                                              sizeof(const char *));

    NMDM_TRY(nmdm_db_rows(ctx, sets, 1, STMT_DD_TOKENS, NMDM_ARGS(id)));
    *token = nmdm_declarations_tokens_all(ctx->pool, sets, shard.token);
    return NULL;
}

/* ---- The manifest ---- */

#define ITEM_COLUMNS 5

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const nmdm_declaration_t *)a)->identifier,
                  ((const nmdm_declaration_t *)b)->identifier);
}

/* The tokens of the sets of these rows, which are ordered by set. */
static apr_array_header_t *set_tokens(apr_pool_t *p,
                                      const apr_array_header_t *rows)
{
    apr_array_header_t *tokens = apr_array_make(p, 8, sizeof(const char *));
    apr_array_header_t *pairs = apr_array_make(p, 64, sizeof(const char *));
    int i;

    for (i = 0; i < rows->nelts; i += ITEM_COLUMNS) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);
        int is_last = i + ITEM_COLUMNS == rows->nelts
            || strcmp(row[0], row[ITEM_COLUMNS]) != 0;

        APR_ARRAY_PUSH(pairs, const char *) = row[1];
        APR_ARRAY_PUSH(pairs, const char *) = row[3];
        if (is_last) {
            APR_ARRAY_PUSH(tokens, const char *)
                = nmdm_declarations_tokens_set(
                    p, (const char *const *)pairs->elts, pairs->nelts / 2);
            apr_array_clear(pairs);
        }
    }
    return tokens;
}

/* Each declaration once, in however many sets it is. */
static apr_array_header_t *distinct(apr_pool_t *p,
                                    const apr_array_header_t *rows)
{
    apr_array_header_t *items = apr_array_make(p, 32,
                                               sizeof(nmdm_declaration_t));
    apr_hash_t *known = apr_hash_make(p);
    int i;

    for (i = 0; i < rows->nelts; i += ITEM_COLUMNS) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);

        if (!apr_hash_get(known, row[1], APR_HASH_KEY_STRING)) {
            apr_hash_set(known, row[1], APR_HASH_KEY_STRING, row[1]);
            APR_ARRAY_PUSH(items, nmdm_declaration_t) = (nmdm_declaration_t){
                row[1], row[4], row[2], NULL, row[3]
            };
        }
    }
    return items;
}

nmdm_err_t *nmdm_declarations_given_items(nmdm_ctx_t *ctx,
                                          apr_array_header_t **items,
                                          const char **token, const char *id)
{
    nmdm_declaration_t shard = nmdm_declarations_tokens_shard_of(ctx->pool,
                                                                 ctx, id);
    apr_array_header_t *rows = apr_array_make(ctx->pool, 64,
                                              sizeof(const char *));

    NMDM_TRY(nmdm_db_rows(ctx, rows, ITEM_COLUMNS, STMT_DD_ITEMS,
                          NMDM_ARGS(id)));
    *token = nmdm_declarations_tokens_all(
        ctx->pool, set_tokens(ctx->pool, rows), shard.token);
    *items = distinct(ctx->pool, rows);
    if (shard.identifier) {
        APR_ARRAY_PUSH(*items, nmdm_declaration_t) = shard;
    }
    qsort((*items)->elts, (size_t)(*items)->nelts,
          sizeof(nmdm_declaration_t), compare_items);
    return NULL;
}

nmdm_err_t *nmdm_declarations_given_fetch(nmdm_ctx_t *ctx, int *found,
                                          nmdm_declaration_t *out,
                                          const char *id, const char *manifest,
                                          const char *identifier)
{
    const char *cols[3];

    *out = nmdm_declarations_tokens_shard_of(ctx->pool, ctx, id);
    *found = out->identifier && !strcmp(out->identifier, identifier)
        && !strcmp(out->manifest, manifest);
    if (*found) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, found, cols, 3, STMT_DD_FETCH,
                         NMDM_ARGS(identifier, manifest, id)));
    if (*found) {
        *out = (nmdm_declaration_t){ identifier, cols[0], manifest, cols[1],
                                     cols[2] };
    }
    return NULL;
}

/* ---- What is known of the enrollment ---- */

static apr_int64_t seconds(const char *text)
{
    return text ? apr_atoi64(text) : 0;
}

nmdm_err_t *nmdm_declarations_given_get(nmdm_ctx_t *ctx,
                                        nmdm_declarations_given_t *out,
                                        const char *id)
{
    const char *cols[9];

    memset(out, 0, sizeof(*out));
    NMDM_TRY(nmdm_db_row(ctx, &out->exists, cols, 9, STMT_DD_GIVEN,
                         NMDM_ARGS(id)));
    if (out->exists) {
        out->items_token = cols[0];
        out->data_token = cols[1];
        out->delivered_uuid = cols[2];
        out->repair_at = seconds(cols[3]);
        out->repairs = (int)seconds(cols[4]);
        out->now = seconds(cols[5]);
        out->engine_at = seconds(cols[6]);
        out->items_at = seconds(cols[7]);
        out->status_at = seconds(cols[8]);
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_given_served(nmdm_ctx_t *ctx, const char *id,
                                           const char *token)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_SERVED, NMDM_ARGS(id, token));
}

nmdm_err_t *nmdm_declarations_given_delivered(nmdm_ctx_t *ctx, const char *id,
                                              const char *uuid)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_DELIVERED, NMDM_ARGS(id, uuid));
}

nmdm_err_t *nmdm_declarations_given_data(nmdm_ctx_t *ctx, const char *id,
                                         const char *token)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_DATA, NMDM_ARGS(token, id));
}

nmdm_err_t *nmdm_declarations_given_put_off(nmdm_ctx_t *ctx, const char *id,
                                            const char *uuid)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_PUT_OFF, NMDM_ARGS(id, uuid));
}

nmdm_err_t *nmdm_declarations_given_repair(nmdm_ctx_t *ctx, int *queued,
                                           const char *id)
{
    apr_array_header_t *ids = apr_array_make(ctx->pool, 1,
                                             sizeof(const char *));
    nmdm_declarations_waiting_t waiting;
    nmdm_declarations_given_t given;
    int may, pause;

    *queued = 0;
    NMDM_TRY(nmdm_declarations_given_get(ctx, &given, id));
    NMDM_TRY(nmdm_declarations_given_waiting(ctx, &waiting, id));
    pause = PAUSES[given.repairs < PAUSES_MOST ? given.repairs
                                               : PAUSES_MOST];
    if (!given.exists || (waiting.uuid && !waiting.is_delivered)
        || given.repair_at + pause > given.now) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_exec(ctx, &may, STMT_DD_REPAIR,
                          NMDM_ARGS(id, apr_itoa(ctx->pool, given.repairs))));
    if (!may) {
        return NULL;
    }
    APR_ARRAY_PUSH(ids, const char *) = id;
    NMDM_TRY(nmdm_declarations_changes_queue(ctx, queued, ids, NULL));
    return *queued ? nmdm_declarations_changes_push(ctx, id) : NULL;
}

nmdm_err_t *nmdm_declarations_given_follows(nmdm_ctx_t *ctx, const char *id)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_FOLLOWS, NMDM_ARGS(id));
}

/* ---- The end of an enrollment ---- */

nmdm_err_t *nmdm_declarations_given_ids(nmdm_ctx_t *ctx,
                                        apr_array_header_t **ids,
                                        const char *device_id)
{
    *ids = apr_array_make(ctx->pool, 4, sizeof(const char *));
    return nmdm_db_rows(ctx, *ids, 1, STMT_DD_IDS_OF_DEVICE,
                        NMDM_ARGS(device_id));
}

nmdm_err_t *nmdm_declarations_given_forget(nmdm_ctx_t *ctx, const char *id)
{
    static const nmdm_stmt_e STATEMENTS[] = {
        STMT_DD_FORGET_GIVEN, STMT_DD_FORGET_STATES, STMT_DD_FORGET_VALUES,
        STMT_DD_FORGET_ERRORS, STMT_DD_FORGET_REPORTS
    };
    apr_size_t i;

    for (i = 0; i < sizeof(STATEMENTS) / sizeof(*STATEMENTS); i++) {
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STATEMENTS[i], NMDM_ARGS(id)));
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_given_waiting(nmdm_ctx_t *ctx,
                                            nmdm_declarations_waiting_t *out,
                                            const char *id)
{
    const char *cols[4] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 4, STMT_DD_WAITING,
                         NMDM_ARGS(id)));
    *out = (nmdm_declarations_waiting_t){ NULL, NULL, 0, 0 };
    if (found) {
        *out = (nmdm_declarations_waiting_t){
            cols[0], cols[1], *cols[2] == '1', seconds(cols[3])
        };
    }
    return NULL;
}
