/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_enrollment.c -- the command that makes a device ask, and what
 * follows from the life of an enrollment. */

#include "service/declarative_enrollment.h"
#include "base/time.h"
#include "codec/plist.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/declarations_changes.h"
#include "storage/declarations_given.h"
#include "storage/declarations_tokens.h"
#include "storage/enrollments.h"

#include <apr_strings.h>

#include <string.h>

nmdm_json_text_t *nmdm_declarative_enrollment_tokens(nmdm_ctx_t *ctx,
                                                     const char *token)
{
    nmdm_json_text_t *text = nmdm_json_text_create(ctx->pool);

    nmdm_json_text_raw(text, "{\"SyncTokens\":{");
    nmdm_json_text_pair(text, "DeclarationsToken", token);
    nmdm_json_text_pair(text, "Timestamp",
                        nmdm_time_rfc3339(ctx->pool, apr_time_now()));
    nmdm_json_text_raw(text, "}}");
    return text;
}

/* ---- The command ---- */

/* The text with Data, when it can be put there so that a reader finds it; else
 * NULL. */
static const char *with_data(apr_pool_t *p, const char *text,
                             nmdm_bytes_t data)
{
    static const char *const WANTED[] = { "Command/Data", NULL };
    const char *at = strstr(text, "<key>RequestType</key>");
    nmdm_bytes_t read, filled, whole;
    nmdm_plist_t *plist;

    if (!at) {
        return NULL;
    }
    whole.data = apr_pstrcat(
        p, apr_pstrmemdup(p, text, (apr_size_t)(at - text)),
        "<key>Data</key><data>", nmdm_base64_encode(p, data), "</data>", at,
        NULL);
    whole.len = strlen(whole.data);
    if (nmdm_plist_read(&plist, &read, p, whole, WANTED)
        || nmdm_plist_data(&filled, plist, "Command/Data")
        || filled.len != data.len
        || memcmp(filled.data, data.data, data.len)) {
        return NULL;
    }
    return whole.data;
}

static int has_data(apr_pool_t *p, const char *text)
{
    static const char *const WANTED[] = { "Command/Data", NULL };
    nmdm_bytes_t whole = { text, strlen(text) }, read, data = { NULL, 0 };
    nmdm_plist_t *plist;

    return nmdm_plist_read(&plist, &read, p, whole, WANTED)
        || nmdm_plist_data(&data, plist, "Command/Data") || data.data;
}

typedef struct {
    const char *id, *uuid, *token;
} delivery_t;

static nmdm_err_t *do_deliver(nmdm_ctx_t *ctx, void *baton)
{
    delivery_t *delivery = baton;

    return nmdm_declarations_given_delivered(ctx, delivery->id,
                                             delivery->uuid);
}

static nmdm_err_t *do_data(nmdm_ctx_t *ctx, void *baton)
{
    delivery_t *delivery = baton;

    NMDM_TRY(nmdm_declarations_given_token(ctx, &delivery->token,
                                           delivery->id));
    return nmdm_declarations_given_data(ctx, delivery->id, delivery->token);
}

nmdm_err_t *nmdm_declarative_enrollment_deliver(nmdm_ctx_t *ctx,
                                                nmdm_command_t *command,
                                                const nmdm_id_t *who)
{
    delivery_t delivery = { who->id, command->uuid, NULL };
    const char *filled;

    if (strcmp(command->request_type, "DeclarativeManagement")
        || !nmdm_schema_has_declarations(ctx)
        || has_data(ctx->pool, command->text)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_deliver, &delivery));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_data, &delivery));
    filled = with_data(ctx->pool, command->text, nmdm_json_text_bytes(
        nmdm_declarative_enrollment_tokens(ctx, delivery.token)));
    if (filled) {
        command->text = filled;
    }
    return NULL;
}

/* ---- Repair ---- */

typedef struct {
    const char *id, *uuid;      /* uuid NULL: after a status report */
    int is_mismatch, queued;
} repair_t;

/* Whether what the enrollment was given last is not what it has now. */
static nmdm_err_t *lags(nmdm_ctx_t *ctx, int *yes,
                        const nmdm_declarations_given_t *given,
                        const char *id)
{
    apr_array_header_t *none = apr_array_make(ctx->pool, 1,
                                              sizeof(const char *));
    const char *token;

    NMDM_TRY(nmdm_declarations_given_token(ctx, &token, id));
    if (!given->items_token && !given->data_token) {
        *yes = strcmp(token, nmdm_declarations_tokens_all(ctx->pool, none,
                                                          NULL)) != 0;
        return NULL;
    }
    *yes = (!given->items_token || strcmp(token, given->items_token))
        && (!given->data_token || strcmp(token, given->data_token));
    return NULL;
}

static nmdm_err_t *do_repair(nmdm_ctx_t *ctx, void *baton)
{
    repair_t *repair = baton;
    nmdm_declarations_given_t given;
    int yes;

    repair->queued = 0;
    NMDM_TRY(nmdm_declarations_given_get(ctx, &given, repair->id));
    if (!given.exists || (repair->uuid
                          && (!given.delivered_uuid
                              || strcmp(given.delivered_uuid,
                                        repair->uuid)))) {
        return NULL;
    }
    NMDM_TRY(lags(ctx, &yes, &given, repair->id));
    return yes || repair->is_mismatch
        ? nmdm_declarations_given_repair(ctx, &repair->queued, repair->id)
        : NULL;
}

