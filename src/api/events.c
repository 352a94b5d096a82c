/* SPDX-License-Identifier: Apache-2.0 */
/* events.c -- the outbox of webhooks, for operators. */

#include "api/events.h"
#include "api/answer.h"
#include "api/names.h"
#include "webhook/event.h"
#include "webhook/relay.h"
#include "db/db.h"
#include "codec/json.h"
#include "storage/outbox.h"
#include "base/time.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Answers the operator what is wrong with the call. */
static nmdm_err_t *refuse(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                          int code, nmdm_err_t *err)
{
    nmdm_api_answer_error(reply, ctx->pool, nmdm_err_text(err));
    *status = code;
    return err;
}

/* The number of a row: digits, of no more than 63 bits. */
static int is_number(const char *text)
{
    apr_size_t len = strlen(text);

    return len && len <= 18 && strspn(text, "0123456789") == len;
}

/* A database without an outbox has no events, and cannot be asked. */
static nmdm_err_t *has_outbox(nmdm_ctx_t *ctx)
{
    return nmdm_outbox_takes(ctx, 0) ? NULL
        : nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1831)
                   "-: the database has no table nanomdm_events; run the"
                   " scripts of schema/upgrade");
}

/* ---- List ---- */

typedef struct {
    int dead;
    const char *after;
    apr_array_header_t *events;
} list_t;

static nmdm_err_t *do_list(nmdm_ctx_t *ctx, void *baton)
{
    list_t *list = baton;

    NMDM_TRY(has_outbox(ctx));
    list->events = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                  sizeof(nmdm_listed_event_t));
    return nmdm_outbox_list(ctx, list->events, list->dead, list->after);
}

static const char *text_of(apr_pool_t *p, apr_int64_t seconds)
{
    return nmdm_time_rfc3339(p, apr_time_from_sec(seconds));
}

/* Keys in the order of the alphabet. */
static void describe(nmdm_json_t *object, apr_pool_t *p,
                     const nmdm_listed_event_t *event, int dead)
{
    /* What never failed is due since it was made. */
    apr_int64_t next = event->next_at ? event->next_at : event->created_at;

    nmdm_json_add_string(object, "created_at",
                         text_of(p, event->created_at));
    nmdm_json_add_string(object, "device_id", event->device_id);
    nmdm_json_add_string(object, "event_id", event->event_id);
    nmdm_json_add_string(object, "id", event->seq);
    nmdm_json_add_text(object, "last_error", event->last_error);
    if (!dead) {
        nmdm_json_add_string(object, "next_try_at", text_of(p, next));
    }
    nmdm_json_add_string(object, "target", event->target);
    nmdm_json_add_string(object, "topic", event->topic);
    nmdm_json_add_integer(object, "tries", event->tries);
}

static nmdm_err_t *bad_list(nmdm_ctx_t *ctx, const char *state,
                            const char *limit, const char *cursor)
{
    if (state && strcmp(state, "dead") && strcmp(state, "pending")) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1832)
                        "-: state must be dead or pending");
    }
    if ((limit && (!is_number(limit) || !apr_atoi64(limit)))
        || (cursor && !is_number(cursor))) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1833)
                        "-: limit and cursor must be numbers, limit from 1"
                        " on");
    }
    return NULL;
}

nmdm_err_t *nmdm_api_events_list(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const char *state,
                                 const char *limit, const char *cursor)
{
    list_t list = { !state || !strcmp(state, "dead"), cursor ? cursor : "0",
                    NULL };
    apr_int64_t most = limit ? apr_atoi64(limit) : NMDM_SQL_IDS;
    nmdm_json_t *answer = nmdm_json_object(ctx->pool), *events;
    nmdm_err_t *err = bad_list(ctx, state, limit, cursor);
    const nmdm_listed_event_t *event = NULL;
    int i;

    if (err) {
        return refuse(ctx, reply, status, 400, err);
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_list, &list));
    events = nmdm_json_add_array(answer, "events");
    for (i = 0; i < list.events->nelts && i < most; i++) {
        event = &APR_ARRAY_IDX(list.events, i, nmdm_listed_event_t);
        describe(nmdm_json_add_object(events, NULL), ctx->pool, event,
                 list.dead);
    }
    if (event && (i < list.events->nelts || i == NMDM_SQL_IDS)) {
        nmdm_json_add_string(answer, "next_cursor", event->seq);
    }
    nmdm_api_answer_object(reply, ctx->pool, answer);
    return NULL;
}

/* ---- Replay and drop ---- */

typedef struct {
    const apr_array_header_t *ids;
    const char *target, *id;
    int number;
} change_t;

