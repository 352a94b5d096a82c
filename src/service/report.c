/* SPDX-License-Identifier: Apache-2.0 */
/* report.c -- command reports: the result, NotNow too, is stored, and the next
 * command is the answer. */

#include "service/service.h"
#include "db/combiner.h"
#include "db/db.h"
#include "db/schema.h"
#include "mdm/message.h"
#include "service/certauth.h"
#include "service/declarative_enrollment.h"
#include "service/renewal_delivery.h"
#include "storage/queue.h"
#include "storage/queue_poll.h"
#include "storage/queue_reports.h"
#include "webhook/publish.h"

#include <string.h>

static nmdm_err_t *do_see(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_service_see(ctx, baton);
}

typedef struct {
    const nmdm_msg_t *msg;
    int stored;
    nmdm_next_e next;
    int waits;                  /* is a command known to wait? */
    nmdm_command_t command;
    nmdm_publication_t publication;
} report_t;

static nmdm_err_t *do_admit(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_certauth_admit(ctx, &((report_t *)baton)->msg->who);
}

static nmdm_err_t *do_store(nmdm_ctx_t *ctx, void *baton)
{
    report_t *in = baton;

    NMDM_TRY(nmdm_queue_report(ctx, &in->stored, &in->next, &in->command,
                               in->msg));
    ctx->is_admitted |= in->stored > 0;
    return in->stored ? nmdm_publish_write(ctx, &in->publication) : NULL;
}

/* One statement, unless an event is to be committed with it. */
static nmdm_err_t *store(nmdm_ctx_t *ctx, report_t *in)
{
    nmdm_err_t *err = nmdm_db_unit(
        ctx, (nmdm_unit_e)nmdm_publish_unit(ctx, in->msg, NMDM_UNIT_WRITE),
        do_store, in);

    in->publication.is_written &= !err;
    return err;
}

static nmdm_err_t *do_remove(nmdm_ctx_t *ctx, void *baton)
{
    report_t *in = baton;
    int was_queued;

    NMDM_TRY(nmdm_certauth_admit(ctx, &in->msg->who));
    NMDM_TRY(nmdm_queue_remove(ctx, &was_queued, in->msg));
    in->publication.is_unfounded = !was_queued;
    return nmdm_publish_write(ctx, &in->publication);
}

static nmdm_err_t *do_remove_command(nmdm_ctx_t *ctx, void *baton)
{
    report_t *in = baton;

    return nmdm_queue_remove_command(ctx,
                                     in->msg->u.report.command_uuid);
}

static nmdm_err_t *do_next(nmdm_ctx_t *ctx, void *baton)
{
    report_t *in = baton;

    in->next = in->waits ? NMDM_NEXT_COMMAND : NMDM_NEXT_UNKNOWN;
    NMDM_TRY(nmdm_queue_next(ctx, &in->next, &in->command, &in->msg->who,
                             in->msg->u.report.status));
    ctx->is_admitted |= in->next != NMDM_NEXT_STRANGER;
    return NULL;
}

/* A report among others of the same time. */
typedef struct {
    nmdm_queue_report_t report; /* first */
    report_t *in;
    int is_alone;               /* has `in` the answer already? */
} report_call_t;

static nmdm_err_t *store_single(nmdm_ctx_t *ctx, void *baton)
{
    report_call_t *call = baton;

    call->is_alone = 1;
    return store(ctx, call->in);
}

static nmdm_err_t *do_store_all(nmdm_ctx_t *ctx, void *first)
{
    return nmdm_queue_reports(ctx, first);
}

static nmdm_err_t *store_together(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first)
{
    return nmdm_db_unit_once(ctx, NMDM_UNIT_TRANSACTION, do_store_all, first);
}

static void take_answer(nmdm_ctx_t *ctx, report_t *in,
                        const nmdm_queue_report_t *report)
{
    in->stored = report->stored;
    if (report->stored) {
        ctx->is_admitted = 1;
        in->next = report->next;
        in->command = report->command;
    }
}

/* Final reports on devices' own channels are stored with others, unless an
 * event is to be committed with one. */
