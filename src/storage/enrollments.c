/* SPDX-License-Identifier: Apache-2.0 */
/* enrollments.c -- enrollments and their tokens in the database. */

#include "storage/enrollments.h"
#include "storage/queue.h"
#include "storage/sender.h"
#include "codec/redact.h"
#include "crypto/seal.h"
#include "crypto/x509.h"
#include "db/db.h"
#include "db/schema.h"

#include <apr_strings.h>

#include <stdlib.h>

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static nmdm_err_t *unknown_device(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0501)
                    "%s: the device %s was never seen; it has to send"
                    " Authenticate first", who->id, who->device_id);
}

nmdm_err_t *nmdm_enrollments_is_known(nmdm_ctx_t *ctx, int *yes,
                                      const char *device_id)
{
    return nmdm_db_row(ctx, yes, NULL, 0, STMT_DEVICE_EXISTS,
                       NMDM_ARGS(device_id));
}

nmdm_err_t *nmdm_enrollments_authenticate(nmdm_ctx_t *ctx,
                                          const nmdm_msg_t *msg)
{
    const char *id = msg->who.id;
    const char *pem = ctx->cert ? nmdm_x509_pem(ctx->pool, ctx->cert->der)
                                : "";

    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DEVICE_PUT,
                          NMDM_ARGS(id, pem,
                                    or_empty(msg->u.authenticate
                                                 .serial_number),
                                    nmdm_schema_xml(ctx, msg->text))));
    if (nmdm_sender_lacks(ctx, NMDM_SENDER_ENROLLMENT)) {
        return NULL;            /* nothing waits for it, nothing is enabled */
    }
    NMDM_TRY(nmdm_queue_clear(ctx, id));
    return nmdm_db_exec(ctx, NULL, STMT_DEVICE_DISABLE, NMDM_ARGS(id));
}

const char *nmdm_enrollments_token_update_text(const nmdm_ctx_t *ctx,
                                               const char *text)
{
    static const char *const SECRETS[] = { "UnlockToken", NULL };
    nmdm_bytes_t bytes = { text, strlen(text) };

    if (nmdm_seal_is_on(ctx->policy->seal)) {
        bytes = nmdm_redact_remove(ctx->pool, bytes, SECRETS);
    }
    return nmdm_schema_xml(ctx, bytes.len ? bytes.data : text);
}

/* An absent unlock token never erases the one that is known: a device sends
 * it once. */
static nmdm_err_t *update_device(nmdm_ctx_t *ctx, const nmdm_msg_t *msg,
                                 const char *text, int is_stored)
{
    nmdm_bytes_t unlock_token = msg->u.token_update.unlock_token;
    const char *id = msg->who.id;

    if (!is_stored) {
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DEVICE_TOKEN_UPDATE,
                              NMDM_ARGS(text, id)));
    }
    if (!unlock_token.len) {
        return NULL;
    }
    NMDM_TRY(nmdm_seal_close(&unlock_token, ctx->pool, ctx->policy->seal,
                             NMDM_SEAL_UNLOCK_TOKEN, id, unlock_token));
    return nmdm_db_exec(ctx, NULL, STMT_DEVICE_UNLOCK_TOKEN,
                        NMDM_ARGS(unlock_token.data,
                                  apr_psprintf(ctx->pool,
                                               "%" APR_SIZE_T_FMT,
                                               unlock_token.len),
                                  "devices", "unlock_token", id));
}

static nmdm_err_t *update_user(nmdm_ctx_t *ctx, const nmdm_msg_t *msg,
                               const char *text)
{
    if (msg->u.token_update.unlock_token.len) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0502)
                 "%s: UnlockToken on a user channel is not stored",
                 msg->who.id);
    }
    return nmdm_db_exec(
        ctx, NULL, STMT_USER_TOKEN_UPDATE,
        NMDM_ARGS(msg->who.id, msg->who.device_id,
                  or_empty(msg->user_short_name),
                  or_empty(msg->user_long_name), text));
}

