/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_admin.c -- what an operator may ask for: enqueue, push certificate. */

#include "nmdm_admin.h"
#include "nmdm_crypto.h"
#include "nmdm_db.h"
#include "nmdm_json.h"
#include "nmdm_message.h"
#include "nmdm_store.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

static void set_json(nmdm_reply_t *reply, apr_pool_t *p,
                     const nmdm_json_t *object)
{
    reply->content_type = NMDM_TYPE_JSON;
    reply->body = nmdm_json_write(p, object);
}

void nmdm_admin_error(nmdm_reply_t *reply, apr_pool_t *p, const char *text)
{
    nmdm_json_t *object = nmdm_json_object(p);

    nmdm_json_set_string(object, "error", text);
    set_json(reply, p, object);
}

/* ---- Enqueue ---- */

typedef struct {
    const nmdm_command_t *command;
    const apr_array_header_t *ids;
} enqueue_t;

/* Each id once, in the order given; empty ones are nobody's. */
static apr_array_header_t *split_ids(apr_pool_t *p, const char *text)
{
    apr_array_header_t *ids = apr_array_make(p, 16, sizeof(const char *));
    apr_hash_t *known = apr_hash_make(p);

    while (*text) {
        apr_size_t len = strcspn(text, ",");
        const char *id = apr_pstrmemdup(p, text, len);

        if (len && !apr_hash_get(known, id, APR_HASH_KEY_STRING)) {
            apr_hash_set(known, id, APR_HASH_KEY_STRING, id);
            APR_ARRAY_PUSH(ids, const char *) = id;
        }
        text += len;
        text += *text == ',';
    }
    return ids;
}

static nmdm_err_t *do_enqueue(nmdm_ctx_t *ctx, void *baton)
{
    enqueue_t *in = baton;

    return nmdm_queue_put(ctx, in->command, in->ids);
}

static nmdm_err_t *check_ids(apr_pool_t *p, const char *text,
                             const apr_array_header_t *ids)
{
    if (!ids->nelts) {
        return nmdm_err(p, NMDM_DENIED, APR_SUCCESS, NMDMNO(0901)
                        "getting enrollment ids: empty path");
    }
    if (!nmdm_utf8_valid(text, strlen(text))) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(0902) "getting enrollment ids: not UTF-8");
    }
    return NULL;
}

/* The HTTP status of an error that an operator is shown. Requests that cannot
 * be understood are 400; what the database says against them is 500, as
 * NanoMDM's clients expect. */
static int status_of(const nmdm_err_t *err, int understood)
{
    if (err->kind == NMDM_UNAVAILABLE) {
        return 503;
    }
    if (err->kind == NMDM_TOO_LARGE) {
        return 413;
    }
    return err->kind == NMDM_INVALID && !understood ? 400 : 500;
}

static nmdm_err_t *enqueue(nmdm_ctx_t *ctx, int *status,
                           nmdm_json_t *result, const char *ids_text,
                           nmdm_bytes_t body, int push)
{
    nmdm_command_t command;
    enqueue_t in = { &command, split_ids(ctx->pool, ids_text) };
    nmdm_err_t *err;

    if (!push) {
        nmdm_json_set_true(result, "no_push");
    }
    err = check_ids(ctx->pool, ids_text, in.ids);
    if (!err && !body.len) {
        err = nmdm_err(ctx->pool, NMDM_DENIED, APR_SUCCESS,
                       NMDMNO(0903) "must enqueue or push");
    }
    if (!err) {
        err = nmdm_message_command(&command, ctx->pool, body);
    }
    if (err) {
        *status = status_of(err, 0);
        return err;
    }
    ctx->story.next_command_uuid = command.uuid;
    ctx->story.request_type = command.request_type;
    err = nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_enqueue, &in);
    if (err) {
        *status = status_of(err, 1);
    }
    else {
        *status = 200;
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0904)
                 "%s: %s %s queued for %d enrollments [trace %s]",
                 APR_ARRAY_IDX(in.ids, 0, const char *),
                 command.request_type, command.uuid, in.ids->nelts,
                 ctx->trace_id);
    }
    return err;
}

