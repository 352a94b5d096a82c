/* SPDX-License-Identifier: Apache-2.0 */
/* enrollments.c -- certificates, enrollments and tokens in the database. */

#include "storage/enrollments.h"
#include "codec/plist_json.h"
#include "db/db.h"
#include "codec/redact.h"
#include "db/schema.h"
#include "crypto/cert_encodings.h"
#include "crypto/identity_cert.h"
#include "crypto/seal.h"
#include "crypto/x509.h"

#include <apr_strings.h>

#include <stdlib.h>

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static nmdm_err_t *exists(nmdm_ctx_t *ctx, int *yes, nmdm_stmt_e stmt,
                          const char **args, int nargs)
{
    return nmdm_db_row(ctx, yes, NULL, 0, stmt, args, nargs);
}

static nmdm_err_t *unknown_device(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0501)
                    "%s: the device %s was never seen; it has to send"
                    " Authenticate first", who->id, who->device_id);
}

/* ---- Certificate associations ---- */

nmdm_err_t *nmdm_cert_associations_text(nmdm_ctx_t *ctx, int *nargs,
                                        const char **args)
{
    *nargs = 0;
    if (!ctx->policy->latest_only) {
        return NULL;
    }
    if (!nmdm_schema_is_complete(ctx)) {
        return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(0503)
                        "-: NanoMDMAssociation latest needs the additive part"
                        " of the schema, which this database lacks: run the"
                        " scripts of schema/upgrade, or write \"NanoMDMSchema"
                        " auto\"");
    }
    args[0] = args[1] = nmdm_x509_pem(ctx->pool, ctx->cert->der);
    *nargs = 2;
    return NULL;
}

nmdm_err_t *nmdm_cert_associations_counts(nmdm_ctx_t *ctx, int *yes,
                                          const char *device_id)
{
    const char *args[4] = { device_id, ctx->cert->sha256 };
    int more;

    NMDM_TRY(nmdm_cert_associations_text(ctx, &more, args + 2));
    return exists(ctx, yes, more ? STMT_CERT_IS_LATEST
                                 : STMT_CERT_IS_ASSOCIATED, args, 2 + more);
}

nmdm_err_t *nmdm_cert_associations_has(nmdm_ctx_t *ctx, int *yes,
                                       const char *device_id)
{
    return exists(ctx, yes, STMT_CERT_IS_ASSOCIATED,
                  NMDM_ARGS(device_id, ctx->cert->sha256));
}

/* In the table itself, where a row that is never committed has others wait for
 * this one: GET_LOCK holds for a session rather than a transaction, and a
 * cluster does not have it. No device can have this ID, which XML cannot
 * write. */
static nmdm_err_t *lock_by_row(nmdm_ctx_t *ctx, const char *name)
{
    static const char ID[] = "\001";

    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_CERT_ASSOCIATE,
                          NMDM_ARGS(ID, name)));
    return nmdm_db_exec(ctx, NULL, STMT_CERT_DISSOCIATE,
                        NMDM_ARGS(ID, name));
}

nmdm_err_t *nmdm_cert_associations_lock(nmdm_ctx_t *ctx,
                                        const char *device_id)
{
    nmdm_bytes_t id = { device_id, device_id ? strlen(device_id) : 0 };
    const char *name = device_id ? nmdm_digest_sha256(ctx->pool, id)
                                 : nmdm_cert_encodings_name(ctx->cert);
    int found;

    switch (ctx->db->dialect) {
    case NMDM_PGSQL:
        return nmdm_db_row(ctx, &found, NULL, 0, STMT_LOCK, NMDM_ARGS(name));
    case NMDM_MYSQL:
        return lock_by_row(ctx, name);
    default:
        return NULL;            /* a transaction of sqlite3 writes alone */
    }
}