static nmdm_err_t *store_among_others(nmdm_ctx_t *ctx, report_t *in)
{
    static const nmdm_combined_t REPORT = { store_single, store_together };
    report_call_t call = { .in = in };

    if (!ctx->services->reports || !nmdm_queue_reports_suit(in->msg)
        || ctx->policy->latest_only || !nmdm_schema_is_complete(ctx)
        || nmdm_publish_unit(ctx, in->msg, NMDM_UNIT_WRITE)
            != NMDM_UNIT_WRITE) {
        return store(ctx, in);
    }
    call.report.entry.key = in->msg->who.id;
    call.report.pool = ctx->pool;
    call.report.msg = in->msg;
    call.report.sha256 = ctx->cert->sha256;
    nmdm_db_release(ctx);
    NMDM_TRY(nmdm_combiner_run(ctx->services->reports, ctx, &REPORT, &call));
    if (!call.is_alone) {
        take_answer(ctx, in, &call.report);
    }
    return NULL;
}

/* In the normal course one statement admits and stores. Where it stored
 * nothing, the reasons are looked for; and a command that was not queued is
 * no reason to make the device repeat its report without end. */
static nmdm_err_t *store_report(nmdm_ctx_t *ctx, report_t *in)
{
    NMDM_TRY(store_among_others(ctx, in));
    if (in->stored) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_admit, in));
    NMDM_TRY(store(ctx, in));
    in->publication.is_unfounded = !in->stored;
    if (!in->stored) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0706)
                 "%s: report on a command that is not known or was not"
                 " changed by it: %s", in->msg->who.id,
                 in->msg->u.report.command_uuid);
    }
    return NULL;
}

static nmdm_err_t *take_report(nmdm_ctx_t *ctx, report_t *in)
{
    const nmdm_report_t *report = &in->msg->u.report;
    nmdm_err_t *err;

    if (!strcmp(report->status, "Idle")) {
        return NULL;
    }
    if (!report->command_uuid) {
        in->publication.is_unfounded = 1;
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0707)
                 "%s: report %s without a command's UUID is not stored",
                 in->msg->who.id, report->status);
        return NULL;
    }
    if (!ctx->policy->delete_commands || !strcmp(report->status, "NotNow")) {
        return store_report(ctx, in);
    }
    err = nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_remove, in);
    in->publication.is_written &= !err;
    NMDM_TRY(err);
    return nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_remove_command, in);
}

/* A poll among others of the same time. */
typedef struct {
    nmdm_queue_poll_t poll;     /* first */
    report_t *in;
} poll_call_t;

static nmdm_err_t *poll_single(nmdm_ctx_t *ctx, void *call)
{
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_next,
                        ((poll_call_t *)call)->in);
}

static nmdm_err_t *do_poll(nmdm_ctx_t *ctx, void *first)
{
    return nmdm_queue_poll(ctx, first);
}

static nmdm_err_t *poll_together(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first)
{
    return nmdm_db_unit_once(ctx, NMDM_UNIT_READ, do_poll, first);
}

/* A batch asks for device channels whether a command waits; it does not judge
 * NanoMDMAssociation latest. */
static int may_combine(nmdm_ctx_t *ctx, const report_t *in)
{
    return ctx->services->polls && !in->msg->who.on_user_channel
        && !strcmp(in->msg->u.report.status, "Idle")
        && !ctx->policy->latest_only && nmdm_schema_is_complete(ctx);
}

/* Most often nothing waits, which a batch can say. */
static nmdm_err_t *ask_next(nmdm_ctx_t *ctx, report_t *in)
{
    static const nmdm_combined_t POLL = { poll_single, poll_together };
    poll_call_t call = { .in = in };

    if (!may_combine(ctx, in)) {
        return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_next, in);
    }
    call.poll.entry.key = in->msg->who.id;
    call.poll.sha256 = ctx->cert->sha256;
    nmdm_db_release(ctx);
    NMDM_TRY(nmdm_combiner_run(ctx->services->polls, ctx, &POLL, &call));
    if (in->next != NMDM_NEXT_UNKNOWN) {
        return NULL;
    }
    if (call.poll.next == NMDM_NEXT_NOTHING) {
        in->next = NMDM_NEXT_NOTHING;
        ctx->is_admitted = 1;
        return NULL;
    }
    in->waits = call.poll.next == NMDM_NEXT_COMMAND;
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_next, in);
}

