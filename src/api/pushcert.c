/* SPDX-License-Identifier: Apache-2.0 */
/* pushcert.c -- push certificates: upload, look at, and the other use that
 * Apple makes of them, escrow key unlock. */

#include "api/pushcert.h"
#include "api/answer.h"
#include "net/upstream.h"
#include "crypto/push_cert_pem.h"
#include "db/db.h"
#include "codec/json.h"
#include "storage/push_state.h"
#include "base/time.h"

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* ---- Push certificates ---- */

typedef struct {
    nmdm_push_cert_t *cert;
    int is_forced;
    const char *topic;
    nmdm_stored_cert_t stored;
} push_cert_t;

/* The answer to an upload and to a question are the same. */
static nmdm_err_t *answer(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                          const nmdm_push_cert_t *cert, nmdm_err_t *err)
{
    nmdm_json_t *object = nmdm_json_object(ctx->pool);

    if (!err) {
        nmdm_json_add_string(object, "not_after",
                             nmdm_time_rfc3339(ctx->pool, cert->not_after));
        nmdm_json_add_string(object, "topic", cert->topic);
    }
    return nmdm_api_answer_send(ctx, reply, status, object, err);
}

/* A certificate of another topic is the usual mistake at renewal: devices
 * that are enrolled cannot be pushed to with it. */
static nmdm_err_t *guard_topic(nmdm_ctx_t *ctx, const nmdm_push_cert_t *cert)
{
    const char *other;

    NMDM_TRY(nmdm_push_state_topic_in_use(ctx, &other, cert->topic));
    return !other ? NULL
        : nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0920)
                   "no enrolled device uses the topic %s, others use %s; renew"
                   " the certificate of that topic in the account that made"
                   " it, or add ?force=1 if devices are to be enrolled with"
                   " the new topic", cert->topic, other);
}

static nmdm_err_t *guard_expiry(nmdm_ctx_t *ctx, const nmdm_push_cert_t *cert)
{
    return cert->not_after > ctx->now ? NULL
        : nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0921)
                   "the certificate expired at %s and APNs will refuse it;"
                   " renew it, or add ?force=1 to store it all the same",
                   nmdm_time_rfc3339(ctx->pool, cert->not_after));
}

static nmdm_err_t *do_put_push_cert(nmdm_ctx_t *ctx, void *baton)
{
    const push_cert_t *in = baton;

    if (!in->is_forced) {
        NMDM_TRY(guard_topic(ctx, in->cert));
    }
    return nmdm_push_state_put_cert(ctx, in->cert);
}

static nmdm_err_t *do_get_push_cert(nmdm_ctx_t *ctx, void *baton)
{
    push_cert_t *in = baton;

    return nmdm_push_state_get_cert(ctx, &in->stored, in->topic);
}

static nmdm_err_t *put_push_cert(nmdm_ctx_t *ctx, nmdm_push_cert_t *cert,
                                 nmdm_bytes_t pem, int is_forced)
{
    push_cert_t in = { .cert = cert, .is_forced = is_forced };

    NMDM_TRY(nmdm_push_cert_pem_read(cert, ctx->pool, pem));
    if (nmdm_utf8_length(cert->topic) > 255) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0905)
                        "the APNs topic is longer than 255 characters");
    }
    if (!is_forced) {
        NMDM_TRY(guard_expiry(ctx, cert));
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_put_push_cert, &in));
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0906)
             "-: push certificate of topic %s stored [trace %s]",
             cert->topic, ctx->trace_id);
    return NULL;
}

static nmdm_err_t *get_push_cert(nmdm_ctx_t *ctx, nmdm_push_cert_t *cert,
                                 const char *topic)
{
    push_cert_t in = { .topic = topic };
    const char *key_pem;
    nmdm_bytes_t pem;
    nmdm_err_t *err;

    if (!topic || !*topic) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0907)
                        "missing required query parameter: topic");
    }
    if (nmdm_utf8_valid(topic, strlen(topic))) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_get_push_cert, &in));
    }
    if (!in.stored.found) {
        return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0908)
                        "no push certificate of topic \"%s\" is stored",
                        topic);
    }
    NMDM_TRY(nmdm_push_state_open_key(ctx, &key_pem, &in.stored));
    pem.data = apr_pstrcat(ctx->pool, in.stored.cert_pem, "\n", key_pem, NULL);
    pem.len = strlen(pem.data);
    err = nmdm_push_cert_pem_read(cert, ctx->pool, pem);
    if (err) {
        err->kind = NMDM_INTERNAL;      /* what is stored is not the asker's */
    }
    return err;
}

nmdm_err_t *nmdm_api_pushcert_put(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, nmdm_bytes_t pem,
                                  int is_forced)
{
    nmdm_push_cert_t cert;
    nmdm_err_t *err = put_push_cert(ctx, &cert, pem, is_forced);

    return answer(ctx, reply, status, &cert, err);
}