nmdm_err_t *nmdm_cert_associations_use_known(nmdm_ctx_t *ctx)
{
    const char *shown = ctx->cert->sha256;
    const nmdm_cert_t *other;
    int known;

    if (!ctx->cert->other_sha256) {
        return NULL;
    }
    NMDM_TRY(nmdm_cert_associations_knows(ctx, &known));
    if (known) {
        return NULL;
    }
    NMDM_TRY(exists(ctx, &known, STMT_CERT_IS_KNOWN,
                    NMDM_ARGS(ctx->cert->other_sha256)));
    other = known ? nmdm_cert_encodings_other(ctx->pool, ctx->cert) : NULL;
    if (other) {
        ctx->cert = other;
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0504)
                 "%s: certificate %s is %s with its signature encoded"
                 " otherwise", *ctx->access_log.id ? ctx->access_log.id : "-",
                 shown, other->sha256);
    }
    return NULL;
}

nmdm_err_t *nmdm_cert_associations_knows(nmdm_ctx_t *ctx, int *yes)
{
    return exists(ctx, yes, STMT_CERT_IS_KNOWN, NMDM_ARGS(ctx->cert->sha256));
}

nmdm_err_t *nmdm_cert_associations_device_has(nmdm_ctx_t *ctx, int *yes,
                                              const char *device_id)
{
    return exists(ctx, yes, STMT_DEVICE_HAS_CERT, NMDM_ARGS(device_id));
}

nmdm_err_t *nmdm_cert_associations_add(nmdm_ctx_t *ctx, const char *device_id)
{
    return nmdm_db_exec(ctx, NULL, STMT_CERT_ASSOCIATE,
                        NMDM_ARGS(device_id, ctx->cert->sha256));
}

nmdm_err_t *nmdm_cert_associations_add_late(nmdm_ctx_t *ctx,
                                            const char *device_id)
{
    NMDM_TRY(nmdm_cert_associations_add(ctx, device_id));
    return ctx->policy->latest_only
        ? nmdm_db_exec(ctx, NULL, STMT_DEVICE_CERT,
                       NMDM_ARGS(nmdm_x509_pem(ctx->pool, ctx->cert->der),
                                 device_id))
        : NULL;
}

nmdm_err_t *nmdm_cert_associations_device_of(nmdm_ctx_t *ctx,
                                             const char **device_id)
{
    const char *args[3] = { ctx->cert->sha256 };
    int more, found;

    *device_id = NULL;
    NMDM_TRY(nmdm_cert_associations_text(ctx, &more, args + 1));
    return nmdm_db_row(ctx, &found, device_id, 1,
                       more ? STMT_DEVICE_OF_LATEST : STMT_DEVICE_OF_CERT,
                       args, 1 + more);
}

/* ---- Enrollments ---- */

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
    NMDM_TRY(nmdm_queue_clear(ctx, id));
    return nmdm_db_exec(ctx, NULL, STMT_DEVICE_DISABLE, NMDM_ARGS(id));
}

const char *nmdm_schema_xml(const nmdm_ctx_t *ctx, const char *text)
{
    return nmdm_schema_is_ascii(ctx) ? nmdm_plist_write_ascii(ctx->pool, text)
                                     : text;
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
static nmdm_err_t *update_device(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    nmdm_bytes_t unlock_token = msg->u.token_update.unlock_token;
    const char *id = msg->who.id;

    NMDM_TRY(nmdm_db_exec(
        ctx, NULL, STMT_DEVICE_TOKEN_UPDATE,
        NMDM_ARGS(nmdm_enrollments_token_update_text(ctx, msg->text), id)));
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

static nmdm_err_t *update_user(nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
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
                  or_empty(msg->user_long_name),
                  nmdm_enrollments_token_update_text(ctx, msg->text)));
}

