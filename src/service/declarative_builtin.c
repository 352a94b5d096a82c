/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_builtin.c -- declarative management from the database. */

#include "service/declarative_builtin.h"
#include "codec/json_text.h"
#include "db/db.h"
#include "db/schema.h"
#include "service/declarative.h"
#include "service/declarative_enrollment.h"
#include "service/declarative_status.h"
#include "storage/declarations_given.h"

#include <apr_strings.h>

#include <string.h>

/* What one unit asks for, and what it finds. */
typedef struct {
    const char *id;
    const char *manifest, *identifier;  /* of one declaration */
    int is_device;              /* what it is given is noted */
    int found;
    const char *token;
    apr_array_header_t *items;
    nmdm_declaration_t declaration;
} question_t;

static nmdm_err_t *has_tables(nmdm_ctx_t *ctx)
{
    return nmdm_schema_has_declarations(ctx) ? NULL
        : nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(2520)
                   "%s: declarative management needs tables that this"
                   " database lacks: run the scripts of schema/upgrade, or"
                   " write \"NanoMDMSchema auto\"",
                   *ctx->access_log.id ? ctx->access_log.id : "-");
}

static void reply_json(nmdm_reply_t *reply, const nmdm_json_text_t *text)
{
    reply->content_type = NMDM_TYPE_JSON;
    reply->body = nmdm_json_text_bytes(text);
}

/* ---- tokens ---- */

static nmdm_err_t *do_token(nmdm_ctx_t *ctx, void *baton)
{
    question_t *question = baton;

    NMDM_TRY(has_tables(ctx));
    return nmdm_declarations_given_token(ctx, &question->token,
                                         question->id);
}

nmdm_err_t *nmdm_declarative_builtin_tokens(nmdm_ctx_t *ctx,
                                            nmdm_reply_t *reply,
                                            const char *id)
{
    question_t question = { .id = id };

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_token, &question));
    reply_json(reply, nmdm_declarative_enrollment_tokens(ctx, question.token));
    return NULL;
}

/* ---- declaration-items ---- */

static nmdm_err_t *do_items(nmdm_ctx_t *ctx, void *baton)
{
    question_t *question = baton;
    nmdm_declarations_given_t given;

    NMDM_TRY(has_tables(ctx));
    NMDM_TRY(nmdm_declarations_given_items(ctx, &question->items,
                                           &question->token, question->id));
    if (!question->is_device) {
        return NULL;
    }
    NMDM_TRY(nmdm_declarations_given_get(ctx, &given, question->id));
    question->found = given.items_token
        && !strcmp(given.items_token, question->token);
    return NULL;
}

static nmdm_err_t *do_served(nmdm_ctx_t *ctx, void *baton)
{
    question_t *question = baton;

    return nmdm_declarations_given_served(ctx, question->id,
                                          question->token);
}

static void add_manifest(nmdm_json_text_t *text,
                         const apr_array_header_t *items, const char *key,
                         const char *manifest)
{
    int i;

    nmdm_json_text_key(text, key);
    nmdm_json_text_raw(text, "[");
    for (i = 0; i < items->nelts; i++) {
        const nmdm_declaration_t *item = &APR_ARRAY_IDX(items, i,
                                                        nmdm_declaration_t);

        if (!strcmp(item->manifest, manifest)) {
            nmdm_json_text_comma(text);
            nmdm_json_text_raw(text, "{");
            nmdm_json_text_pair(text, "Identifier", item->identifier);
            nmdm_json_text_pair(text, "ServerToken", item->token);
            nmdm_json_text_raw(text, "}");
        }
    }
    nmdm_json_text_raw(text, "]");
}

nmdm_err_t *nmdm_declarative_builtin_items(nmdm_ctx_t *ctx,
                                           nmdm_reply_t *reply,
                                           const char *id, int is_device)
{
    question_t question = { .id = id, .is_device = is_device };
    nmdm_json_text_t *text = nmdm_json_text_create(ctx->pool);

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_items, &question));
    if (is_device && !question.found) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_served, &question));
    }
    nmdm_json_text_raw(text, "{\"Declarations\":{");
    add_manifest(text, question.items, "Activations", "activations");
    add_manifest(text, question.items, "Assets", "assets");
    add_manifest(text, question.items, "Configurations", "configurations");
    add_manifest(text, question.items, "Management", "management");
    nmdm_json_text_raw(text, "}");
    nmdm_json_text_pair(text, "DeclarationsToken", question.token);
    nmdm_json_text_raw(text, "}");
    reply_json(reply, text);
    return NULL;
}

