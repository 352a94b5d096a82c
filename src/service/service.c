/* SPDX-License-Identifier: Apache-2.0 */
/* service.c -- what to do with each message: the MDM protocol. */

#include "service/service.h"
#include "service/cert_binding.h"
#include "net/http_client.h"
#include "db/db.h"
#include "service/declarative.h"
#include "service/declarative_builtin.h"
#include "service/declarative_enrollment.h"
#include "mdm/message.h"
#include "codec/plist_write.h"
#include "storage/renewal.h"
#include "storage/last_seen.h"
#include "storage/cert_associations.h"
#include "storage/enrollments.h"
#include "storage/queue.h"
#include "webhook/publish.h"
#include "base/time.h"

#include <apr_strings.h>

#include <string.h>

/* The tally of a message that has none. */
#define NO_TALLY (-1)

static nmdm_err_t *denied(nmdm_ctx_t *ctx, const char *id, const char *why)
{
    return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS,
                    NMDMNO(0701) "%s: %s", id, why);
}

/* ---- Whose certificate is it? (behaviour specification 4) ---- */

/* Says in the log alone whose the certificate is: Migration Assistant copies an
 * identity to a new Mac, which then is refused until it is enrolled itself. */
static nmdm_err_t *denied_cert(nmdm_ctx_t *ctx, const nmdm_id_t *who,
                               const char *why)
{
    const char *owner;
    int is_known;

    NMDM_TRY(nmdm_cert_associations_owner(ctx, &owner));
    if (owner) {
        return denied(ctx, who->id, apr_psprintf(
            ctx->pool, "cert auth: %s: certificate %s belongs to %s", why,
            ctx->cert->sha256, owner));
    }
    NMDM_TRY(nmdm_enrollments_is_known(ctx, &is_known, who->device_id));
    return is_known
        ? denied(ctx, who->id, apr_psprintf(
              ctx->pool, "cert auth: %s: certificate %s belongs to no device",
              why, ctx->cert->sha256))
        : nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0728)
                   "%s: cert auth: %s: no device with this ID has enrolled;"
                   " certificate %s belongs to no device", who->id, why,
                   ctx->cert->sha256);
}

/* The edge sees to it; this is the second lock on the door. */
static nmdm_err_t *has_cert(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    return ctx->cert ? NULL : denied(ctx, who->id, "missing MDM certificate");
}

/* What NanoMDMIdentityGrace lets through is for those whose it was before. */
static nmdm_err_t *is_in_time(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    return !ctx->cert_expired ? NULL
        : nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0725)
                   "%s: identity certificate refused: it expired on %s and is"
                   " not associated with this device", who->id,
                   nmdm_time_rfc3339(ctx->pool, ctx->cert_expired));
}

static void remark_on_expiry(nmdm_ctx_t *ctx, const char *id)
{
    if (ctx->cert_expired) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0726)
                 "%s: served although its identity certificate expired on %s"
                 " (NanoMDMIdentityGrace)", id,
                 nmdm_time_rfc3339(ctx->pool, ctx->cert_expired));
    }
}

/* NanoMDMAssociation latest; whoever is refused for it is told so. */
static nmdm_err_t *is_not_outdated(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    int was_theirs = 0;

    if (ctx->policy->latest_only) {
        NMDM_TRY(nmdm_cert_associations_has(ctx, &was_theirs,
                                            who->device_id));
    }
    return !was_theirs ? NULL
        : denied(ctx, who->id, "cert auth: the device has enrolled with"
                               " another certificate since, and"
                               " NanoMDMAssociation is latest");
}

/* Rarely asked: the first question is of one statement, and has its answer for
 * whoever is known. */
static nmdm_err_t *look_again(nmdm_ctx_t *ctx, int *theirs,
                              const nmdm_id_t *who)
{
    NMDM_TRY(nmdm_cert_associations_use_known(ctx));
    return nmdm_cert_associations_counts(ctx, theirs, who->device_id);
}

/* A certificate stays with the device that first enrolled with it; a device
 * may come again with a new one. */
