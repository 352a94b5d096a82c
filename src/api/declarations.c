/* SPDX-License-Identifier: Apache-2.0 */
/* declarations.c -- declarations: list, upload, read, delete, touch. */

#include "api/declarations.h"
#include "api/declaration_upload.h"
#include "db/db.h"
#include "storage/declarations.h"

#include <apr_strings.h>

#include <string.h>

/* ---- List ---- */

typedef struct {
    const nmdm_api_declarations_call_t *call;
    const char *after;
    int limit;                  /* 0: all */
    apr_array_header_t *names;
} list_t;

static nmdm_err_t *do_list(nmdm_ctx_t *ctx, void *baton)
{
    list_t *list = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    if (!list->limit && !*list->after) {
        return nmdm_declarations_list_all(ctx, &list->names,
                                          NMDM_LIST_DECLARATIONS, NULL);
    }
    list->names = apr_array_make(ctx->pool, 64, sizeof(const char *));
    return nmdm_declarations_list(ctx, list->names, NMDM_LIST_DECLARATIONS,
                                  NULL, list->after);
}

nmdm_err_t *nmdm_api_declarations_list(nmdm_api_declarations_call_t *call)
{
    const char *after = nmdm_api_declarations_param(call, "after");
    list_t list = { call, after ? after : "", 0, NULL };

    NMDM_TRY(nmdm_api_declarations_number(call, &list.limit, "limit", 0, 1,
                                          NMDM_DECLARATIONS_PAGE));
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_list, &list));
    if (list.limit && list.names->nelts > list.limit) {
        list.names->nelts = list.limit;
    }
    nmdm_api_declarations_names(call, list.names);
    return NULL;
}

/* ---- Upload ---- */

typedef struct {
    nmdm_api_declarations_call_t *call;
    nmdm_declaration_t declaration;
    const char *identifier;
    int changed, found, notifies;
    apr_array_header_t *sets;
} change_t;

static nmdm_err_t *do_put(nmdm_ctx_t *ctx, void *baton)
{
    change_t *change = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_put(ctx, &change->changed, &change->declaration,
                                 change->notifies);
}

nmdm_err_t *nmdm_api_declarations_put(nmdm_api_declarations_call_t *call)
{
    change_t change = { .call = call };
    nmdm_api_declaration_upload_t upload;

    NMDM_TRY(nmdm_api_declaration_upload_read(&upload, call));
    if (nmdm_api_declarations_is_on(call, "check")) {
        nmdm_api_declaration_upload_check(&upload, call);
        return NULL;
    }
    NMDM_TRY(nmdm_api_declaration_upload_warn(upload.warnings, call));
    change.declaration = upload.declaration;
    change.notifies = nmdm_api_declarations_notifies(call);
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_TRANSACTION, do_put,
                          &change));
    nmdm_api_declarations_changed(call, change.changed);
    if (change.changed) {
        nmdm_log(call->ctx, NMDM_LOG_INFO, NMDMNO(2544)
                 "-: declaration %.255s is stored [trace %s]",
                 change.declaration.identifier, call->ctx->trace_id);
    }
    return NULL;
}

/* ---- One ---- */

static nmdm_err_t *do_get(nmdm_ctx_t *ctx, void *baton)
{
    change_t *change = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_get(ctx, &change->found, &change->declaration,
                                 change->identifier);
}

/* What a path ends with after an identifier that may have slashes itself:
 * declarations/ID/touch. NULL when it does not. */
static const char *before(apr_pool_t *p, const char *rest, const char *end)
{
    apr_size_t len = strlen(rest), tail = strlen(end);

    return len > tail && !strcmp(rest + len - tail, end)
        ? apr_pstrmemdup(p, rest, len - tail) : NULL;
}

static nmdm_err_t *get_one(nmdm_api_declarations_call_t *call,
                           change_t *change)
{
    NMDM_TRY(nmdm_api_declarations_check_name(call->ctx, change->identifier,
                                              "the Identifier in the path"));
    return nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_get, change);
}