/* ---- declaration/KIND/IDENTIFIER ---- */

/* Decoded once; NULL when there is nothing to decode or it is no text. */
static const char *decoded(apr_pool_t *p, const char *text)
{
    char *out = apr_pstrdup(p, text), *to = out;
    const char *at;
    int byte;

    for (at = text; *at; at++) {
        byte = *at == '%' ? nmdm_hex_byte(at + 1) : -1;
        if (byte >= 0) {
            *to++ = (char)byte;
            at += 2;
        }
        else {
            *to++ = *at;
        }
    }
    *to = '\0';
    return strlen(out) == strlen(text) || strlen(out) < (size_t)(to - out)
        || !nmdm_utf8_valid(out, strlen(out)) ? NULL : out;
}

static nmdm_err_t *do_fetch(nmdm_ctx_t *ctx, void *baton)
{
    question_t *question = baton;
    const char *plain = decoded(ctx->pool, question->identifier);

    NMDM_TRY(has_tables(ctx));
    NMDM_TRY(nmdm_declarations_given_fetch(
        ctx, &question->found, &question->declaration, question->id,
        question->manifest, question->identifier));
    return question->found || !plain ? NULL
        : nmdm_declarations_given_fetch(ctx, &question->found,
                                        &question->declaration, question->id,
                                        question->manifest, plain);
}

static nmdm_err_t *no_endpoint(nmdm_ctx_t *ctx, const char *id,
                               const char *endpoint)
{
    return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(2521)
                    "%s: Endpoint \"%.200s\" is none of tokens,"
                    " declaration-items, declaration/TYPE/IDENTIFIER and"
                    " status", id, endpoint);
}

nmdm_err_t *nmdm_declarative_builtin_declaration(nmdm_ctx_t *ctx,
                                                 nmdm_reply_t *reply,
                                                 const char *id,
                                                 const char *path)
{
    apr_size_t len = strcspn(path, "/");
    const char *kind = apr_pstrmemdup(ctx->pool, path, len);
    question_t question = { .id = id };
    nmdm_json_text_t *text = nmdm_json_text_create(ctx->pool);

    if (!len || !path[len] || !path[len + 1]
        || nmdm_declarative_has_dot_segment(path)) {
        return no_endpoint(ctx, id, apr_pstrcat(ctx->pool, "declaration/",
                                                path, NULL));
    }
    question.identifier = path + len + 1;
    question.manifest = nmdm_declarations_manifest_of_kind(kind);
    if (question.manifest) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_fetch, &question));
    }
    if (!question.found) {
        return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(2522)
                        "%s: has no declaration %.200s", id, path);
    }
    nmdm_json_text_raw(text, "{");
    nmdm_json_text_pair(text, "Identifier", question.declaration.identifier);
    nmdm_json_text_pair(text, "Type", question.declaration.type);
    nmdm_json_text_pair_raw(text, "Payload", question.declaration.payload);
    nmdm_json_text_pair(text, "ServerToken", question.declaration.token);
    nmdm_json_text_raw(text, "}");
    reply_json(reply, text);
    return NULL;
}

/* ---- Endpoints ---- */

nmdm_err_t *nmdm_declarative_builtin_answer(nmdm_ctx_t *ctx,
                                            nmdm_reply_t *reply,
                                            const nmdm_msg_t *msg)
{
    const char *endpoint = msg->u.declarative.endpoint;

    endpoint = endpoint ? endpoint : "";
    if (!strcmp(endpoint, "tokens")) {
        return nmdm_declarative_builtin_tokens(ctx, reply, msg->who.id);
    }
    if (!strcmp(endpoint, "declaration-items")) {
        return nmdm_declarative_builtin_items(ctx, reply, msg->who.id, 1);
    }
    if (!strcmp(endpoint, "status")) {
        return nmdm_declarative_status_take(ctx, msg->who.id,
                                            msg->u.declarative.data);
    }
    if (!strncmp(endpoint, "declaration/", strlen("declaration/"))) {
        return nmdm_declarative_builtin_declaration(
            ctx, reply, msg->who.id, endpoint + strlen("declaration/"));
    }
    return no_endpoint(ctx, msg->who.id, endpoint);
}
