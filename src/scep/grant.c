/* SPDX-License-Identifier: Apache-2.0 */
/* grant.c -- who gets a certificate, and its row. */

#include "scep/grant.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include "db/db.h"
#include "scep/external.h"
#include "webhook/scep_event.h"

#include <apr_strings.h>

#include <string.h>

typedef struct {
    const nmdm_scep_conf_t *conf;
    nmdm_scep_message_t *message;
    const nmdm_csr_t *csr;
    nmdm_issued_row_t signer;   /* of the request, if it was issued here */
    nmdm_challenge_t challenge;
    const char *earlier;        /* PEM of what was issued for it before */
    const char *purpose;
    nmdm_binding_t binding;
    const char *profile;        /* it is asked for with, or NULL */
    int uses_challenge;         /* takes a row of the table */
    int is_mine;                /* and got it */
    nmdm_issued_t issued;
} grant_t;

static void refuse(grant_t *in, const char *why)
{
    in->message->failure = NMDM_SCEP_BAD_REQUEST;
    in->message->flaw = why;
}

/* ---- What is known before anything is decided ---- */

static nmdm_err_t *find_earlier(nmdm_ctx_t *ctx, grant_t *in)
{
    nmdm_issued_row_t row;

    in->earlier = NULL;
    if (in->challenge.used && in->challenge.cert_sha256) {
        NMDM_TRY(nmdm_issued_get(ctx, &row, in->challenge.cert_sha256));
        in->earlier = row.found && !row.revoked ? row.pem : NULL;
    }
    return NULL;
}

/* The challenge of a renewal is made here and stored whatever
 * NanoMDMSCEPChallenge says: without it nothing would tell a renewal from a new
 * enrollment. */
static nmdm_err_t *find_challenge(nmdm_ctx_t *ctx, grant_t *in)
{
    static const nmdm_challenge_t NONE = { 0 };

    in->challenge = NONE;
    if (!*in->csr->challenge) {
        return NULL;
    }
    NMDM_TRY(nmdm_challenge_get(ctx, &in->challenge, in->csr->challenge));
    if (in->challenge.found && in->conf->challenge != NMDM_SCEP_ONCE
        && strcmp(in->challenge.purpose, NMDM_PURPOSE_RENEWAL)) {
        in->challenge = NONE;
    }
    return NULL;
}

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    grant_t *in = baton;

    NMDM_TRY(nmdm_scep_tables_check(ctx));
    memset(&in->signer, 0, sizeof(in->signer));
    if (!in->message->is_self_signed) {
        NMDM_TRY(nmdm_issued_get(ctx, &in->signer,
                                 in->message->signer_sha256));
    }
    NMDM_TRY(find_challenge(ctx, in));
    return find_earlier(ctx, in);
}

/* ---- Renewals ---- */

/* NULL when the signer may renew without a challenge, "" when a challenge is to
 * decide, or why there is no certificate. */
static const char *judge_renewal(nmdm_ctx_t *ctx, const grant_t *in)
{
    int days = in->conf->renewal_days;
    int has_challenge = *in->csr->challenge != '\0';

    if (!in->signer.found) {
        return in->message->type == NMDM_SCEP_PKCS_REQ ? ""
            : "a renewal has to be signed by a certificate that was issued"
              " here";
    }
    if (in->signer.revoked) {
        return "its signer's certificate is revoked";
    }
    if (!days) {
        return has_challenge ? ""
            : "a renewal needs a challenge; write NanoMDMSCEPRenewal DAYS to"
              " grant it without";
    }
    if (in->signer.not_after + in->conf->grace < ctx->now) {
        return has_challenge ? "" : "its signer's certificate has expired";
    }
    if (in->signer.not_after - days * NMDM_TIME_DAY > ctx->now) {
        return has_challenge ? "" : apr_psprintf(
            ctx->pool, "its signer's certificate ends on %s, and"
            " NanoMDMSCEPRenewal grants renewals in the last %d days",
            nmdm_time_rfc3339(ctx->pool, in->signer.not_after), days);
    }
    return NULL;
}

static void grant_renewal(grant_t *in)
{
    in->purpose = NMDM_PURPOSE_RENEWAL;
    in->binding = in->signer.binding;
    in->profile = in->signer.profile;
    in->earlier = NULL;
}

/* ---- Challenges ---- */