nmdm_err_t *nmdm_enrollments_token_update(nmdm_ctx_t *ctx,
                                          const nmdm_msg_t *msg)
{
    const nmdm_token_update_t *update = &msg->u.token_update;
    const nmdm_id_t *who = &msg->who;
    int known;

    NMDM_TRY(exists(ctx, &known, STMT_DEVICE_EXISTS,
                    NMDM_ARGS(who->device_id)));
    if (!known) {
        return unknown_device(ctx, who);
    }
    NMDM_TRY(who->on_user_channel ? update_user(ctx, msg)
                                  : update_device(ctx, msg));
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_ENROLLMENT_PUT,
                          NMDM_ARGS(who->id, who->device_id,
                                    who->on_user_channel ? who->id : "",
                                    who->type, update->topic,
                                    update->push_magic, update->token_hex)));
    return nmdm_schema_is_complete(ctx)
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

    NMDM_TRY(exists(ctx, &known, STMT_DEVICE_EXISTS,
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

/* A statement with a list of ids, behind one other parameter or none. */
static nmdm_err_t *for_ids(nmdm_ctx_t *ctx, nmdm_stmt_e stmt,
                           const char *before, const apr_array_header_t *ids)
{
    const char *args[1 + NMDM_SQL_IDS];
    int done;

    args[0] = before;
    for (done = 0; done < ids->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args + 1, ids, done);
        NMDM_TRY(nmdm_db_exec(ctx, NULL, stmt, before ? args : args + 1,
                              (before != NULL) + NMDM_SQL_IDS));
    }
    return NULL;
}

nmdm_err_t *nmdm_enrollments_seen_now(nmdm_ctx_t *ctx, const char *id)
{
    return nmdm_db_exec(ctx, NULL, STMT_SEEN_NOW, NMDM_ARGS(id));
}

nmdm_err_t *nmdm_enrollments_seen(nmdm_ctx_t *ctx,
                                  const apr_array_header_t *ids)
{
    return for_ids(ctx, STMT_SEEN, NULL, ids);
}

/* ---- Push ---- */

nmdm_err_t *nmdm_push_state_info(nmdm_ctx_t *ctx, apr_array_header_t *infos,
                                 const apr_array_header_t *ids)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, ids->nelts * 5,
                                              sizeof(const char *));
    nmdm_stmt_e stmt = nmdm_schema_is_complete(ctx)
        ? STMT_PUSH_INFO : STMT_PUSH_INFO_ALONE;
    const char *args[NMDM_SQL_IDS];
    int done, i;

    for (done = 0; done < ids->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args, ids, done);
        NMDM_TRY(nmdm_db_rows(ctx, rows, 5, stmt, args, NMDM_SQL_IDS));
    }
    for (i = 0; i < rows->nelts; i += 5) {
        nmdm_push_info_t *info = &APR_ARRAY_PUSH(infos, nmdm_push_info_t);

        info->id = APR_ARRAY_IDX(rows, i, const char *);
        info->topic = APR_ARRAY_IDX(rows, i + 1, const char *);
        info->push_magic = APR_ARRAY_IDX(rows, i + 2, const char *);
        info->token_hex = APR_ARRAY_IDX(rows, i + 3, const char *);
        info->was_refused = strcmp(APR_ARRAY_IDX(rows, i + 4, const char *),
                                   "0") != 0;
    }
    return NULL;
}

nmdm_err_t *nmdm_push_state_refused(nmdm_ctx_t *ctx,
                                    const nmdm_refusal_t *refusal)
{
    const char *status = apr_itoa(ctx->pool, refusal->status);

    return nmdm_schema_is_complete(ctx)
        ? nmdm_db_exec(ctx, NULL, STMT_PUSH_REFUSED,
                       NMDM_ARGS(status, nmdm_utf8_shortened(
                                     ctx->pool, refusal->reason, 255),
                                 refusal->id, refusal->token_hex))
        : NULL;
}

static const char *seconds(nmdm_ctx_t *ctx, apr_time_t t)
{
    return apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                        (apr_int64_t)apr_time_sec(t));
}

nmdm_err_t *nmdm_push_state_expect(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids,
                                   apr_time_t look_at)
{
    return nmdm_schema_is_complete(ctx)
        ? for_ids(ctx, STMT_PUSH_EXPECT, seconds(ctx, look_at), ids) : NULL;
}

nmdm_err_t *nmdm_push_state_due(nmdm_ctx_t *ctx, apr_array_header_t **ids)
{
    *ids = apr_array_make(ctx->pool, NMDM_SQL_IDS, sizeof(const char *));
    return nmdm_db_rows(ctx, *ids, 1, STMT_PUSH_DUE,
                        NMDM_ARGS(seconds(ctx, ctx->now)));
}