nmdm_err_t *nmdm_api_pushcert_get(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *topic)
{
    nmdm_push_cert_t cert;
    nmdm_err_t *err = get_push_cert(ctx, &cert, topic);

    return answer(ctx, reply, status, &cert, err);
}

/* ---- Escrow key unlock (behaviour specification 6.6) ---- */

static nmdm_err_t *check_form(nmdm_ctx_t *ctx, const apr_table_t *form)
{
    static const char *const NEEDED[] = {
        "serial", "productType", "escrowKey", "orgName", "guid", NULL
    };
    const char *value;
    int i;

    for (i = 0; NEEDED[i]; i++) {
        value = apr_table_get(form, NEEDED[i]);
        if (!value || !*value) {
            return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS,
                            NMDMNO(0912) "invalid or missing parameters");
        }
    }
    value = apr_table_get(form, "topic");
    if (!value || !*value) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(0913) "empty topic");
    }
    return NULL;
}

/* With capital digits, as RFC 3986 prefers and other clients send. */
static const char *escape(apr_pool_t *p, const char *value)
{
    char *text = apr_pstrdup(p, apr_pescape_urlencoded(p, value)), *at;

    for (at = text; (at = strchr(at, '%')); at += 3) {
        at[1] = (char)apr_toupper(at[1]);
        at[2] = (char)apr_toupper(at[2]);
    }
    return text;
}

/* The named members of a form that have a value, encoded again. */
static const char *encode_form(apr_pool_t *p, const apr_table_t *form,
                               const char *const *names)
{
    apr_array_header_t *pairs = apr_array_make(p, 5, sizeof(const char *));

    for (; *names; names++) {
        const char *value = apr_table_get(form, *names);

        if (value && *value) {
            APR_ARRAY_PUSH(pairs, const char *)
                = apr_pstrcat(p, *names, "=", escape(p, value), NULL);
        }
    }
    return apr_array_pstrcat(p, pairs, '&');
}

static nmdm_err_t *ask_escrow(nmdm_ctx_t *ctx, nmdm_exchange_t *x,
                              const apr_table_t *form)
{
    static const char *const QUERY[] = {
        "imei", "imei2", "meid", "productType", "serial", NULL
    };
    static const char *const BODY[] = { "escrowKey", "guid", "orgName", NULL };
    push_cert_t cert = { .topic = apr_table_get(form, "topic") };
    apr_table_t *headers = apr_table_make(ctx->pool, 1);
    const char *key_pem;

    NMDM_TRY(check_form(ctx, form));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_get_push_cert, &cert));
    nmdm_db_release(ctx);
    if (!cert.stored.found) {
        return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0914)
                        "retrieve push cert for topic: %s: none is stored",
                        cert.topic);
    }
    NMDM_TRY(nmdm_push_state_open_key(ctx, &key_pem, &cert.stored));
    apr_table_setn(headers, "Content-Type",
                   "application/x-www-form-urlencoded");
    *x = (nmdm_exchange_t){
        .method = "POST",
        .url = apr_pstrcat(ctx->pool, ctx->policy->escrow_url, "?",
                           encode_form(ctx->pool, form, QUERY), NULL),
        .headers = headers,
        .cert_pem = cert.stored.cert_pem,
        .key_pem = key_pem,
        .reads_reply = 1,
    };
    x->body.data = encode_form(ctx->pool, form, BODY);
    x->body.len = strlen(x->body.data);
    NMDM_TRY(nmdm_upstream_ask(ctx, x));
    if (!x->status) {
        return nmdm_err(ctx->pool, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0915)
                        "escrow key unlock: %s",
                        x->failure ? x->failure : "no answer");
    }
    return NULL;
}

/* What Apple says about its answer; the connection, the length and the date are
 * httpd's. */
static const apr_table_t *end_to_end(apr_pool_t *p, const apr_table_t *headers)
{
    static const char *const OURS[] = {
        "connection", "content-encoding", "content-length", "content-type",
        "date", "keep-alive",
        "proxy-authenticate", "proxy-connection", "server", "te", "trailer",
        "transfer-encoding", "upgrade", NULL
    };
    apr_table_t *kept = apr_table_copy(p, headers);
    const char *const *name;

    for (name = OURS; *name; name++) {
        apr_table_unset(kept, *name);
    }
    return kept;
}

nmdm_err_t *nmdm_api_escrow_unlock(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                   int *status, const apr_table_t *form)
{
    nmdm_exchange_t x;
    nmdm_err_t *err = ask_escrow(ctx, &x, form);

    if (err) {
        return nmdm_api_answer_send(ctx, reply, status, NULL, err);
    }
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0927)
             "-: escrow key unlock of %.64s: Apple answered %d [trace %s]",
             apr_table_get(form, "serial"), x.status, ctx->trace_id);
    *status = x.status;
    reply->content_type = apr_table_get(x.reply_headers, "content-type");
    reply->headers = end_to_end(ctx->pool, x.reply_headers);
    reply->body = x.reply;
    return NULL;
}
