/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_sets.c -- sets: what is in them, who has them, notification. */

#include "api/declarations.h"
#include "api/answer.h"
#include "api/declaration_set_lint.h"
#include "api/declaration_upload.h"
#include "codec/json_tree.h"
#include "db/db.h"
#include "mdm/declaration_warning.h"
#include "storage/declarations.h"
#include "storage/declarations_changes.h"

#include <apr_strings.h>

#include <string.h>

#define MOST_IDS 1000000

typedef struct {
    nmdm_api_declarations_call_t *call;
    nmdm_declarations_list_e what;
    const char *set, *identifier, *id, *after;
    int notifies, found, changed;
    apr_array_header_t *names;
    nmdm_err_t *(*many)(nmdm_ctx_t *, int *, const apr_array_header_t *,
                        const char *, int);
    const apr_array_header_t *ids;
    int total;
    apr_array_header_t *warnings;       /* of nmdm_declaration_lint_t */
} work_t;

/* ---- Lists ---- */

static nmdm_err_t *do_list(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_list_all(ctx, &work->names, work->what,
                                      work->call->rest);
}

static nmdm_err_t *list(nmdm_api_declarations_call_t *call,
                        nmdm_declarations_list_e what, const char *name)
{
    work_t work = { .call = call, .what = what };

    if (name) {
        NMDM_TRY(nmdm_api_declarations_check_name(call->ctx, call->rest,
                                                  name));
    }
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_list, &work));
    nmdm_api_declarations_names(call, work.names);
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_sets_list(nmdm_api_declarations_call_t *call)
{
    return list(call, NMDM_LIST_SETS, NULL);
}

nmdm_err_t *nmdm_api_declaration_sets_of_set(
    nmdm_api_declarations_call_t *call)
{
    return list(call, NMDM_LIST_OF_SET, "the set in the path");
}

nmdm_err_t *nmdm_api_declaration_sets_of_declaration(
    nmdm_api_declarations_call_t *call)
{
    return list(call, NMDM_LIST_SETS_OF, "the Identifier in the path");
}

nmdm_err_t *nmdm_api_declaration_sets_of_enrollment(
    nmdm_api_declarations_call_t *call)
{
    return list(call, NMDM_LIST_ENROLLMENT_SETS,
                "the enrollment id in the path");
}

static nmdm_err_t *do_page(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    work->names = apr_array_make(ctx->pool, NMDM_DECLARATIONS_PAGE,
                                 sizeof(const char *));
    return nmdm_declarations_list(ctx, work->names, NMDM_LIST_SET_ENROLLMENTS,
                                  work->call->rest, work->after);
}

nmdm_err_t *nmdm_api_declaration_sets_enrollments(
    nmdm_api_declarations_call_t *call)
{
    const char *after = nmdm_api_declarations_param(call, "after");
    work_t work = { .call = call, .after = after ? after : "" };
    int limit;

    NMDM_TRY(nmdm_api_declarations_check_name(call->ctx, call->rest,
                                              "the set in the path"));
    NMDM_TRY(nmdm_api_declarations_number(call, &limit, "limit",
                                          NMDM_DECLARATIONS_PAGE, 1,
                                          NMDM_DECLARATIONS_PAGE));
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_page, &work));
    if (work.names->nelts > limit) {
        work.names->nelts = limit;
    }
    nmdm_api_declarations_names(call, work.names);
    return NULL;
}

/* ---- Sets and declarations ---- */

/* The name in the path and the one in a parameter. */
static nmdm_err_t *read_names(nmdm_api_declarations_call_t *call,
                              const char **other, const char *of_path,
                              const char *parameter)
{
    const char *value = nmdm_api_declarations_param(call, parameter);

    NMDM_TRY(nmdm_api_declarations_check_name(call->ctx, call->rest,
                                              of_path));
    *other = value ? value : "";
    return nmdm_api_declarations_check_name(
        call->ctx, *other, apr_psprintf(call->ctx->pool,
                                        "the parameter \"%s\"", parameter));
}

typedef nmdm_err_t *(*lint_fn)(nmdm_ctx_t *, apr_array_header_t *,
                               const char *, const char *);

static nmdm_err_t *judge(nmdm_ctx_t *ctx, work_t *work, lint_fn lint)
{
    work->warnings = apr_array_make(ctx->pool, 2,
                                    sizeof(nmdm_declaration_lint_t));
    if (!ctx->policy->declarations->lints) {
        return NULL;
    }
    NMDM_TRY(lint(ctx, work->warnings, work->set, work->identifier));
    return nmdm_api_declaration_upload_warn(work->warnings, work->call);
}