static nmdm_err_t *admit_new(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    const nmdm_id_t *who = &msg->who;
    int known, theirs;

    if (ctx->is_migration) {
        return NULL;
    }
    NMDM_TRY(has_cert(ctx, who));
    NMDM_TRY(nmdm_cert_associations_counts(ctx, &theirs, who->device_id));
    if (!theirs) {
        NMDM_TRY(nmdm_cert_associations_lock(ctx, NULL));
        NMDM_TRY(look_again(ctx, &theirs, who));
    }
    if (theirs) {
        ctx->is_admitted = 1;
        return NULL;
    }
    NMDM_TRY(is_not_outdated(ctx, who));
    NMDM_TRY(is_in_time(ctx, who));
    NMDM_TRY(nmdm_cert_associations_knows(ctx, &known));
    if (known) {
        return denied_cert(ctx, who, "new enrollment: cert re-use not"
                                     " permitted");
    }
    NMDM_TRY(nmdm_cert_binding_check(ctx, who, msg));
    ctx->is_admitted = 1;
    return nmdm_cert_associations_add(ctx, who->device_id);
}

static nmdm_err_t *admit(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    int theirs, has_another, known;

    if (ctx->is_migration) {
        return NULL;
    }
    NMDM_TRY(has_cert(ctx, who));
    NMDM_TRY(nmdm_cert_associations_counts(ctx, &theirs, who->device_id));
    if (!theirs) {
        if (ctx->policy->retroactive) {
            NMDM_TRY(nmdm_cert_associations_lock(ctx, NULL));
            NMDM_TRY(nmdm_cert_associations_lock(ctx, who->device_id));
        }
        NMDM_TRY(look_again(ctx, &theirs, who));
    }
    if (theirs) {
        ctx->is_admitted = 1;
        return NULL;
    }
    NMDM_TRY(is_not_outdated(ctx, who));
    NMDM_TRY(is_in_time(ctx, who));
    if (!ctx->policy->retroactive) {
        return denied_cert(ctx, who, "existing enrollment: enrollment not"
                                     " associated with cert");
    }
    NMDM_TRY(
        nmdm_cert_associations_device_has(ctx, &has_another, who->device_id));
    NMDM_TRY(nmdm_cert_associations_knows(ctx, &known));
    if (has_another || known) {
        return denied_cert(ctx, who, "existing enrollment: cert re-use not"
                                     " permitted");
    }
    NMDM_TRY(nmdm_cert_binding_check(ctx, who, NULL));
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0702)
             "%s: nobody's certificate %.16s... is to be associated"
             " retroactively", who->id, ctx->cert->sha256);
    ctx->is_admitted = 1;
    return nmdm_cert_associations_add_late(ctx, who->device_id);
}

/* ---- Check-ins ---- */

typedef struct {
    const nmdm_msg_t *msg;
    nmdm_reply_t *reply;
    nmdm_unit_fn handle;
    nmdm_publication_t told;           /* with the tally of a TokenUpdate */
} checkin_t;

static void begin_story(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    ctx->access_log.id = msg->who.id;
    ctx->access_log.type = msg->who.type;
    ctx->access_log.message = msg->type ? msg->type : msg->u.report.status;
    if (!msg->type && msg->u.report.command_uuid) {
        ctx->access_log.command_uuid = msg->u.report.command_uuid;
    }
}

static void remark_on_repair(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    if (msg->replaced) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0727) "%s: %d character%s that XML"
                 " does not allow stored as U+FFFD", msg->who.id,
                 msg->replaced, msg->replaced == 1 ? "" : "s");
    }
}

/* Within a unit, because it may write. */
static nmdm_err_t *see(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    if (ctx->policy->sees_at_once) {
        return nmdm_enrollments_seen_now(ctx, who->id);
    }
    if (ctx->services->seen) {
        nmdm_last_seen_note(ctx->services->seen, who->id);
    }
    return NULL;
}

static nmdm_err_t *do_see(nmdm_ctx_t *ctx, void *baton)
{
    return see(ctx, baton);
}

