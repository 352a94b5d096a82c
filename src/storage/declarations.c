/* SPDX-License-Identifier: Apache-2.0 */
/* declarations.c -- declarations and the sets that hold them. */

#include "storage/declarations.h"
#include "codec/json_text.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "storage/declarations_changes.h"
#include "storage/declarations_tokens.h"

#include <string.h>

/* ---- Tokens of sets ---- */

nmdm_err_t *nmdm_declarations_set_token(nmdm_ctx_t *ctx, const char **token,
                                        const char *set)
{
    apr_array_header_t *members = apr_array_make(ctx->pool, 32,
                                                 sizeof(const char *));

    NMDM_TRY(nmdm_db_rows(ctx, members, 2, STMT_DD_SET_MEMBERS,
                          NMDM_ARGS(set)));
    *token = nmdm_declarations_tokens_set(
        ctx->pool, (const char *const *)members->elts, members->nelts / 2);
    return NULL;
}

static nmdm_err_t *lock_set(nmdm_ctx_t *ctx, const char *set)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_SET_LOCK, NMDM_ARGS(set));
}

/* Of a set that is locked. */
static nmdm_err_t *renew_set(nmdm_ctx_t *ctx, const char *set, int notifies)
{
    const char *token;

    NMDM_TRY(nmdm_declarations_set_token(ctx, &token, set));
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_SET_TOKEN,
                          NMDM_ARGS(token, set)));
    return notifies ? nmdm_declarations_changes_set(ctx, set) : NULL;
}

/* The sets that hold a declaration, locked. Its own lock keeps others from
 * putting it into one more. */
static nmdm_err_t *lock_sets(nmdm_ctx_t *ctx, apr_array_header_t **sets,
                             const char *identifier)
{
    int i;

    NMDM_TRY(nmdm_declarations_list_all(ctx, sets, NMDM_LIST_SETS_OF,
                                        identifier));
    for (i = 0; i < (*sets)->nelts; i++) {
        NMDM_TRY(lock_set(ctx, APR_ARRAY_IDX(*sets, i, const char *)));
    }
    return NULL;
}

static nmdm_err_t *renew_sets(nmdm_ctx_t *ctx, const apr_array_header_t *sets,
                              int notifies)
{
    int i;

    for (i = 0; i < sets->nelts; i++) {
        NMDM_TRY(renew_set(ctx, APR_ARRAY_IDX(sets, i, const char *),
                           notifies));
    }
    return NULL;
}

/* ---- Declarations ---- */

/*
 * The nonce of the last touch goes into each token. Without the declaration,
 * *out is all NULL and *touch empty.
 */
static nmdm_err_t *read_one(nmdm_ctx_t *ctx, int *found,
                            nmdm_declaration_t *out, const char **touch,
                            nmdm_stmt_e stmt, const char *identifier)
{
    const char *cols[5];

    *out = (nmdm_declaration_t){ 0 };
    *touch = "";
    NMDM_TRY(nmdm_db_row(ctx, found, cols, 5, stmt, NMDM_ARGS(identifier)));
    if (*found) {
        *out = (nmdm_declaration_t){ identifier, cols[0],
                                     nmdm_declarations_manifest(cols[0]),
                                     cols[2], cols[3] };
        *touch = cols[4];
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_get(nmdm_ctx_t *ctx, int *found,
                                  nmdm_declaration_t *out,
                                  const char *identifier)
{
    const char *touch;

    return read_one(ctx, found, out, &touch, STMT_DD_GET, identifier);
}

nmdm_err_t *nmdm_declarations_put(nmdm_ctx_t *ctx, int *changed,
                                  const nmdm_declaration_t *declaration,
                                  int notifies)
{
    const nmdm_declaration_t *put = declaration;
    nmdm_declaration_t stored;
    apr_array_header_t *sets;
    const char *touch, *token;
    int found;

    *changed = 1;
    NMDM_TRY(read_one(ctx, &found, &stored, &touch, STMT_DD_LOCK,
                      put->identifier));
    token = nmdm_declarations_tokens_server(ctx->pool, put, touch);
    if (!found) {
        return nmdm_db_exec(ctx, NULL, STMT_DD_ADD,
                            NMDM_ARGS(put->identifier, put->type,
                                      put->manifest, put->payload, token));
    }
    if (!strcmp(stored.type, put->type)
        && !strcmp(stored.payload, put->payload)) {
        *changed = 0;
        return NULL;
    }
    NMDM_TRY(lock_sets(ctx, &sets, put->identifier));
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_CHANGE,
                          NMDM_ARGS(put->type, put->manifest, put->payload,
                                    token, put->identifier)));
    return renew_sets(ctx, sets, notifies);
}