static nmdm_err_t *repair(nmdm_ctx_t *ctx, repair_t *what)
{
    if (!ctx->policy->declarations->notifies_all) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_repair, what));
    if (what->queued) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(2523)
                 "%s: does not have its present declarations; another"
                 " DeclarativeManagement command is queued", what->id);
    }
    return NULL;
}

static nmdm_err_t *do_put_off(nmdm_ctx_t *ctx, void *baton)
{
    const nmdm_msg_t *msg = baton;

    return nmdm_declarations_given_put_off(ctx, msg->who.id,
                                           msg->u.report.command_uuid);
}

typedef struct {
    const nmdm_msg_t *msg;
    int is_its;
} look_t;

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    look_t *look = baton;
    nmdm_declarations_given_t given;

    NMDM_TRY(nmdm_declarations_given_get(ctx, &given, look->msg->who.id));
    look->is_its = given.delivered_uuid
        && !strcmp(given.delivered_uuid, look->msg->u.report.command_uuid);
    return NULL;
}

nmdm_err_t *nmdm_declarative_enrollment_report(nmdm_ctx_t *ctx,
                                               const nmdm_msg_t *msg)
{
    repair_t what = { msg->who.id, msg->u.report.command_uuid, 0, 0 };
    look_t look = { msg, 0 };

    if (!what.uuid || !strcmp(msg->u.report.status, "Idle")
        || !nmdm_schema_has_declarations(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, &look));
    if (!look.is_its) {
        return NULL;
    }
    if (!strcmp(msg->u.report.status, "NotNow")) {
        return nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_put_off, (void *)msg);
    }
    return strcmp(msg->u.report.status, "Acknowledged") ? NULL
        : repair(ctx, &what);
}

nmdm_err_t *nmdm_declarative_enrollment_compare(nmdm_ctx_t *ctx,
                                                const char *id,
                                                int is_mismatch)
{
    repair_t what = { id, NULL, is_mismatch, 0 };

    return repair(ctx, &what);
}

/* ---- The life of an enrollment ---- */

static nmdm_err_t *give_sets(nmdm_ctx_t *ctx, int *has_sets, const char *id)
{
    const apr_array_header_t *sets = ctx->policy->declarations->sets;
    apr_array_header_t *names = apr_array_make(ctx->pool, 4,
                                               sizeof(const char *));
    int i, changed;

    NMDM_TRY(nmdm_declarations_list(ctx, names, NMDM_LIST_ENROLLMENT_SETS,
                                    id, ""));
    *has_sets = names->nelts > 0;
    for (i = 0; !names->nelts && sets && i < sets->nelts; i++) {
        NMDM_TRY(nmdm_declarations_assign(
            ctx, &changed, id, APR_ARRAY_IDX(sets, i, const char *), 0));
        *has_sets = 1;
    }
    return NULL;
}

nmdm_err_t *nmdm_declarative_enrollment_begin(nmdm_ctx_t *ctx,
                                              const nmdm_id_t *who)
{
    apr_array_header_t *ids = apr_array_make(ctx->pool, 1,
                                             sizeof(const char *));
    int has_sets, queued;
    long tally;

    if (!nmdm_schema_has_declarations(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_enrollments_tally(ctx, &tally, who->id));
    if (tally != 1) {
        return NULL;
    }
    /* A renewal that was none has begun anew only now. */
    NMDM_TRY(nmdm_declarations_given_forget(ctx, who->id));
    NMDM_TRY(give_sets(ctx, &has_sets, who->id));
    if (!has_sets || !ctx->policy->declarations->notifies_all) {
        return NULL;
    }
    APR_ARRAY_PUSH(ids, const char *) = who->id;
    NMDM_TRY(nmdm_declarations_changes_queue(ctx, &queued, ids, NULL));
    return nmdm_declarations_changes_push(ctx, who->id);
}

nmdm_err_t *nmdm_declarative_enrollment_end(nmdm_ctx_t *ctx,
                                            const nmdm_id_t *who)
{
    apr_array_header_t *ids;
    int i;

    if (!nmdm_schema_has_declarations(ctx)) {
        return NULL;
    }
    if (who->on_user_channel) {
        return nmdm_declarations_given_forget(ctx, who->id);
    }
    NMDM_TRY(nmdm_declarations_given_ids(ctx, &ids, who->id));
    for (i = 0; i < ids->nelts; i++) {
        NMDM_TRY(nmdm_declarations_given_forget(
            ctx, APR_ARRAY_IDX(ids, i, const char *)));
    }
    return NULL;
}

nmdm_err_t *nmdm_declarative_enrollment_reset(nmdm_ctx_t *ctx,
                                              const char *device_id)
{
    apr_array_header_t *ids;
    int i, changed;

    if (!nmdm_schema_has_declarations(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_declarations_given_ids(ctx, &ids, device_id));
    for (i = 0; i < ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *);

        NMDM_TRY(nmdm_declarations_given_forget(ctx, id));
        if (ctx->policy->declarations->clears_sets) {
            NMDM_TRY(nmdm_declarations_unassign_all(ctx, &changed, id, 0));
        }
    }
    return NULL;
}