static nmdm_err_t *do_replay(nmdm_ctx_t *ctx, void *baton)
{
    change_t *change = baton;

    NMDM_TRY(has_outbox(ctx));
    return change->target
        ? nmdm_outbox_replay_target(ctx, &change->number, change->target)
        : nmdm_outbox_replay(ctx, &change->number, change->ids);
}

static nmdm_err_t *read_replay(nmdm_ctx_t *ctx, change_t *change,
                               nmdm_bytes_t json)
{
    apr_array_header_t *ids;
    nmdm_json_t *asked;
    int i;

    NMDM_TRY(nmdm_json_read(&asked, ctx->pool, json));
    NMDM_TRY(nmdm_api_names_check_keys(ctx->pool, asked, "ids target"));
    change->target = nmdm_json_string(asked, "target");
    if (change->target) {
        return NULL;
    }
    NMDM_TRY(nmdm_json_strings(&ids, ctx->pool, asked, "ids"));
    for (i = 0; i < ids->nelts; i++) {
        if (!is_number(APR_ARRAY_IDX(ids, i, const char *))) {
            return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS,
                            NMDMNO(1834) "-: ids must be those of GET"
                            " .../events, as strings");
        }
    }
    change->ids = ids;
    return NULL;
}

nmdm_err_t *nmdm_api_events_replay(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                   int *status, nmdm_bytes_t json)
{
    nmdm_json_t *answer = nmdm_json_object(ctx->pool);
    change_t change = { NULL, NULL, NULL, 0 };
    nmdm_err_t *err = read_replay(ctx, &change, json);

    if (err) {
        return refuse(ctx, reply, status, 400, err);
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_replay, &change));
    if (ctx->services->relay) {
        nmdm_relay_wake(ctx->services->relay);
    }
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1835) "-: %d dead %s tried again",
             change.number,
             nmdm_text_plural(change.number, "event is", "events are"));
    nmdm_json_add_integer(answer, "replayed", change.number);
    nmdm_api_answer_object(reply, ctx->pool, answer);
    return NULL;
}

static nmdm_err_t *do_drop(nmdm_ctx_t *ctx, void *baton)
{
    change_t *change = baton;

    NMDM_TRY(has_outbox(ctx));
    return nmdm_outbox_drop(ctx, &change->number, change->id);
}

nmdm_err_t *nmdm_api_events_drop(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const char *id)
{
    nmdm_json_t *answer = nmdm_json_object(ctx->pool);
    change_t change = { NULL, NULL, id, 0 };

    if (is_number(id)) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_drop, &change));
    }
    if (!change.number) {
        return refuse(ctx, reply, status, 404, nmdm_err(
            ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1836)
            "-: there is no such event"));
    }
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1837) "-: event %s was dropped", id);
    nmdm_json_add_integer(answer, "dropped", change.number);
    nmdm_api_answer_object(reply, ctx->pool, answer);
    return NULL;
}

/* ---- For people ---- */

typedef struct {
    nmdm_api_events_page_t *out;
    int dead;
    const char *after;
} look_t;

/* Several rules may name one receiver. */
static void add_state(apr_array_header_t *states, const char *target)
{
    int i;

    for (i = 0; i < states->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(states, i, nmdm_outbox_state_t).target,
                    target)) {
            return;
        }
    }
    APR_ARRAY_PUSH(states, nmdm_outbox_state_t)
        = (nmdm_outbox_state_t){ .target = target };
}

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    look_t *look = baton;
    nmdm_api_events_page_t *out = look->out;
    int i;

    apr_array_clear(out->events);
    out->has_outbox = nmdm_outbox_takes(ctx, 0);
    if (!out->has_outbox) {
        return NULL;
    }
    for (i = 0; i < out->states->nelts; i++) {
        NMDM_TRY(nmdm_outbox_state(ctx, &APR_ARRAY_IDX(
            out->states, i, nmdm_outbox_state_t)));
    }
    return nmdm_outbox_list(ctx, out->events, look->dead, look->after);
}

nmdm_err_t *nmdm_api_events_page(nmdm_api_events_page_t *out, nmdm_ctx_t *ctx,
                                 int dead, const char *after)
{
    look_t look = { out, dead, after && is_number(after) ? after : "0" };
    const apr_array_header_t *webhooks = ctx->policy->webhooks;
    int i;

    out->events = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                 sizeof(nmdm_listed_event_t));
    out->states = apr_array_make(ctx->pool, 4, sizeof(nmdm_outbox_state_t));
    for (i = 0; webhooks && i < webhooks->nelts; i++) {
        add_state(out->states, APR_ARRAY_IDX(webhooks, i,
                                             nmdm_webhook_conf_t *)->target);
    }
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, &look);
}