static void reply_plist(nmdm_reply_t *reply, nmdm_bytes_t xml)
{
    reply->content_type = NMDM_TYPE_PLIST;
    reply->body = xml;
}

/* Refused before anything is written: a user is no device. */
static nmdm_err_t *on_authenticate(nmdm_ctx_t *ctx, void *baton)
{
    const nmdm_msg_t *msg = ((checkin_t *)baton)->msg;
    int is_staged = 0;

    if (msg->who.on_user_channel) {
        return denied(ctx, msg->who.id, "Authenticate on a user channel");
    }
    NMDM_TRY(admit_new(ctx, msg));
    if (ctx->policy->keeps_renewed) {
        NMDM_TRY(nmdm_renewal_stage(ctx, &is_staged, msg));
    }
    else {
        NMDM_TRY(nmdm_renewal_drop(ctx, msg->who.id));
    }
    if (is_staged) {
        return NULL;
    }
    NMDM_TRY(nmdm_enrollments_authenticate(ctx, msg));
    return ctx->policy->declarations
        ? nmdm_declarative_enrollment_reset(ctx, msg->who.id) : NULL;
}

static nmdm_err_t *on_token_update(nmdm_ctx_t *ctx, void *baton)
{
    checkin_t *in = baton;
    const nmdm_msg_t *msg = in->msg;

    NMDM_TRY(admit(ctx, &msg->who));
    NMDM_TRY(nmdm_renewal_commit(ctx, msg));
    NMDM_TRY(nmdm_enrollments_token_update(ctx, msg));
    if (ctx->policy->declarations) {
        NMDM_TRY(nmdm_declarative_enrollment_begin(ctx, &msg->who));
    }
    return ctx->policy->webhooks
        ? nmdm_enrollments_tally(ctx, &in->told.tally, msg->who.id) : NULL;
}

static nmdm_err_t *on_check_out(nmdm_ctx_t *ctx, void *baton)
{
    const nmdm_msg_t *msg = ((checkin_t *)baton)->msg;

    NMDM_TRY(admit(ctx, &msg->who));
    if (!msg->who.on_user_channel) {
        NMDM_TRY(nmdm_renewal_abandon(ctx, msg->who.id));
    }
    NMDM_TRY(nmdm_enrollments_check_out(ctx, &msg->who));
    return ctx->policy->declarations
        ? nmdm_declarative_enrollment_end(ctx, &msg->who) : NULL;
}

/* The digest is never verified: the challenge is empty, which tells the
 * client to go on without (behaviour specification 2.7). */
static nmdm_err_t *on_user_authenticate(nmdm_ctx_t *ctx, void *baton)
{
    checkin_t *in = baton;
    const nmdm_msg_t *msg = in->msg;
    int is_second = msg->u.user_authenticate.digest_response != NULL;

    NMDM_TRY(admit(ctx, &msg->who));
    if (!ctx->policy->empty_challenge) {
        return is_second ? NULL
            : nmdm_err(ctx->pool, NMDM_GONE, APR_SUCCESS, NMDMNO(0703)
                       "%s: UserAuthenticate declined", msg->who.id);
    }
    if (!msg->who.on_user_channel) {
        return denied(ctx, msg->who.id, "UserAuthenticate without a user");
    }
    NMDM_TRY(nmdm_enrollments_user_authenticate(ctx, msg));
    NMDM_TRY(see(ctx, &msg->who));
    if (!is_second) {
        reply_plist(in->reply, nmdm_plist_write_string(ctx->pool,
                                                       "DigestChallenge",
                                                       ""));
    }
    return NULL;
}

static nmdm_err_t *on_set_bootstrap_token(nmdm_ctx_t *ctx, void *baton)
{
    const nmdm_msg_t *msg = ((checkin_t *)baton)->msg;

    NMDM_TRY(admit(ctx, &msg->who));
    if (msg->who.on_user_channel) {
        return denied(ctx, msg->who.id, "SetBootstrapToken: operation"
                                        " supported on device channel only");
    }
    NMDM_TRY(nmdm_enrollments_set_bootstrap_token(
        ctx, &msg->who, msg->u.bootstrap_token.token_b64));
    return see(ctx, &msg->who);
}

