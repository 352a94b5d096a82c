/* SPDX-License-Identifier: Apache-2.0 */
/* enqueue.c -- queues commands, and pushes. */

#include "api/enqueue.h"
#include "api/answer.h"
#include "api/command_json.h"
#include "api/enqueue_options.h"
#include "api/names.h"
#include "base/time.h"
#include "codec/json.h"
#include "db/db.h"
#include "mdm/message.h"
#include "push/apns_message.h"
#include "push/push.h"
#include "storage/push_state.h"
#include "storage/queue.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* A transaction keeps others from the enrollments it names. */
#define ENQUEUE_PART 1000
/* So many make a line in the log. */
#define LOG_EVERY 10000

/* ---- The result of enqueue and push (behaviour specification 6.5) ---- */

typedef struct {
    apr_pool_t *pool;
    const apr_array_header_t *ids;
    nmdm_command_t command;             /* uuid NULL: there is none */
    nmdm_enqueue_options_t options;       /* on which it is queued */
    int pushes;                         /* also wakes the devices up? */
    int lacks_command;                  /* asked to queue what is not there? */
    int status;                         /* set when the call as such failed */
    const char *command_error;          /* or NULL */
    const char *push_error;             /* of the whole call, or NULL */
    nmdm_json_t *per_id;
    int queued;                         /* ids that have the command */
    int failures;                       /* ids that could not be pushed to */
} call_t;

static int status_of_call(const call_t *call)
{
    if (call->status) {
        return call->status;
    }
    if (call->push_error) {
        return 500;
    }
    return !call->failures ? 200
        : call->failures == call->ids->nelts ? 500 : 207;
}

static void describe_call(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                          const call_t *call)
{
    nmdm_json_t *result = nmdm_json_object(ctx->pool);

    if (!nmdm_json_is_empty(call->per_id)) {
        nmdm_json_set_object(result, "status",
                             nmdm_json_sorted(call->per_id));
    }
    if (!call->pushes) {
        nmdm_json_add_bool(result, "no_push", 1);
    }
    if (call->push_error) {
        nmdm_json_add_string(result, "push_error", call->push_error);
    }
    if (call->command_error) {
        nmdm_json_add_string(result, "command_error", call->command_error);
    }
    if (call->command.uuid) {
        nmdm_json_add_string(result, "command_uuid", call->command.uuid);
        nmdm_json_add_string(result, "request_type",
                             call->command.request_type);
    }
    if (call->lacks_command) {
        nmdm_json_add_bool(result, "queued", 0);
    }
    *status = status_of_call(call);
    nmdm_api_answer_object(reply, ctx->pool, result);
}

/* ---- Push ---- */

static void note_push(void *baton, const nmdm_push_result_t *result)
{
    call_t *call = baton;
    nmdm_json_t *entry;

    if (!result->id) {
        call->push_error = apr_pstrdup(call->pool, result->error);
        return;
    }
    call->failures += result->error != NULL;
    entry = nmdm_json_child(call->per_id, result->id);
    if (result->error) {
        nmdm_json_add_string(entry, "push_error", result->error);
    }
    if (result->apns_id) {
        nmdm_json_add_string(entry, "push_result", result->apns_id);
    }
}

static nmdm_err_t *push(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                        const apr_array_header_t *ids, int lacks_command)
{
    call_t call = { .pool = ctx->pool,
                    .ids = nmdm_api_answer_distinct(ctx->pool, ids),
                    .pushes = 1,
                    .lacks_command = lacks_command,
                    .per_id = nmdm_json_object(ctx->pool) };
    nmdm_err_t *err = nmdm_api_answer_check_ids(ctx->pool, call.ids);

    if (!err) {
        err = nmdm_push_send(ctx, call.ids, NMDM_PUSH_NOW, note_push, &call);
    }
    if (err) {
        call.status = nmdm_api_answer_status(err, 0);
        call.push_error = nmdm_err_text(err);
    }
    describe_call(ctx, reply, status, &call);
    return err;
}

nmdm_err_t *nmdm_api_enqueue_push(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const apr_array_header_t *ids)
{
    return push(ctx, reply, status, ids, 0);
}

/* ---- Enqueue ---- */

/* A part of the ids, in a transaction of its own. */
typedef struct {
    call_t *call;
    const apr_array_header_t *ids;
    int is_first;
    int is_written;             /* but perhaps not committed */
    int has_one_writer;         /* found out while it is queued */
} part_t;

/* A connection may be lost while the answer to COMMIT is under way. */
static nmdm_err_t *is_committed(nmdm_ctx_t *ctx, int *yes, const part_t *part)
{
    *yes = 0;
    return part->is_written
        ? nmdm_queue_has(ctx, yes, APR_ARRAY_IDX(part->ids, 0, const char *),
                         part->call->command.uuid) : NULL;
}