nmdm_err_t *nmdm_declarations_touch(nmdm_ctx_t *ctx, int *found,
                                    const char *identifier, int notifies)
{
    nmdm_declaration_t stored;
    apr_array_header_t *sets;
    const char *touch, *token;
    char nonce[16];

    NMDM_TRY(read_one(ctx, found, &stored, &touch, STMT_DD_LOCK,
                      identifier));
    if (!*found) {
        return NULL;
    }
    if (!nmdm_digest_random(nonce, sizeof(nonce))) {
        return nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(2510)
                        "-: no random numbers: %s was not touched",
                        identifier);
    }
    touch = nmdm_hex(ctx->pool, (nmdm_bytes_t){ nonce, sizeof(nonce) });
    token = nmdm_declarations_tokens_server(ctx->pool, &stored, touch);
    NMDM_TRY(lock_sets(ctx, &sets, identifier));
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_TOUCH,
                          NMDM_ARGS(touch, token, identifier)));
    return renew_sets(ctx, sets, notifies);
}

nmdm_err_t *nmdm_declarations_delete(nmdm_ctx_t *ctx, int *found,
                                     apr_array_header_t **sets,
                                     const char *identifier, int is_forced,
                                     int notifies)
{
    nmdm_declaration_t stored;
    const char *touch;
    int i;

    *sets = apr_array_make(ctx->pool, 1, sizeof(const char *));
    NMDM_TRY(read_one(ctx, found, &stored, &touch, STMT_DD_LOCK,
                      identifier));
    if (!*found) {
        return NULL;
    }
    NMDM_TRY(lock_sets(ctx, sets, identifier));
    if ((*sets)->nelts && !is_forced) {
        return NULL;
    }
    for (i = 0; i < (*sets)->nelts; i++) {
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_SET_REMOVE,
                              NMDM_ARGS(APR_ARRAY_IDX(*sets, i, const char *),
                                        identifier)));
    }
    NMDM_TRY(renew_sets(ctx, *sets, notifies));
    return nmdm_db_exec(ctx, NULL, STMT_DD_DELETE, NMDM_ARGS(identifier));
}

nmdm_err_t *nmdm_declarations_find(nmdm_ctx_t *ctx, apr_array_header_t *pairs,
                                   const apr_array_header_t *identifiers)
{
    const char *places[NMDM_SQL_IDS];
    int done;

    for (done = 0; done < identifiers->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(places, identifiers, done);
        NMDM_TRY(nmdm_db_rows(ctx, pairs, 2, STMT_DD_FIND, places,
                              NMDM_SQL_IDS));
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_naming(nmdm_ctx_t *ctx,
                                     apr_array_header_t **names,
                                     const char *set, const char *type,
                                     const char *identifier)
{
    nmdm_json_text_t *text = nmdm_json_text_create(ctx->pool);

    nmdm_json_text_string(text, identifier);
    *names = apr_array_make(ctx->pool, 8, sizeof(const char *));
    return nmdm_db_rows(ctx, *names, 1,
                        set ? STMT_DD_SET_NAMING : STMT_DD_TYPE_NAMING,
                        NMDM_ARGS(set ? set : type, text->data));
}

/* ---- Sets ---- */

nmdm_err_t *nmdm_declarations_set_add(nmdm_ctx_t *ctx, int *found,
                                      int *changed, const char *set,
                                      const char *identifier, int notifies)
{
    nmdm_declaration_t stored;
    const char *touch;
    int is_there;

    *changed = 0;
    NMDM_TRY(read_one(ctx, found, &stored, &touch, STMT_DD_LOCK,
                      identifier));
    if (!*found) {
        return NULL;
    }
    NMDM_TRY(lock_set(ctx, set));
    NMDM_TRY(nmdm_db_row(ctx, &is_there, NULL, 0, STMT_DD_SET_HAS,
                         NMDM_ARGS(set, identifier)));
    if (is_there) {
        return NULL;
    }
    *changed = 1;
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_SET_ADD,
                          NMDM_ARGS(set, identifier)));
    return renew_set(ctx, set, notifies);
}