static nmdm_err_t *do_add(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    NMDM_TRY(judge(ctx, work, nmdm_api_declaration_set_lint_add));
    return nmdm_declarations_set_add(ctx, &work->found, &work->changed,
                                     work->set, work->identifier,
                                     work->notifies);
}

static nmdm_err_t *do_remove(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    work->found = 1;
    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    NMDM_TRY(judge(ctx, work, nmdm_api_declaration_set_lint_remove));
    return nmdm_declarations_set_remove(ctx, &work->changed, work->set,
                                        work->identifier, work->notifies);
}

static nmdm_err_t *change_set(nmdm_api_declarations_call_t *call,
                              nmdm_unit_fn change)
{
    work_t work = { .call = call, .set = call->rest };

    NMDM_TRY(read_names(call, &work.identifier, "the set in the path",
                        "declaration"));
    work.notifies = nmdm_api_declarations_notifies(call);
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_TRANSACTION, change, &work));
    if (!work.found) {
        return nmdm_api_declarations_unknown(call->ctx, work.identifier);
    }
    nmdm_api_declarations_changed(call, work.changed);
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_sets_add(nmdm_api_declarations_call_t *call)
{
    return change_set(call, do_add);
}

nmdm_err_t *nmdm_api_declaration_sets_remove(
    nmdm_api_declarations_call_t *call)
{
    return change_set(call, do_remove);
}

/* ---- Sets and enrollments ---- */

static nmdm_err_t *do_assign(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_assign(ctx, &work->changed, work->id, work->set,
                                    work->notifies);
}

static nmdm_err_t *do_unassign(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_unassign(ctx, &work->changed, work->id,
                                      work->set, work->notifies);
}

static nmdm_err_t *change_enrollment(nmdm_api_declarations_call_t *call,
                                     nmdm_unit_fn change)
{
    work_t work = { .call = call, .id = call->rest };

    NMDM_TRY(read_names(call, &work.set, "the enrollment id in the path",
                        "set"));
    work.notifies = nmdm_api_declarations_notifies(call);
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_TRANSACTION, change, &work));
    nmdm_api_declarations_changed(call, work.changed);
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_sets_assign(
    nmdm_api_declarations_call_t *call)
{
    return change_enrollment(call, do_assign);
}

nmdm_err_t *nmdm_api_declaration_sets_unassign(
    nmdm_api_declarations_call_t *call)
{
    return change_enrollment(call, do_unassign);
}

static nmdm_err_t *do_unassign_all(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_unassign_all(ctx, &work->changed, work->id,
                                          work->notifies);
}

/* KMFDDM's server has /enrollment-sets-all/sets/ID, its script and its OpenAPI
 * file /enrollment-sets-all/ID. */
nmdm_err_t *nmdm_api_declaration_sets_unassign_all(
    nmdm_api_declarations_call_t *call)
{
    const char *rest = call->rest;
    work_t work = {
        .call = call,
        .id = !strncmp(rest, "sets/", 5) && rest[5] ? rest + 5 : rest,
        .notifies = nmdm_api_declarations_notifies(call)
    };

    NMDM_TRY(nmdm_api_declarations_check_name(
        call->ctx, work.id, "the enrollment id in the path"));
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_TRANSACTION, do_unassign_all,
                          &work));
    nmdm_api_declarations_changed(call, work.changed);
    return NULL;
}

/* ---- Many enrollments ---- */

static nmdm_err_t *read_ids(nmdm_api_declarations_call_t *call,
                            const apr_array_header_t **out)
{
    apr_pool_t *p = call->ctx->pool;
    apr_array_header_t *ids = apr_array_make(p, 1024, sizeof(const char *));
    const nmdm_json_tree_t *list, *one;
    nmdm_json_tree_t *root;

    NMDM_TRY(nmdm_json_tree_read(&root, p, call->body, 64,
                                 NMDM_TREE_STRICT));
    list = nmdm_json_tree_get(root, "ids");
    if (!list || list->type != NMDM_TREE_ARRAY || list->count > MOST_IDS) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(2550)
                        "the body is not an object with \"ids\", an array"
                        " of up to %d strings", MOST_IDS);
    }
    for (one = list->first; one; one = one->next) {
        if (one->type != NMDM_TREE_STRING) {
            return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(2551)
                            "$.ids[%d] is %s, not a string", ids->nelts,
                            nmdm_json_tree_type_name(one->type));
        }
        NMDM_TRY(nmdm_api_declarations_check_name(
            call->ctx, one->text.data,
            apr_psprintf(p, "$.ids[%d]", ids->nelts)));
        APR_ARRAY_PUSH(ids, const char *) = one->text.data;
    }
    *out = nmdm_api_answer_distinct(p, ids);
    return NULL;
}

