/* SPDX-License-Identifier: Apache-2.0 */
/* scep.c -- SCEP's operations: what is read, decided and answered. */

#include "scep/scep.h"
#include "base/counters.h"
#include "base/time.h"
#include "crypto/x509.h"
#include "db/db.h"
#include "scep/grant.h"
#include "storage/scep.h"

#include <string.h>

#define TYPE_PKI "application/x-pki-message"

/* ---- GetCACaps, GetCACert ---- */

void nmdm_scep_capabilities(nmdm_reply_t *reply)
{
    static const char CAPABILITIES[] =
        "AES\nDES3\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-1\n"
        "SHA-256\nSHA-384\nSHA-512\n";

    reply->content_type = "text/plain";
    reply->body = (nmdm_bytes_t){ CAPABILITIES, sizeof(CAPABILITIES) - 1 };
}

/* One certificate is sent alone, also that of an intermediate CA: Apple's
 * client takes a list for one with RA certificates, and gives up when it finds
 * none. */
nmdm_err_t *nmdm_scep_ca_certs(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                               nmdm_reply_t *reply)
{
    const nmdm_key_pair_t *both[2] = { conf->recipient, conf->issuer };

    if (!conf->recipient) {
        reply->content_type = "application/x-x509-ca-cert";
        reply->body = conf->issuer->cert.der;
        return NULL;
    }
    reply->content_type = "application/x-x509-ca-ra-cert";
    return nmdm_scep_message_certs(&reply->body, ctx->pool, both, 2);
}

/* ---- The message of a GET ---- */

int nmdm_scep_decode(nmdm_bytes_t *out, apr_pool_t *p, const char *text)
{
    apr_size_t len = strlen(text);
    char *clean = apr_palloc(p, len + 4), *to = clean;

    for (; *text; text++) {
        char c = *text;

        if (c != '\r' && c != '\n' && c != '=') {
            *to++ = c == '-' || c == ' ' ? '+' : c == '_' ? '/' : c;
        }
    }
    while ((to - clean) % 4) {
        *to++ = '=';
    }
    *to = '\0';
    return nmdm_base64_decode(out, p, clean, (apr_size_t)(to - clean), 0)
        && out->len > 0;
}

/* ---- Answers ---- */

static const char *const NAMES[NMDM_SCEP_FAILURES] = {
    "badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"
};

/* What a client learns: few texts, none of which says what is stored. */
static const char *const TEXTS[NMDM_SCEP_FAILURES] = {
    "algorithm or key size not accepted",
    "message cannot be verified or decrypted",
    "request not granted",
    "time not accepted",
    "no certificate for this transaction"
};

static const nmdm_key_pair_t *signer_for(const nmdm_scep_conf_t *conf,
                                         const nmdm_scep_message_t *message)
{
    return message->recipient ? message->recipient
        : conf->recipient ? conf->recipient : conf->issuer;
}

static nmdm_err_t *answer_failure(nmdm_ctx_t *ctx,
                                  const nmdm_scep_conf_t *conf,
                                  nmdm_reply_t *reply,
                                  const nmdm_scep_message_t *message)
{
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(2201)
             "-: SCEP request of %s (transaction %s, signer %s) is answered"
             " with FAILURE %s: %s [trace %s]", conf->client,
             message->transaction, message->signer_name,
             NAMES[message->failure], message->flaw, ctx->trace_id);
    nmdm_count(ctx->services->counters, NMDM_COUNT_SCEP,
               NAMES[message->failure], NULL, 1);
    reply->content_type = TYPE_PKI;
    nmdm_db_release(ctx);
    return nmdm_scep_message_failure(&reply->body, ctx->pool, message,
                                     signer_for(conf, message),
                                     message->failure,
                                     TEXTS[message->failure]);
}

static nmdm_err_t *answer_success(nmdm_ctx_t *ctx,
                                  const nmdm_scep_conf_t *conf,
                                  nmdm_reply_t *reply,
                                  const nmdm_scep_message_t *message,
                                  struct x509_st *cert)
{
    nmdm_count(ctx->services->counters, NMDM_COUNT_SCEP, "success", NULL, 1);
    reply->content_type = TYPE_PKI;
    nmdm_db_release(ctx);
    return nmdm_scep_message_success(&reply->body, ctx->pool, message,
                                     signer_for(conf, message), cert);
}

/* ---- GetCertInitial ---- */

typedef struct {
    const nmdm_scep_message_t *message;
    nmdm_issued_row_t row;
} poll_t;

static nmdm_err_t *do_find(nmdm_ctx_t *ctx, void *baton)
{
    poll_t *in = baton;

    NMDM_TRY(nmdm_scep_tables_check(ctx));
    return nmdm_issued_of_transaction(ctx, &in->row,
                                      in->message->transaction,
                                      in->message->signer_key,
                                      ctx->now - NMDM_TIME_DAY);
}

/* Nothing is ever PENDING here: a client that polls has lost a reply. */
static nmdm_err_t *answer_poll(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                               nmdm_reply_t *reply,
                               nmdm_scep_message_t *message)
{
    poll_t in = { .message = message };
    struct x509_st *cert;

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_find, &in));
    cert = in.row.found ? nmdm_x509_read(ctx->pool, in.row.pem) : NULL;
    if (cert) {
        return answer_success(ctx, conf, reply, message, cert);
    }
    message->failure = NMDM_SCEP_BAD_CERT_ID;
    message->flaw = "no certificate was issued for this transaction and"
                    " signer within a day";
    return answer_failure(ctx, conf, reply, message);
}

/* ---- PKIOperation ---- */

static void open_envelope(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                          nmdm_scep_message_t *message)
{
    const nmdm_key_pair_t *pairs[3];
    nmdm_scep_recipients_t to = { pairs, 0, conf->takes_des };

    if (conf->recipient) {
        pairs[to.npairs++] = conf->recipient;
    }
    if (conf->issuer->is_rsa) {
        pairs[to.npairs++] = conf->issuer;
    }
    if (conf->former && conf->former->is_rsa) {
        pairs[to.npairs++] = conf->former;
    }
    nmdm_scep_message_open(message, ctx->pool, &to);
}

static nmdm_err_t *answer_request(nmdm_ctx_t *ctx,
                                  const nmdm_scep_conf_t *conf,
                                  nmdm_reply_t *reply,
                                  nmdm_scep_message_t *message)
{
    struct x509_st *cert = NULL;
    nmdm_csr_t csr;

    nmdm_scep_message_csr(message, &csr, ctx->pool);
    if (!message->flaw) {
        NMDM_TRY(nmdm_scep_grant(ctx, conf, message, &csr, &cert));
    }
    return message->flaw ? answer_failure(ctx, conf, reply, message)
        : answer_success(ctx, conf, reply, message, cert);
}

nmdm_err_t *nmdm_scep_operation(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                                nmdm_reply_t *reply, nmdm_bytes_t bytes)
{
    nmdm_scep_message_t message;

    NMDM_TRY(nmdm_scep_message_read(&message, ctx->pool, bytes));
    if (!message.flaw && message.type > NMDM_SCEP_GET_CERT_INITIAL) {
        message.failure = NMDM_SCEP_BAD_REQUEST;
        message.flaw = "GetCert and GetCRL are not served";
    }
    if (!message.flaw) {
        open_envelope(ctx, conf, &message);
    }
    if (message.flaw) {
        return answer_failure(ctx, conf, reply, &message);
    }
    return message.type == NMDM_SCEP_GET_CERT_INITIAL
        ? answer_poll(ctx, conf, reply, &message)
        : answer_request(ctx, conf, reply, &message);
}