nmdm_err_t *nmdm_declarations_set_remove(nmdm_ctx_t *ctx, int *changed,
                                         const char *set,
                                         const char *identifier,
                                         int notifies)
{
    nmdm_declaration_t stored;
    const char *touch;
    int found;

    *changed = 0;
    NMDM_TRY(read_one(ctx, &found, &stored, &touch, STMT_DD_LOCK,
                      identifier));
    if (!found) {
        return NULL;            /* so it is in no set */
    }
    NMDM_TRY(lock_set(ctx, set));
    NMDM_TRY(nmdm_db_exec(ctx, changed, STMT_DD_SET_REMOVE,
                          NMDM_ARGS(set, identifier)));
    return *changed ? renew_set(ctx, set, notifies) : NULL;
}

/* ---- Enrollments ---- */

nmdm_err_t *nmdm_declarations_assign(nmdm_ctx_t *ctx, int *changed,
                                     const char *id, const char *set,
                                     int notifies)
{
    NMDM_TRY(nmdm_db_exec(ctx, changed, STMT_DD_ENROLLMENT_ADD,
                          NMDM_ARGS(id, set)));
    return *changed && notifies ? nmdm_declarations_changes_id(ctx, id)
                                : NULL;
}

nmdm_err_t *nmdm_declarations_unassign(nmdm_ctx_t *ctx, int *changed,
                                       const char *id, const char *set,
                                       int notifies)
{
    NMDM_TRY(nmdm_db_exec(ctx, changed, STMT_DD_ENROLLMENT_REMOVE,
                          NMDM_ARGS(id, set)));
    return *changed && notifies ? nmdm_declarations_changes_id(ctx, id)
                                : NULL;
}

nmdm_err_t *nmdm_declarations_unassign_all(nmdm_ctx_t *ctx, int *changed,
                                           const char *id, int notifies)
{
    NMDM_TRY(nmdm_db_exec(ctx, changed, STMT_DD_FORGET_SETS, NMDM_ARGS(id)));
    return *changed && notifies ? nmdm_declarations_changes_id(ctx, id)
                                : NULL;
}

nmdm_err_t *nmdm_declarations_assign_many(nmdm_ctx_t *ctx, int *changed,
                                          const apr_array_header_t *ids,
                                          const char *set, int notifies)
{
    apr_array_header_t *lacking = apr_array_make(ctx->pool, ids->nelts + 1,
                                                 sizeof(const char *));

    *changed = 0;
    NMDM_TRY(nmdm_db_rows(ctx, lacking, 1, STMT_DD_SET_LACKING, NMDM_ARGS(
        nmdm_declarations_tokens_list(ctx->pool, ids), set)));
    if (!lacking->nelts) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_exec(ctx, changed, STMT_DD_BULK_ADD, NMDM_ARGS(
        set, nmdm_declarations_tokens_list(ctx->pool, lacking))));
    return notifies ? nmdm_declarations_changes_ids(ctx, lacking) : NULL;
}

nmdm_err_t *nmdm_declarations_unassign_many(nmdm_ctx_t *ctx, int *changed,
                                            const apr_array_header_t *ids,
                                            const char *set, int notifies)
{
    apr_array_header_t *having = apr_array_make(ctx->pool, ids->nelts + 1,
                                                sizeof(const char *));
    const char *args[1 + NMDM_SQL_IDS];
    int done, rows;

    *changed = 0;
    NMDM_TRY(nmdm_db_rows(ctx, having, 1, STMT_DD_SET_HAVING, NMDM_ARGS(
        nmdm_declarations_tokens_list(ctx->pool, ids), set)));
    args[0] = set;
    for (done = 0; done < having->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args + 1, having, done);
        NMDM_TRY(nmdm_db_exec(ctx, &rows, STMT_DD_BULK_REMOVE, args,
                              1 + NMDM_SQL_IDS));
        *changed += rows;
    }
    return having->nelts && notifies
        ? nmdm_declarations_changes_ids(ctx, having) : NULL;
}