nmdm_err_t *nmdm_enrollments_token_update(nmdm_ctx_t *ctx,
                                          const nmdm_msg_t *msg,
                                          const char *text, int is_stored)
{
    const nmdm_token_update_t *update = &msg->u.token_update;
    const nmdm_id_t *who = &msg->who;
    int known = nmdm_sender_has(ctx, NMDM_SENDER_DEVICE);

    if (!known) {
        NMDM_TRY(nmdm_enrollments_is_known(ctx, &known, who->device_id));
    }
    if (!known) {
        return unknown_device(ctx, who);
    }
    NMDM_TRY(who->on_user_channel
                 ? update_user(ctx, msg, text)
                 : update_device(ctx, msg, text, is_stored));
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_ENROLLMENT_PUT,
                          NMDM_ARGS(who->id, who->device_id,
                                    who->on_user_channel ? who->id : "",
                                    who->type, update->topic,
                                    update->push_magic, update->token_hex)));
    return nmdm_schema_is_complete(ctx)
        && !nmdm_sender_lacks(ctx, NMDM_SENDER_PUSH_STATE)
        ? nmdm_db_exec(ctx, NULL, STMT_PUSH_FORGET_ONE, NMDM_ARGS(who->id))
        : NULL;
}

nmdm_err_t *nmdm_enrollments_tally(nmdm_ctx_t *ctx, long *tally, const char *id)
{
    const char *number = NULL;
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, &number, 1, STMT_TALLY,
                         NMDM_ARGS(id)));
    *tally = found && number ? strtol(number, NULL, 10) : -1;
    return NULL;
}

nmdm_err_t *nmdm_enrollments_check_out(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    return nmdm_db_exec(ctx, NULL,
                        who->on_user_channel ? STMT_USER_DISABLE
                                             : STMT_DEVICE_DISABLE,
                        NMDM_ARGS(who->id));
}

nmdm_err_t *nmdm_enrollments_user_authenticate(nmdm_ctx_t *ctx,
                                               const nmdm_msg_t *msg)
{
    const nmdm_id_t *who = &msg->who;
    int known;

    NMDM_TRY(nmdm_db_row(ctx, &known, NULL, 0, STMT_DEVICE_EXISTS,
                         NMDM_ARGS(who->device_id)));
    if (!known) {
        return unknown_device(ctx, who);
    }
    return nmdm_db_exec(ctx, NULL,
                        msg->u.user_authenticate.digest_response
                            ? STMT_USER_DIGEST : STMT_USER_AUTHENTICATE,
                        NMDM_ARGS(who->id, who->device_id,
                                  or_empty(msg->user_short_name),
                                  or_empty(msg->user_long_name),
                                  nmdm_schema_xml(ctx, msg->text)));
}

nmdm_err_t *nmdm_enrollments_set_bootstrap_token(nmdm_ctx_t *ctx,
                                                 const nmdm_id_t *who,
                                                 const char *token_b64)
{
    nmdm_bytes_t token = { token_b64, strlen(token_b64) };
    int rows;

    if (token.len) {
        NMDM_TRY(nmdm_seal_close(&token, ctx->pool, ctx->policy->seal,
                                 NMDM_SEAL_BOOTSTRAP_TOKEN, who->id, token));
    }
    NMDM_TRY(nmdm_db_exec(ctx, &rows, STMT_BOOTSTRAP_TOKEN_PUT,
                          NMDM_ARGS(token.data, who->id)));
    return rows ? NULL : unknown_device(ctx, who);
}

nmdm_err_t *nmdm_enrollments_get_bootstrap_token(nmdm_ctx_t *ctx,
                                                 const char **token_b64,
                                                 const nmdm_id_t *who)
{
    const char *cols[2] = { NULL };
    nmdm_bytes_t token;
    int found;

    *token_b64 = NULL;
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 2, STMT_BOOTSTRAP_TOKEN_GET,
                         NMDM_ARGS(who->id)));
    if (!cols[0]) {
        return NULL;
    }
    token = (nmdm_bytes_t){ cols[0], strlen(cols[0]) };
    NMDM_TRY(nmdm_seal_open(&token, ctx->pool, ctx->policy->seal,
                            NMDM_SEAL_BOOTSTRAP_TOKEN, cols[1], token));
    *token_b64 = token.data;
    return NULL;
}

nmdm_err_t *nmdm_enrollments_seen_now(nmdm_ctx_t *ctx, const char *id)
{
    return nmdm_db_exec(ctx, NULL, STMT_SEEN_NOW, NMDM_ARGS(id));
}

nmdm_err_t *nmdm_enrollments_seen(nmdm_ctx_t *ctx,
                                  const apr_array_header_t *ids)
{
    return nmdm_db_exec_ids(ctx, STMT_SEEN, NULL, ids);
}