nmdm_err_t *nmdm_admin_enqueue(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                               int *status, const char *ids,
                               nmdm_bytes_t body, int push)
{
    nmdm_json_t *result = nmdm_json_object(ctx->pool);
    nmdm_err_t *err = enqueue(ctx, status, result, ids, body, push);

    if (push && !err) {
        *status = 500;
        nmdm_json_set_string(result, "push_error",
                             "queued, but this version does not push yet:"
                             " add ?nopush=1");
    }
    if (err) {
        nmdm_json_set_string(result, "command_error", nmdm_err_text(err));
    }
    if (*ctx->story.next_command_uuid) {
        nmdm_json_set_string(result, "command_uuid",
                             ctx->story.next_command_uuid);
        nmdm_json_set_string(result, "request_type",
                             ctx->story.request_type);
    }
    set_json(reply, ctx->pool, result);
    return err;
}

/* ---- Push certificates ---- */

typedef struct {
    nmdm_push_cert_t *cert;
    const char *topic;
    const char *pem;
} push_cert_t;

/* RFC 3339 in UTC, to the second. */
static const char *rfc3339(apr_pool_t *p, apr_time_t t)
{
    apr_time_exp_t exp;

    apr_time_exp_gmt(&exp, t);
    return apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                        exp.tm_year + 1900, exp.tm_mon + 1, exp.tm_mday,
                        exp.tm_hour, exp.tm_min, exp.tm_sec);
}

static void describe(nmdm_reply_t *reply, apr_pool_t *p,
                     const nmdm_push_cert_t *cert)
{
    nmdm_json_t *object = nmdm_json_object(p);

    nmdm_json_set_string(object, "not_after", rfc3339(p, cert->not_after));
    nmdm_json_set_string(object, "topic", cert->topic);
    set_json(reply, p, object);
}

static nmdm_err_t *do_put_push_cert(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_store_put_push_cert(ctx, ((push_cert_t *)baton)->cert);
}

static nmdm_err_t *do_get_push_cert(nmdm_ctx_t *ctx, void *baton)
{
    push_cert_t *in = baton;

    return nmdm_store_get_push_cert(ctx, &in->pem, in->topic);
}

static nmdm_err_t *put_push_cert(nmdm_ctx_t *ctx, nmdm_push_cert_t *cert,
                                 nmdm_bytes_t pem)
{
    push_cert_t in = { .cert = cert };

    NMDM_TRY(nmdm_crypto_push_cert(cert, ctx->pool, pem));
    if (nmdm_utf8_length(cert->topic) > 255) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0905)
                        "the APNs topic is longer than 255 characters");
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_put_push_cert, &in));
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0906)
             "-: push certificate of topic %s stored [trace %s]",
             cert->topic, ctx->trace_id);
    return NULL;
}

static nmdm_err_t *get_push_cert(nmdm_ctx_t *ctx, nmdm_push_cert_t *cert,
                                 const char *topic)
{
    push_cert_t in = { .topic = topic };
    nmdm_bytes_t pem;

    if (!topic || !*topic) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0907)
                        "missing required query parameter: topic");
    }
    if (nmdm_utf8_valid(topic, strlen(topic))) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_get_push_cert, &in));
    }
    if (!in.pem) {
        return nmdm_err(ctx->pool, NMDM_DENIED, APR_SUCCESS, NMDMNO(0908)
                        "no push certificate of topic \"%s\" is stored",
                        topic);
    }
    pem.data = in.pem;
    pem.len = strlen(in.pem);
    return nmdm_crypto_push_cert(cert, ctx->pool, pem);
}

static nmdm_err_t *answer(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                          const nmdm_push_cert_t *cert, nmdm_err_t *err)
{
    if (err) {
        *status = status_of(err, 0);
        nmdm_admin_error(reply, ctx->pool, nmdm_err_text(err));
        return err;
    }
    *status = 200;
    describe(reply, ctx->pool, cert);
    return NULL;
}

nmdm_err_t *nmdm_admin_put_push_cert(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, nmdm_bytes_t pem)
{
    nmdm_push_cert_t cert;

    return answer(ctx, reply, status, &cert, put_push_cert(ctx, &cert, pem));
}

nmdm_err_t *nmdm_admin_get_push_cert(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, const char *topic)
{
    nmdm_push_cert_t cert;

    return answer(ctx, reply, status, &cert,
                  get_push_cert(ctx, &cert, topic));
}