static nmdm_err_t *on_get_bootstrap_token(nmdm_ctx_t *ctx, void *baton)
{
    checkin_t *in = baton;
    const nmdm_msg_t *msg = in->msg;
    const char *token_b64 = NULL;

    NMDM_TRY(admit(ctx, &msg->who));
    if (!msg->who.on_user_channel) {
        NMDM_TRY(nmdm_enrollments_get_bootstrap_token(ctx, &token_b64,
                                                      &msg->who));
    }
    if (token_b64) {
        reply_plist(in->reply, nmdm_plist_write_data(ctx->pool,
                                                     "BootstrapToken",
                                                     token_b64));
    }
    return see(ctx, &msg->who);
}

static nmdm_err_t *on_declarative(nmdm_ctx_t *ctx, void *baton)
{
    return admit(ctx, &((checkin_t *)baton)->msg->who);
}

/* RFC 3986 resolves endpoints beside the last segment of such a URL. */
static void remark_on_url(nmdm_ctx_t *ctx, const char *id, const char *url)
{
    apr_size_t len = strcspn(url, "?");

    if (len && url[len - 1] != '/') {
        nmdm_log(ctx, NMDM_LOG_DEBUG, NMDMNO(0711)
                 "%s: NanoMDMDeclarativeManagementURL %s has no slash at its"
                 " end: endpoints replace its last segment", id, url);
    }
}

/* Outside the unit: another machine is waited for, and no connection held
 * meanwhile. */
static nmdm_err_t *ask_declarative(nmdm_ctx_t *ctx, checkin_t *in)
{
    const nmdm_declarative_conf_t *conf = ctx->policy->dm;
    nmdm_exchange_t x, *one = &x;

    if (ctx->policy->declarations) {
        return nmdm_declarative_builtin_answer(ctx, in->reply, in->msg);
    }
    if (!conf) {
        return denied(ctx, in->msg->who.id, "no Declarative Management"
                                            " handler; write"
                                            " NanoMDMDeclarativeManagementURL");
    }
    nmdm_db_release(ctx);
    remark_on_url(ctx, in->msg->who.id, conf->url);
    NMDM_TRY(
        nmdm_declarative_request(&x, ctx->pool, conf, in->msg, ctx->trace_id));
    x.deadline = nmdm_time_steady() + ctx->policy->upstream_timeout;
    nmdm_http_client_run(ctx->services->http, &one, 1, ctx->pool);
    return nmdm_declarative_answer(in->reply, ctx->pool, conf, in->msg, &x);
}

static nmdm_err_t *on_get_token(nmdm_ctx_t *ctx, void *baton)
{
    checkin_t *in = baton;
    const nmdm_msg_t *msg = in->msg;
    const char *type = msg->u.get_token.service_type, *token = NULL;

    NMDM_TRY(admit(ctx, &msg->who));
    if (ctx->policy->tokens) {
        token = apr_hash_get(ctx->policy->tokens, type,
                             APR_HASH_KEY_STRING);
    }
    if (!token) {
        /* Not serving tokens at all is our fault, asking for another is
         * not. */
        return nmdm_err(ctx->pool, ctx->policy->tokens ? NMDM_INVALID
                                                       : NMDM_REFUSED,
                        APR_SUCCESS, NMDMNO(0704)
                        "%s: no handler for TokenServiceType: %s; write"
                        " NanoMDMToken for it", msg->who.id, type);
    }
    reply_plist(in->reply, nmdm_plist_write_data(ctx->pool, "TokenData",
                                                 token));
    return NULL;
}