static nmdm_err_t *find_next(nmdm_ctx_t *ctx, report_t *in)
{
    if (in->next != NMDM_NEXT_UNKNOWN) {
        return NULL;
    }
    NMDM_TRY(ask_next(ctx, in));
    if (in->next != NMDM_NEXT_STRANGER) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_admit, in));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_next, in));
    return in->next != NMDM_NEXT_STRANGER ? NULL
        : nmdm_certauth_denied(ctx, in->msg->who.id,
                               "the certificate's association is"
                               " gone again");
}

/* A renewal that is of no use any more is cancelled, and the next command is
 * looked for. */
static nmdm_err_t *fill_renewal(nmdm_ctx_t *ctx, report_t *in)
{
    int is_stale;

    while (in->next == NMDM_NEXT_COMMAND) {
        NMDM_TRY(nmdm_renewal_delivery_fill(ctx, &is_stale, &in->command,
                                            &in->msg->who));
        if (!is_stale) {
            return NULL;
        }
        in->next = NMDM_NEXT_UNKNOWN;
        NMDM_TRY(find_next(ctx, in));
    }
    return NULL;
}

static void log_report(nmdm_ctx_t *ctx, const report_t *in)
{
    int idle = !strcmp(in->msg->u.report.status, "Idle");

    nmdm_log(ctx, idle ? NMDM_LOG_DEBUG : NMDM_LOG_INFO,
             NMDMNO(0708) "%s: %s%s%s (%s); next: %s%s%s [trace %s]",
             in->msg->who.id, in->msg->u.report.status,
             *ctx->access_log.command_uuid ? " " : "",
             ctx->access_log.command_uuid, in->msg->who.type,
             *ctx->access_log.next_command_uuid ? ctx->access_log.request_type
                                                : "nothing",
             *ctx->access_log.next_command_uuid ? " " : "",
             ctx->access_log.next_command_uuid, ctx->trace_id);
}

nmdm_err_t *nmdm_service_report(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                nmdm_bytes_t body)
{
    nmdm_msg_t msg;
    report_t in
        = { .msg = &msg, .publication = { &msg, NMDM_NO_TALLY, 0, 0, 0 } };
    nmdm_err_t *err;

    NMDM_TRY(nmdm_message_report(&msg, ctx->pool, body));
    nmdm_service_begin(ctx, &msg);
    nmdm_service_log_repair(ctx, &msg);
    NMDM_TRY(nmdm_certauth_has_cert(ctx, &msg.who));
    err = take_report(ctx, &in);
    if (!err) {
        err = find_next(ctx, &in);
    }
    NMDM_TRY(nmdm_publish_send(ctx, &in.publication, err));
    if (ctx->policy->declarations) {
        NMDM_TRY(nmdm_declarative_enrollment_report(ctx, &msg));
    }
    NMDM_TRY(nmdm_renewal_delivery_report(ctx, &msg));
    NMDM_TRY(fill_renewal(ctx, &in));
    NMDM_TRY(ctx->policy->sees_at_once
             ? nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_see, &msg.who)
             : nmdm_service_see(ctx, &msg.who));
    if (in.next == NMDM_NEXT_COMMAND && ctx->policy->declarations) {
        NMDM_TRY(nmdm_declarative_enrollment_deliver(ctx, &in.command,
                                                     &msg.who));
    }
    if (in.next == NMDM_NEXT_COMMAND) {
        ctx->access_log.next_command_uuid = in.command.uuid;
        ctx->access_log.request_type = in.command.request_type;
        reply->content_type = NMDM_TYPE_PLIST;
        reply->body.data = in.command.text;
        reply->body.len = strlen(in.command.text);
    }
    log_report(ctx, &in);
    nmdm_certauth_log_expiry(ctx, msg.who.id);
    return NULL;
}