static const char *why_not(nmdm_ctx_t *ctx, const grant_t *in)
{
    const nmdm_challenge_t *challenge = &in->challenge;
    int is_used = challenge->used != 0;

    if (!*in->csr->challenge) {
        return "it has no challenge";
    }
    if (!challenge->found) {
        return "its challenge is not known";
    }
    return apr_psprintf(ctx->pool, "its challenge (%s, for %s) %s on %s",
                        challenge->purpose,
                        nmdm_binding_text(ctx->pool, &challenge->binding),
                        is_used ? "was used" : "expired",
                        nmdm_time_rfc3339(ctx->pool, is_used
                                          ? challenge->used
                                          : challenge->expires));
}

/* A profile that has leaked looks like this. */
static void remark_on_reuse(nmdm_ctx_t *ctx, const grant_t *in)
{
    const nmdm_challenge_t *challenge = &in->challenge;
    nmdm_scep_event_t event = {
        .status = "reused", .purpose = challenge->purpose,
        .binding = challenge->binding, .key_sha256 = in->csr->key_sha256,
        .used_key_sha256 = challenge->key_sha256,
        .cert_sha256 = challenge->cert_sha256,
        .transaction = in->message->transaction,
        .client = in->conf->client };

    nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(2202)
             "-: SCEP request of %s: the challenge (%s, for %s) was used by"
             " key %.8s and is sent again with key %.8s; if the profile has"
             " leaked, revoke the certificate %s", in->conf->client,
             challenge->purpose,
             nmdm_binding_text(ctx->pool, &challenge->binding),
             challenge->key_sha256, in->csr->key_sha256,
             challenge->cert_sha256);
    nmdm_scep_event_send(ctx, &event);
}

static int has_same_key(const grant_t *in)
{
    return in->challenge.key_sha256
        && !strcmp(in->challenge.key_sha256, in->csr->key_sha256);
}

/* A used challenge with the same key, within its life: a reply was lost, and
 * in->earlier stays. */
static void judge_once(nmdm_ctx_t *ctx, grant_t *in)
{
    const nmdm_challenge_t *challenge = &in->challenge;
    int is_alive = challenge->found && challenge->expires > ctx->now;

    if (is_alive && challenge->used && in->earlier && has_same_key(in)) {
        return;
    }
    in->earlier = NULL;
    if (is_alive && !challenge->used) {
        in->uses_challenge = 1;
        in->purpose = challenge->purpose;
        in->binding = challenge->binding;
        in->profile = challenge->profile;
        return;
    }
    refuse(in, why_not(ctx, in));
    if (challenge->used && !has_same_key(in)) {
        remark_on_reuse(ctx, in);
    }
}

static void judge_challenge(nmdm_ctx_t *ctx, grant_t *in)
{
    const char *why = NULL;

    if (in->challenge.found) {
        judge_once(ctx, in);
        return;
    }
    switch (in->conf->challenge) {
    case NMDM_SCEP_ONCE:
        judge_once(ctx, in);
        return;
    case NMDM_SCEP_STATIC:
        in->purpose = NMDM_PURPOSE_STATIC;
        why = nmdm_digest_same_secret(in->conf->secret, in->csr->challenge)
            ? NULL : "its challenge is not that of NanoMDMSCEPChallenge";
        break;
    case NMDM_SCEP_EXTERNAL:
        in->purpose = NMDM_PURPOSE_EXTERNAL;
        nmdm_scep_external_ask(ctx, in->conf, in->message, in->csr, &why,
                               &in->binding);
        break;
    case NMDM_SCEP_NONE:
        in->purpose = NMDM_PURPOSE_NONE;
        break;
    }
    if (why) {
        refuse(in, why);
    }
}

static void decide(nmdm_ctx_t *ctx, grant_t *in)
{
    const char *why = judge_renewal(ctx, in);

    if (!why) {
        grant_renewal(in);
    }
    else if (*why) {
        refuse(in, why);
    }
    else {
        judge_challenge(ctx, in);
    }
}

/* ---- Issuing ---- */

/* The bound name, whatever the CSR says: serial number, else UDID. */
static const char *bound_name(const nmdm_binding_t *binding)
{
    return binding->serial_number && *binding->serial_number
        ? binding->serial_number
        : binding->udid && *binding->udid ? binding->udid : NULL;
}

static nmdm_err_t *put_row(nmdm_ctx_t *ctx, const grant_t *in)
{
    nmdm_issued_row_t row = {
        .sha256 = in->issued.cert.sha256, .serial = in->issued.serial,
        .profile = in->profile,
        .issuer_sha256 = in->conf->issuer->cert.sha256,
        .subject = in->issued.subject, .pem = in->issued.pem,
        .not_after = in->issued.not_after, .purpose = in->purpose,
        .binding = in->binding, .transaction = in->message->transaction,
        .signer_key = in->message->signer_key };

    return nmdm_issued_put(ctx, &row);
}