nmdm_err_t *nmdm_api_declarations_get(nmdm_api_declarations_call_t *call)
{
    nmdm_json_text_t *text = nmdm_json_text_create(call->ctx->pool);
    change_t change = { .call = call, .identifier = call->rest };
    const char *of;

    NMDM_TRY(get_one(call, &change));
    if (!change.found) {
        of = before(call->ctx->pool, call->rest, "/summary");
        if (of) {
            call->rest = of;
            return nmdm_api_declaration_status_summary(call);
        }
        of = before(call->ctx->pool, call->rest, "/enrollments");
        if (of) {
            call->rest = of;
            return nmdm_api_declaration_status_enrollments(call);
        }
        return nmdm_api_declarations_unknown(call->ctx, call->rest);
    }
    nmdm_json_text_raw(text, "{");
    nmdm_json_text_pair(text, "Identifier", change.declaration.identifier);
    nmdm_json_text_pair(text, "Type", change.declaration.type);
    nmdm_json_text_pair_raw(text, "Payload", change.declaration.payload);
    nmdm_json_text_pair(text, "ServerToken", change.declaration.token);
    nmdm_json_text_raw(text, "}\n");
    nmdm_api_declarations_json(call, text);
    return NULL;
}

/* ---- Delete ---- */

static nmdm_err_t *do_delete(nmdm_ctx_t *ctx, void *baton)
{
    change_t *change = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_delete(
        ctx, &change->found, &change->sets, change->identifier,
        nmdm_api_declarations_is_on(change->call, "force"),
        change->notifies);
}

static void answer_conflict(nmdm_api_declarations_call_t *call,
                            const apr_array_header_t *sets)
{
    nmdm_json_text_t *text = nmdm_json_text_create(call->ctx->pool);

    nmdm_json_text_raw(text, "{");
    nmdm_json_text_pair(text, "error", apr_pstrcat(
        call->ctx->pool, "the declaration is in these sets: ",
        apr_array_pstrcat(call->ctx->pool, sets, ','),
        "; take it out of them, or write force=1", NULL));
    nmdm_json_text_raw(text, "}\n");
    nmdm_api_declarations_json(call, text);
    *call->status = 409;
}

nmdm_err_t *nmdm_api_declarations_delete(nmdm_api_declarations_call_t *call)
{
    change_t change = { .call = call, .identifier = call->rest };

    change.notifies = nmdm_api_declarations_notifies(call);
    NMDM_TRY(nmdm_api_declarations_check_name(call->ctx, call->rest,
                                              "the Identifier in the path"));
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_TRANSACTION, do_delete,
                          &change));
    if (change.sets->nelts
        && !nmdm_api_declarations_is_on(call, "force")) {
        answer_conflict(call, change.sets);
        return NULL;
    }
    nmdm_api_declarations_changed(call, change.found);
    if (change.found) {
        nmdm_log(call->ctx, NMDM_LOG_INFO, NMDMNO(2545)
                 "-: declaration %.255s is deleted [trace %s]", call->rest,
                 call->ctx->trace_id);
    }
    return NULL;
}

/* ---- Touch ---- */

static nmdm_err_t *do_touch(nmdm_ctx_t *ctx, void *baton)
{
    change_t *change = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_touch(ctx, &change->found, change->identifier,
                                   change->notifies);
}

nmdm_err_t *nmdm_api_declarations_touch(nmdm_api_declarations_call_t *call)
{
    change_t change = {
        .call = call,
        .identifier = before(call->ctx->pool, call->rest, "/touch"),
        .notifies = nmdm_api_declarations_notifies(call)
    };

    if (!change.identifier) {
        return nmdm_err(call->ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS,
                        NMDMNO(2546) "POST goes to"
                        " declarations/IDENTIFIER/touch");
    }
    NMDM_TRY(nmdm_api_declarations_check_name(
        call->ctx, change.identifier, "the Identifier in the path"));
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_TRANSACTION, do_touch,
                          &change));
    if (!change.found) {
        return nmdm_api_declarations_unknown(call->ctx, change.identifier);
    }
    nmdm_api_declarations_changed(call, 1);
    return NULL;
}