static nmdm_err_t *do_enqueue(nmdm_ctx_t *ctx, void *baton)
{
    part_t *part = baton;
    int is_there;

    NMDM_TRY(is_committed(ctx, &is_there, part));
    if (is_there) {
        return NULL;
    }
    part->has_one_writer = ctx->db->dialect->has_one_writer;
    if (part->is_first) {
        NMDM_TRY(nmdm_queue_put_command(ctx, &part->call->command));
    }
    NMDM_TRY(nmdm_queue_put(ctx, part->call->command.uuid, part->ids,
                            &part->call->options));
    if (part->call->pushes && ctx->policy->push->repeats) {
        NMDM_TRY(nmdm_push_state_expect(ctx, part->ids,
                                        ctx->now
                                            + NMDM_PUSH_STATE_FIRST_CHECK));
    }
    part->is_written = 1;
    return NULL;
}

static nmdm_err_t *enqueue_part(nmdm_ctx_t *ctx,
                                const apr_array_header_t *ids, int done,
                                void *baton)
{
    apr_time_t started = nmdm_time_steady();
    call_t *call = baton;
    part_t part = { .call = call, .ids = ids, .is_first = !done };

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_enqueue, &part));
    call->queued = done + ids->nelts;
    if (part.has_one_writer && call->queued < call->ids->nelts) {
        /* Its driver has one lock for all connections of a process: devices
         * get it for as long as this part had it. */
        nmdm_db_release(ctx);
        apr_sleep(nmdm_time_steady() - started);
    }
    if (call->queued % LOG_EVERY == 0 || call->queued == call->ids->nelts) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0904)
                 "%s: %s %s queued for %d of %d %s [trace %s]",
                 APR_ARRAY_IDX(call->ids, 0, const char *),
                 call->command.request_type, call->command.uuid,
                 call->queued, call->ids->nelts,
                 nmdm_text_plural(call->ids->nelts, "enrollment",
                                  "enrollments"),
                 ctx->trace_id);
    }
    return NULL;
}

static nmdm_err_t *do_check_ids(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_queue_check_ids(ctx, baton);
}

static nmdm_err_t *check_part(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                              int done, void *baton)
{
    (void)done;
    (void)baton;
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_check_ids, (void *)ids);
}

static nmdm_err_t *do_take_back(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_queue_take_back(ctx, ((call_t *)baton)->command.uuid);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Rows that are written in the order of their key cost databases less, and
 * calls for the same ids do not wait for each other crosswise. */
static apr_array_header_t *sorted(apr_pool_t *p, const apr_array_header_t *ids)
{
    apr_array_header_t *copy = apr_array_copy(p, ids);

    qsort(copy->elts, (size_t)copy->nelts, (size_t)copy->elt_size,
          compare_ids);
    return copy;
}

/* All of the ids or none, as far as that can be done without keeping devices
 * and other operators waiting for one long transaction. */
static nmdm_err_t *enqueue(nmdm_ctx_t *ctx, call_t *call)
{
    nmdm_err_t *err;

    ctx->access_log.next_command_uuid = call->command.uuid;
    ctx->access_log.request_type = call->command.request_type;
    if (call->ids->nelts > ENQUEUE_PART) {
        NMDM_TRY(nmdm_db_in_parts(ctx, call->ids, ENQUEUE_PART, check_part,
                                  NULL));
    }
    err = nmdm_db_in_parts(ctx, sorted(ctx->pool, call->ids), ENQUEUE_PART,
                           enqueue_part, call);
    if (err && call->queued) {
        int remains = nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_take_back, call)
            != NULL;

        return nmdm_err(ctx->pool, err->kind, err->rv, NMDMNO(0922)
                        "%s; %s was queued for %d of %d by then, %s",
                        nmdm_err_text(err), call->command.uuid, call->queued,
                        call->ids->nelts,
                        remains ? "and stays so: cancel it"
                                : "and is withdrawn");
    }
    return err;
}

/* What people send instead of a command. */
static const char *mistaken_for(nmdm_bytes_t body)
{
    const char *start = body.data + strspn(body.data, " \t\r\n");

    if (*start == '{') {
        return "this is JSON: MicroMDM JSON goes to /commands";
    }
    if (*start == '\x30' || (strstr(start, "<key>PayloadType</key>")
                            && !strstr(start, "<key>RequestType</key>"))) {
        return "this is a profile: wrap it in an InstallProfile command, whose"
               " Payload it is";
    }
    return NULL;
}

static nmdm_err_t *understand(nmdm_ctx_t *ctx, call_t *call,
                              nmdm_bytes_t body)
{
    const char *hint;
    nmdm_err_t *err;

    NMDM_TRY(nmdm_api_answer_check_ids(ctx->pool, call->ids));
    if (!body.len) {
        return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS,
                        NMDMNO(0903) "must enqueue or push");
    }
    err = nmdm_message_command(&call->command, ctx->pool, body);
    hint = err ? mistaken_for(body) : NULL;
    return !hint ? err
        : nmdm_err(ctx->pool, err->kind, err->rv, NMDMNO(0925) "%s; %s",
                   nmdm_err_text(err), hint);
}