/* Apple's "Return To Service", iOS 26 and later. */
static nmdm_err_t *on_return_to_service(nmdm_ctx_t *ctx, void *baton)
{
    apr_hash_t *answers = ctx->policy->return_to_service;
    checkin_t *in = baton;
    const nmdm_id_t *who = &in->msg->who;
    const char *text = NULL;

    NMDM_TRY(admit(ctx, who));
    if (answers) {
        text = apr_hash_get(answers, who->type, APR_HASH_KEY_STRING);
        if (!text) {
            text = apr_hash_get(answers, "", 0);
        }
    }
    if (!text) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0713)
                        "%s: no answer to ReturnToService of the type %s;"
                        " write NanoMDMReturnToService", who->id, who->type);
    }
    reply_plist(in->reply, (nmdm_bytes_t){ text, strlen(text) });
    return NULL;
}

/* What happens in the database, as one transaction, and what after it. */
static const struct {
    const char *type;
    nmdm_unit_fn handle;
    nmdm_err_t *(*then)(nmdm_ctx_t *ctx, checkin_t *in);
} MESSAGES[] = {
    { "Authenticate", on_authenticate, NULL },
    { "TokenUpdate", on_token_update, NULL },
    { "CheckOut", on_check_out, NULL },
    { "UserAuthenticate", on_user_authenticate, NULL },
    { "SetBootstrapToken", on_set_bootstrap_token, NULL },
    { "GetBootstrapToken", on_get_bootstrap_token, NULL },
    { "DeclarativeManagement", on_declarative, ask_declarative },
    { "GetToken", on_get_token, NULL },
    { "ReturnToService", on_return_to_service, NULL },
    { NULL, NULL, NULL }
};

/* The change and its event, or neither. */
static nmdm_err_t *do_checkin(nmdm_ctx_t *ctx, void *baton)
{
    checkin_t *in = baton;

    NMDM_TRY(in->handle(ctx, in));
    return ctx->is_admitted ? nmdm_publish_write(ctx, &in->told) : NULL;
}

nmdm_err_t *nmdm_service_checkin(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 nmdm_bytes_t body)
{
    nmdm_msg_t msg;
    checkin_t in = { &msg, reply, NULL, { &msg, NO_TALLY, 0, 0, 0 } };
    nmdm_err_t *err;
    int i = 0;

    NMDM_TRY(nmdm_message_checkin(&msg, ctx->pool, body));
    begin_story(ctx, &msg);
    remark_on_repair(ctx, &msg);
    while (strcmp(MESSAGES[i].type, msg.type)) {
        i++;
    }
    in.handle = MESSAGES[i].handle;
    err = nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_checkin, &in);
    in.told.is_written &= !err;
    if (!err && MESSAGES[i].then) {
        err = MESSAGES[i].then(ctx, &in);
    }
    NMDM_TRY(nmdm_publish_send(ctx, &in.told, err));
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0705) "%s: %s (%s) [trace %s]",
             msg.who.id, msg.type, msg.who.type, ctx->trace_id);
    remark_on_expiry(ctx, msg.who.id);
    return NULL;
}

/* ---- Command reports ---- */

typedef struct {
    const nmdm_msg_t *msg;
    int stored;
    nmdm_next_e next;
    nmdm_command_t command;
    nmdm_publication_t told;
} report_t;

static nmdm_err_t *do_admit(nmdm_ctx_t *ctx, void *baton)
{
    return admit(ctx, &((report_t *)baton)->msg->who);
}

static nmdm_err_t *do_store(nmdm_ctx_t *ctx, void *baton)
{
    report_t *in = baton;

    NMDM_TRY(nmdm_queue_report(ctx, &in->stored, &in->next, &in->command,
                               in->msg));
    ctx->is_admitted |= in->stored > 0;
    return in->stored ? nmdm_publish_write(ctx, &in->told) : NULL;
}

/* One statement, unless an event is to be committed with it. */
static nmdm_err_t *store(nmdm_ctx_t *ctx, report_t *in)
{
    nmdm_err_t *err = nmdm_db_unit(
        ctx, (nmdm_unit_e)nmdm_publish_unit(ctx, in->msg, NMDM_UNIT_WRITE),
        do_store, in);

    in->told.is_written &= !err;
    return err;
}