static nmdm_err_t *do_many(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return work->many(ctx, &work->changed, work->ids, work->set,
                      work->notifies);
}

static nmdm_err_t *change_part(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                               int done, void *baton)
{
    work_t *work = baton;

    (void)done;
    work->ids = ids;
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_many, work));
    work->total += work->changed;
    return NULL;
}

static nmdm_err_t *change_many(nmdm_api_declarations_call_t *call,
                               work_t *work)
{
    nmdm_json_text_t *text = nmdm_json_text_create(call->ctx->pool);
    const apr_array_header_t *ids = NULL;

    NMDM_TRY(nmdm_api_declarations_check_name(call->ctx, call->rest,
                                              "the set in the path"));
    NMDM_TRY(read_ids(call, &ids));
    work->set = call->rest;
    work->notifies = nmdm_api_declarations_notifies(call);
    NMDM_TRY(nmdm_db_in_parts(call->ctx, ids, NMDM_DECLARATIONS_PAGE,
                              change_part, work));
    nmdm_json_text_raw(text, apr_psprintf(call->ctx->pool,
                                          "{\"changed\":%d}\n",
                                          work->total));
    nmdm_api_declarations_json(call, text);
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_sets_assign_many(
    nmdm_api_declarations_call_t *call)
{
    work_t work = { .call = call, .many = nmdm_declarations_assign_many };

    return change_many(call, &work);
}

nmdm_err_t *nmdm_api_declaration_sets_unassign_many(
    nmdm_api_declarations_call_t *call)
{
    work_t work = { .call = call, .many = nmdm_declarations_unassign_many };

    return change_many(call, &work);
}

/* ---- Notification ---- */

static nmdm_err_t *notify_declaration(nmdm_ctx_t *ctx, const char *identifier)
{
    apr_array_header_t *sets;
    int i;

    NMDM_TRY(nmdm_declarations_list_all(ctx, &sets, NMDM_LIST_SETS_OF,
                                        identifier));
    for (i = 0; i < sets->nelts; i++) {
        NMDM_TRY(nmdm_declarations_changes_set(
            ctx, APR_ARRAY_IDX(sets, i, const char *)));
    }
    return NULL;
}

static nmdm_err_t *do_notify(nmdm_ctx_t *ctx, void *baton)
{
    const nmdm_api_declarations_call_t *call = ((work_t *)baton)->call;
    int i;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    for (i = 0; i < call->params->nelts; i += 2) {
        const char *name = APR_ARRAY_IDX(call->params, i, const char *);
        const char *value = APR_ARRAY_IDX(call->params, i + 1, const char *);

        if (!strcmp(name, "set")) {
            NMDM_TRY(nmdm_declarations_changes_set(ctx, value));
        }
        else if (!strcmp(name, "id")) {
            NMDM_TRY(nmdm_declarations_changes_id(ctx, value));
        }
        else if (!strcmp(name, "declaration")) {
            NMDM_TRY(notify_declaration(ctx, value));
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_sets_notify(
    nmdm_api_declarations_call_t *call)
{
    work_t work = { .call = call };
    int i, n = 0;

    for (i = 0; i < call->params->nelts; i += 2) {
        const char *name = APR_ARRAY_IDX(call->params, i, const char *);

        if (!strcmp(name, "set") || !strcmp(name, "id")
            || !strcmp(name, "declaration")) {
            NMDM_TRY(nmdm_api_declarations_check_name(
                call->ctx, APR_ARRAY_IDX(call->params, i + 1, const char *),
                apr_psprintf(call->ctx->pool, "the parameter \"%s\"",
                             name)));
            n++;
        }
    }
    if (!n) {
        return nmdm_err(call->ctx->pool, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(2552) "name who is to be notified:"
                        " declaration=, set= or id=, each any number of"
                        " times");
    }
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_TRANSACTION, do_notify,
                          &work));
    nmdm_api_declarations_changed(call, 1);
    return NULL;
}