nmdm_err_t *nmdm_push_state_pending(nmdm_ctx_t *ctx,
                                    apr_array_header_t *pending,
                                    const apr_array_header_t *ids)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, 4 * NMDM_SQL_IDS,
                                              sizeof(const char *));
    const char *args[NMDM_SQL_IDS];
    int done, i;

    for (done = 0; done < ids->nelts; done += NMDM_SQL_IDS) {
        nmdm_db_fill_ids(args, ids, done);
        NMDM_TRY(nmdm_db_rows(ctx, rows, 4, STMT_PUSH_STATE, args,
                              NMDM_SQL_IDS));
    }
    for (i = 0; i < rows->nelts; i += 4) {
        nmdm_pending_push_t *push = &APR_ARRAY_PUSH(pending,
                                                    nmdm_pending_push_t);

        push->id = APR_ARRAY_IDX(rows, i, const char *);
        push->tries = atoi(APR_ARRAY_IDX(rows, i + 1, const char *));
        push->is_waiting = *APR_ARRAY_IDX(rows, i + 2, const char *) == '1';
        push->is_seen = *APR_ARRAY_IDX(rows, i + 3, const char *) == '1';
    }
    return NULL;
}

nmdm_err_t *nmdm_push_state_again(nmdm_ctx_t *ctx, const char *id, int tries,
                                  apr_time_t next, int is_pushed)
{
    return nmdm_db_exec(ctx, NULL,
                        is_pushed ? STMT_PUSH_AGAIN : STMT_PUSH_LATER,
                        NMDM_ARGS(apr_itoa(ctx->pool, tries),
                                  seconds(ctx, next), id));
}

nmdm_err_t *nmdm_push_state_postpone(nmdm_ctx_t *ctx,
                                     const apr_array_header_t *ids,
                                     apr_time_t next)
{
    return for_ids(ctx, STMT_PUSH_POSTPONE, seconds(ctx, next), ids);
}

nmdm_err_t *nmdm_push_state_recall(nmdm_ctx_t *ctx, apr_time_t last)
{
    return nmdm_db_exec(ctx, NULL, STMT_PUSH_RECALL,
                        NMDM_ARGS(seconds(ctx, ctx->now),
                                  seconds(ctx, last)));
}

nmdm_err_t *nmdm_push_state_forget(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids)
{
    return for_ids(ctx, STMT_PUSH_FORGET, NULL, ids);
}

nmdm_err_t *nmdm_push_state_topic_in_use(nmdm_ctx_t *ctx, const char **other,
                                         const char *topic)
{
    int found;

    *other = NULL;
    return nmdm_db_row(ctx, &found, other, 1, STMT_TOPIC_IN_USE,
                       NMDM_ARGS(topic, topic));
}

nmdm_err_t *nmdm_push_state_put_cert(nmdm_ctx_t *ctx,
                                     const nmdm_push_cert_t *cert)
{
    nmdm_bytes_t key = { cert->key_pem, strlen(cert->key_pem) };

    NMDM_TRY(nmdm_seal_close(&key, ctx->pool, ctx->policy->seal,
                             NMDM_SEAL_PUSH_KEY, cert->topic, key));
    return nmdm_db_exec(ctx, NULL, STMT_PUSH_CERT_PUT,
                        NMDM_ARGS(cert->topic, cert->cert_pem, key.data));
}

nmdm_err_t *nmdm_push_state_get_cert(nmdm_ctx_t *ctx,
                                     nmdm_stored_cert_t *out,
                                     const char *topic)
{
    const char *cols[3] = { NULL };

    NMDM_TRY(nmdm_db_row(ctx, &out->found, cols, 3, STMT_PUSH_CERT_GET,
                         NMDM_ARGS(topic)));
    out->cert_pem = cols[0];
    out->stored_key = cols[1];
    out->topic = cols[2];
    return NULL;
}

nmdm_err_t *nmdm_push_state_open_key(nmdm_ctx_t *ctx, const char **key_pem,
                                     const nmdm_stored_cert_t *cert)
{
    nmdm_bytes_t key = { cert->stored_key, strlen(cert->stored_key) };

    NMDM_TRY(nmdm_seal_open(&key, ctx->pool, ctx->policy->seal,
                            NMDM_SEAL_PUSH_KEY, cert->topic, key));
    *key_pem = key.data;
    return NULL;
}