static nmdm_err_t *do_remove(nmdm_ctx_t *ctx, void *baton)
{
    report_t *in = baton;
    int was_queued;

    NMDM_TRY(admit(ctx, &in->msg->who));
    NMDM_TRY(nmdm_queue_remove(ctx, &was_queued, in->msg));
    in->told.is_unfounded = !was_queued;
    return nmdm_publish_write(ctx, &in->told);
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

    NMDM_TRY(nmdm_queue_next(ctx, &in->next, &in->command, &in->msg->who,
                             in->msg->u.report.status));
    ctx->is_admitted |= in->next != NMDM_NEXT_STRANGER;
    return NULL;
}

/* In the normal course one statement admits and stores. Where it stored
 * nothing, the reasons are looked for; and a command that nobody queued is
 * no reason to make the device send its report for ever. */
static nmdm_err_t *store_report(nmdm_ctx_t *ctx, report_t *in)
{
    NMDM_TRY(store(ctx, in));
    if (in->stored) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_admit, in));
    NMDM_TRY(store(ctx, in));
    in->told.is_unfounded = !in->stored;
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
        in->told.is_unfounded = 1;
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0707)
                 "%s: report %s without a command's UUID is not stored",
                 in->msg->who.id, report->status);
        return NULL;
    }
    if (!ctx->policy->delete_commands || !strcmp(report->status, "NotNow")) {
        return store_report(ctx, in);
    }
    err = nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_remove, in);
    in->told.is_written &= !err;
    NMDM_TRY(err);
    return nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_remove_command, in);
}

static nmdm_err_t *find_next(nmdm_ctx_t *ctx, report_t *in)
{
    if (in->next != NMDM_NEXT_UNKNOWN) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_next, in));
    if (in->next != NMDM_NEXT_STRANGER) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_admit, in));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_next, in));
    return in->next != NMDM_NEXT_STRANGER ? NULL
        : denied(ctx, in->msg->who.id, "the certificate's association is"
                                       " gone again");
}

static void tell(nmdm_ctx_t *ctx, const report_t *in)
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
    report_t in = { .msg = &msg, .told = { &msg, NO_TALLY, 0, 0, 0 } };
    nmdm_err_t *err;

    NMDM_TRY(nmdm_message_report(&msg, ctx->pool, body));
    begin_story(ctx, &msg);
    remark_on_repair(ctx, &msg);
    NMDM_TRY(has_cert(ctx, &msg.who));
    err = take_report(ctx, &in);
    if (!err) {
        err = find_next(ctx, &in);
    }
    NMDM_TRY(nmdm_publish_send(ctx, &in.told, err));
    if (ctx->policy->declarations) {
        NMDM_TRY(nmdm_declarative_enrollment_report(ctx, &msg));
    }
    NMDM_TRY(ctx->policy->sees_at_once
             ? nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_see, &msg.who)
             : see(ctx, &msg.who));
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
    tell(ctx, &in);
    remark_on_expiry(ctx, msg.who.id);
    return NULL;
}

/* ---- Who else asks with a device's identity ---- */

static nmdm_err_t *do_device_of_cert(nmdm_ctx_t *ctx, void *baton)
{
    const char **id = baton;

    NMDM_TRY(nmdm_cert_associations_device_of(ctx, id));
    if (!*id && ctx->cert->other_sha256) {
        NMDM_TRY(nmdm_cert_associations_use_known(ctx));
        NMDM_TRY(nmdm_cert_associations_device_of(ctx, id));
    }
    return NULL;
}

nmdm_err_t *nmdm_service_device_of_cert(nmdm_ctx_t *ctx, const char **id)
{
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_device_of_cert, id));
    if (!*id) {
        return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0709)
                        "-: certificate %.16s... belongs to no enrollment%s",
                        ctx->cert->sha256, ctx->policy->latest_only
                            ? " as its latest (NanoMDMAssociation)" : "");
    }
    ctx->access_log.id = *id;
    remark_on_expiry(ctx, *id);
    return NULL;
}