static nmdm_scep_event_t event_of(const grant_t *in)
{
    return (nmdm_scep_event_t){
        .status = "issued", .purpose = in->purpose, .binding = in->binding,
        .key_sha256 = in->csr->key_sha256,
        .cert_sha256 = in->issued.cert.sha256,
        .subject = in->issued.subject, .not_after = in->issued.not_after,
        .transaction = in->message->transaction,
        .client = in->conf->client };
}

/* The challenge is used up, its certificate has a row and its event is kept, or
 * nothing of that. */
static nmdm_err_t *do_issue(nmdm_ctx_t *ctx, void *baton)
{
    grant_t *in = baton;
    nmdm_scep_event_t event = event_of(in);

    in->is_mine = 1;
    if (in->uses_challenge) {
        NMDM_TRY(nmdm_challenge_use(ctx, &in->is_mine, in->csr->challenge,
                                    in->csr->key_sha256,
                                    in->issued.cert.sha256));
    }
    if (!in->is_mine) {
        return NULL;
    }
    NMDM_TRY(put_row(ctx, in));
    return nmdm_scep_event_write(ctx, &event);
}

static void remark_on_end(nmdm_ctx_t *ctx, const grant_t *in)
{
    if (in->issued.is_cut_short) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(2204)
                 "-: SCEP: the issuer %s ends on %s, before the %d days of"
                 " NanoMDMSCEPValidity are over, and the certificate with it;"
                 " name a new issuer first in NanoMDMIssuerCertificateFile",
                 in->conf->issuer->name,
                 nmdm_time_rfc3339(ctx->pool, in->issued.not_after),
                 in->conf->validity_days);
    }
}

static void report_issued(nmdm_ctx_t *ctx, const grant_t *in)
{
    nmdm_scep_event_t event = event_of(in);

    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(2203)
             "-: SCEP: certificate %.16s... issued to %s for %s (%s, %s) until"
             " %s [trace %s]", in->issued.cert.sha256, in->conf->client,
             in->issued.subject, in->purpose,
             nmdm_binding_text(ctx->pool, &in->binding),
             nmdm_time_rfc3339(ctx->pool, in->issued.not_after),
             ctx->trace_id);
    remark_on_end(ctx, in);
    nmdm_scep_event_written(ctx, &event);
}

/* Another request was faster with the challenge, perhaps with the same key; or
 * this one was, and the connection was lost over its commit. */
static nmdm_err_t *look_again(nmdm_ctx_t *ctx, grant_t *in)
{
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, in));
    judge_once(ctx, in);
    if (!in->earlier && !in->message->flaw) {
        refuse(in, why_not(ctx, in));
    }
    return NULL;
}

static nmdm_err_t *issue(nmdm_ctx_t *ctx, grant_t *in)
{
    const char *flaw;

    NMDM_TRY(nmdm_issuer_issue(&in->issued, &flaw, ctx->pool,
                               in->conf->issuer, in->csr,
                               bound_name(&in->binding),
                               in->conf->validity_days, ctx->now));
    if (flaw) {
        refuse(in, flaw);
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_issue, in));
    nmdm_db_release(ctx);
    if (!in->is_mine) {
        return look_again(ctx, in);
    }
    report_issued(ctx, in);
    return NULL;
}

/* ---- All of it ---- */

static nmdm_err_t *give_again(nmdm_ctx_t *ctx, const grant_t *in,
                              struct x509_st **cert)
{
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(2205)
             "-: SCEP request of %s is repeated with the same key: it gets the"
             " certificate %.16s... again", in->conf->client,
             in->challenge.cert_sha256);
    *cert = nmdm_x509_read(ctx->pool, in->earlier);
    return *cert ? NULL
        : nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(2206)
                   "-: the certificate %s cannot be read from its row",
                   in->challenge.cert_sha256);
}

nmdm_err_t *nmdm_scep_grant(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                            nmdm_scep_message_t *message,
                            const nmdm_csr_t *csr, struct x509_st **cert)
{
    grant_t in = { .conf = conf, .message = message, .csr = csr };

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, &in));
    nmdm_db_release(ctx);
    decide(ctx, &in);
    if (!message->flaw && !in.earlier) {
        NMDM_TRY(issue(ctx, &in));
    }
    if (message->flaw) {
        return NULL;
    }
    if (in.earlier) {
        return give_again(ctx, &in, cert);
    }
    *cert = in.issued.x509;
    return NULL;
}