nmdm_err_t *nmdm_api_enqueue(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                             int *status, const apr_array_header_t *ids,
                             nmdm_bytes_t body, int pushes)
{
    nmdm_enqueue_options_t usual = { 0, 0 };

    return nmdm_api_enqueue_on(ctx, reply, status, ids, body, pushes,
                               &usual);
}

nmdm_err_t *nmdm_api_enqueue_on(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                int *status, const apr_array_header_t *ids,
                                nmdm_bytes_t body, int pushes,
                                const nmdm_enqueue_options_t *options)
{
    call_t call = { .pool = ctx->pool,
                    .ids = nmdm_api_answer_distinct(ctx->pool, ids),
                    .pushes = pushes,
                    .options = *options,
                    .per_id = nmdm_json_object(ctx->pool) };
    nmdm_err_t *err;

    if (!body.len && pushes) {
        return push(ctx, reply, status, ids, 1);
    }
    err = understand(ctx, &call, body);
    if (err) {
        call.command.uuid = NULL;
        call.status = nmdm_api_answer_status(err, 0);
        call.command_error = nmdm_err_text(err);
    }
    else if ((err = enqueue(ctx, &call))) {
        call.status = nmdm_api_answer_status(err, 1);
        call.command_error = nmdm_err_text(err);
    }
    else if (pushes && (err = nmdm_push_send(ctx, call.ids, NMDM_PUSH_NOW,
                                     note_push, &call))) {
        call.push_error = nmdm_err_text(err);
    }
    describe_call(ctx, reply, status, &call);
    return err;
}

/* ---- The same with everything in a JSON body ---- */

static nmdm_err_t *decode_command(nmdm_bytes_t *command, apr_pool_t *p,
                                  const nmdm_json_t *request)
{
    const char *base64 = nmdm_json_string(request, "command");

    if (!base64 || !nmdm_base64_decode(command, p, base64, strlen(base64),
                                       0)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0911)
                        "\"command\" is not base64 of a property list");
    }
    return NULL;
}

static nmdm_err_t *read_request(nmdm_ctx_t *ctx, apr_array_header_t **ids,
                                nmdm_bytes_t *command, int *pushes,
                                nmdm_enqueue_options_t *options,
                                nmdm_bytes_t json)
{
    nmdm_json_t *request;

    NMDM_TRY(nmdm_json_read(&request, ctx->pool, json));
    /* One body serves push as well, which has no use for the rest of it. */
    NMDM_TRY(nmdm_api_names_check_keys(
        ctx->pool, request, "ids command nopush priority expires"));
    NMDM_TRY(nmdm_json_strings(ids, ctx->pool, request, "ids"));
    if (command) {
        *pushes = !nmdm_json_is_true(request, "nopush");
        NMDM_TRY(nmdm_api_enqueue_options_json(options, ctx, request));
        return decode_command(command, ctx->pool, request);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_enqueue_json(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, nmdm_bytes_t json, int enqueues)
{
    apr_array_header_t *ids;
    nmdm_bytes_t command;
    nmdm_enqueue_options_t options;
    int pushes = 1;
    nmdm_err_t *err = read_request(ctx, &ids, enqueues ? &command : NULL,
                                   &pushes, &options, json);

    if (err) {
        *status = nmdm_api_answer_status(err, 0);
        nmdm_api_answer_error(reply, ctx->pool, nmdm_err_text(err));
        return err;
    }
    return enqueues
        ? nmdm_api_enqueue_on(ctx, reply, status, ids, command, pushes,
                              &options)
        : nmdm_api_enqueue_push(ctx, reply, status, ids);
}

/* ---- Commands in JSON ---- */

static nmdm_err_t *read_command(nmdm_ctx_t *ctx, apr_array_header_t **ids,
                                nmdm_bytes_t *command, int *pushes,
                                nmdm_enqueue_options_t *options,
                                nmdm_bytes_t json)
{
    nmdm_json_t *given, *nopush;

    NMDM_TRY(nmdm_json_read(&given, ctx->pool, json));
    NMDM_TRY(nmdm_api_command_json_ids(ids, ctx, given));
    NMDM_TRY(nmdm_api_enqueue_options_json(options, ctx, given));
    NMDM_TRY(nmdm_json_typed(&nopush, given, "nopush", NMDM_JSON_TRUE));
    *pushes = !nmdm_json_is_true(given, "nopush");
    return nmdm_api_command_json_plist(command, ctx, given);
}

nmdm_err_t *nmdm_api_enqueue_command(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, nmdm_bytes_t json)
{
    apr_array_header_t *ids;
    nmdm_bytes_t command;
    nmdm_enqueue_options_t options;
    int pushes;
    nmdm_err_t *err = read_command(ctx, &ids, &command, &pushes, &options,
                                   json);

    if (err) {
        *status = nmdm_api_answer_status(err, 0);
        nmdm_api_answer_error(reply, ctx->pool, nmdm_err_text(err));
        return err;
    }
    return nmdm_api_enqueue_on(ctx, reply, status, ids, command, pushes,
                               &options);
}
