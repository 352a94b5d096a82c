/* SPDX-License-Identifier: Apache-2.0 */
/* checkin.c -- check-in messages: what is stored and what is answered. */

#include "service/service.h"
#include "codec/plist_write.h"
#include "db/db.h"
#include "mdm/message.h"
#include "net/upstream.h"
#include "service/certauth.h"
#include "service/declarative.h"
#include "service/declarative_builtin.h"
#include "service/declarative_enrollment.h"
#include "service/renewal_delivery.h"
#include "storage/cert_renewals.h"
#include "storage/enrollments.h"
#include "storage/renewal.h"
#include "storage/sender.h"
#include "webhook/publish.h"

#include <string.h>

typedef struct {
    const nmdm_msg_t *msg;
    nmdm_reply_t *reply;
    nmdm_unit_fn handle;
    nmdm_publication_t publication;     /* with the tally of a TokenUpdate */
} checkin_t;

static void reply_plist(nmdm_reply_t *reply, nmdm_bytes_t xml)
{
    reply->content_type = NMDM_TYPE_PLIST;
    reply->body = xml;
}

/* Refused before anything is written: a user is no device. */
static nmdm_err_t *on_authenticate(nmdm_ctx_t *ctx, void *baton)
{
    const nmdm_msg_t *msg = ((checkin_t *)baton)->msg;
    int keeps, is_staged = 0;

    if (msg->who.on_user_channel) {
        return nmdm_certauth_denied(ctx, msg->who.id,
                                    "Authenticate on a user channel");
    }
    NMDM_TRY(nmdm_sender_look(ctx, &msg->who));
    NMDM_TRY(nmdm_certauth_admit_new(ctx, msg));
    NMDM_TRY(nmdm_renewal_delivery_keeps(ctx, &keeps, msg->who.id));
    if (keeps) {
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
    const char *text = nmdm_enrollments_token_update_text(ctx, msg->text);
    int is_stored;

    NMDM_TRY(nmdm_sender_token_update(ctx, &is_stored, &msg->who, text));
    NMDM_TRY(nmdm_certauth_admit(ctx, &msg->who));
    NMDM_TRY(nmdm_renewal_commit(ctx, msg));
    NMDM_TRY(nmdm_enrollments_token_update(ctx, msg, text, is_stored));
    NMDM_TRY(nmdm_renewal_delivery_use(ctx, &msg->who));
    if (ctx->policy->declarations) {
        NMDM_TRY(nmdm_declarative_enrollment_begin(ctx, &msg->who));
    }
    return ctx->policy->webhooks ? nmdm_enrollments_tally(
               ctx, &in->publication.tally, msg->who.id)
                                 : NULL;
}

static nmdm_err_t *on_check_out(nmdm_ctx_t *ctx, void *baton)
{
    const nmdm_msg_t *msg = ((checkin_t *)baton)->msg;

    NMDM_TRY(nmdm_certauth_admit(ctx, &msg->who));
    if (!msg->who.on_user_channel) {
        NMDM_TRY(nmdm_renewal_abandon(ctx, msg->who.id));
        NMDM_TRY(nmdm_cert_renewals_leave(ctx, msg->who.id));
    }
    NMDM_TRY(nmdm_enrollments_check_out(ctx, &msg->who));
    return ctx->policy->declarations
        ? nmdm_declarative_enrollment_end(ctx, &msg->who) : NULL;
}

/* The digest is never verified: the challenge is empty, which makes the client
 * go on without (behaviour specification 2.7). */
static nmdm_err_t *on_user_authenticate(nmdm_ctx_t *ctx, void *baton)
{
    checkin_t *in = baton;
    const nmdm_msg_t *msg = in->msg;
    int is_second = msg->u.user_authenticate.digest_response != NULL;

    NMDM_TRY(nmdm_certauth_admit(ctx, &msg->who));
    if (!ctx->policy->empty_challenge) {
        return is_second ? NULL
            : nmdm_err(ctx->pool, NMDM_GONE, APR_SUCCESS, NMDMNO(0703)
                       "%s: UserAuthenticate declined", msg->who.id);
    }
    if (!msg->who.on_user_channel) {
        return nmdm_certauth_denied(ctx, msg->who.id,
                                    "UserAuthenticate without a user");
    }
    NMDM_TRY(nmdm_enrollments_user_authenticate(ctx, msg));
    NMDM_TRY(nmdm_service_see(ctx, &msg->who));
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

    NMDM_TRY(nmdm_certauth_admit(ctx, &msg->who));
    if (msg->who.on_user_channel) {
        return nmdm_certauth_denied(ctx, msg->who.id,
                                    "SetBootstrapToken: operation"
                                    " supported on device channel only");
    }
    NMDM_TRY(nmdm_enrollments_set_bootstrap_token(
        ctx, &msg->who, msg->u.bootstrap_token.token_b64));
    return nmdm_service_see(ctx, &msg->who);
}

static nmdm_err_t *on_get_bootstrap_token(nmdm_ctx_t *ctx, void *baton)
{
    checkin_t *in = baton;
    const nmdm_msg_t *msg = in->msg;
    const char *token_b64 = NULL;

    NMDM_TRY(nmdm_certauth_admit(ctx, &msg->who));
    if (!msg->who.on_user_channel) {
        NMDM_TRY(nmdm_enrollments_get_bootstrap_token(ctx, &token_b64,
                                                      &msg->who));
    }
    if (token_b64) {
        reply_plist(in->reply, nmdm_plist_write_data(ctx->pool,
                                                     "BootstrapToken",
                                                     token_b64));
    }
    return nmdm_service_see(ctx, &msg->who);
}

static nmdm_err_t *on_declarative(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_certauth_admit(ctx, &((checkin_t *)baton)->msg->who);
}

static nmdm_err_t *recognize(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_certauth_recognize(ctx, &((checkin_t *)baton)->msg->who);
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
    nmdm_exchange_t x;

    if (ctx->policy->declarations) {
        return nmdm_declarative_builtin_answer(ctx, in->reply, in->msg);
    }
    if (!conf) {
        return nmdm_certauth_denied(ctx, in->msg->who.id,
                                    "no Declarative Management"
                                    " handler; write"
                                    " NanoMDMDeclarativeManagementURL");
    }
    nmdm_db_release(ctx);
    remark_on_url(ctx, in->msg->who.id, conf->url);
    NMDM_TRY(
        nmdm_declarative_request(&x, ctx->pool, conf, in->msg, ctx->trace_id));
    NMDM_TRY(nmdm_upstream_ask(ctx, &x));
    return nmdm_declarative_answer(in->reply, ctx->pool, conf, in->msg, &x);
}

static nmdm_err_t *on_get_token(nmdm_ctx_t *ctx, void *baton)
{
    checkin_t *in = baton;
    const nmdm_msg_t *msg = in->msg;
    const char *type = msg->u.get_token.service_type, *token = NULL;

    NMDM_TRY(nmdm_certauth_admit(ctx, &msg->who));
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

    NMDM_TRY(nmdm_certauth_admit(ctx, who));
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
    return ctx->is_admitted ? nmdm_publish_write(ctx, &in->publication) : NULL;
}

/* Most often there is nothing to write for a DeclarativeManagement: its sender
 * is known, and no event is kept. */
static nmdm_err_t *take(nmdm_ctx_t *ctx, checkin_t *in)
{
    nmdm_err_t *err;

    if (in->handle == on_declarative
        && nmdm_publish_unit(ctx, in->msg, NMDM_UNIT_READ) == NMDM_UNIT_READ) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, recognize, in));
        if (ctx->is_admitted) {
            return NULL;
        }
    }
    err = nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_checkin, in);
    in->publication.is_written &= !err;
    return err;
}

nmdm_err_t *nmdm_service_checkin(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 nmdm_bytes_t body)
{
    nmdm_msg_t msg;
    checkin_t in = { &msg, reply, NULL, { &msg, NMDM_NO_TALLY, 0, 0, 0 } };
    nmdm_err_t *err;
    int i = 0;

    NMDM_TRY(nmdm_message_checkin(&msg, ctx->pool, body));
    nmdm_service_begin(ctx, &msg);
    nmdm_service_log_repair(ctx, &msg);
    while (strcmp(MESSAGES[i].type, msg.type)) {
        i++;
    }
    in.handle = MESSAGES[i].handle;
    err = take(ctx, &in);
    if (!err && MESSAGES[i].then) {
        err = MESSAGES[i].then(ctx, &in);
    }
    NMDM_TRY(nmdm_publish_send(ctx, &in.publication, err));
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0705) "%s: %s (%s) [trace %s]",
             msg.who.id, msg.type, msg.who.type, ctx->trace_id);
    nmdm_certauth_log_expiry(ctx, msg.who.id);
    return NULL;
}
