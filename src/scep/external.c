/* SPDX-License-Identifier: Apache-2.0 */
/* external.c -- asks another server who gets a certificate. */

#include "scep/external.h"
#include "codec/json.h"
#include "crypto/digest.h"
#include "net/upstream.h"

#include <apr_strings.h>

#include <string.h>

/* A tree of JSON takes many times as much memory as its text. */
#define LONGEST_ANSWER 65536

static nmdm_bytes_t question(apr_pool_t *p, const nmdm_scep_conf_t *conf,
                             const nmdm_scep_message_t *message,
                             const nmdm_csr_t *csr)
{
    nmdm_json_t *json = nmdm_json_object(p);

    nmdm_json_add_string(json, "challenge", csr->challenge);
    nmdm_json_add_string(json, "transaction_id", message->transaction);
    nmdm_json_add_integer(json, "message_type", message->type);
    nmdm_json_add_string(json, "csr", nmdm_csr_pem(p, csr));
    nmdm_json_add_string(json, "subject", csr->subject);
    nmdm_json_add_string(json, "client", conf->client);
    return nmdm_json_write_compact(p, json);
}

/* A value that is no string is none of its own: the certificate would be bound
 * to nothing. */
static const char *flaw_of_binding(nmdm_binding_t *binding,
                                   const nmdm_json_t *json)
{
    const struct {
        const char *key, **value;
    } ALL[] = {
        { "udid", &binding->udid }, { "serial", &binding->serial_number },
        { "enrollment_id", &binding->enrollment_id },
        { "user", &binding->user_name }
    };
    nmdm_json_t *value;
    apr_size_t i;

    for (i = 0; i < sizeof(ALL) / sizeof(*ALL); i++) {
        nmdm_err_t *err = nmdm_json_typed(&value, json, ALL[i].key,
                                          NMDM_JSON_STRING);

        if (err) {
            return nmdm_err_text(err);
        }
        *ALL[i].value = value ? nmdm_json_text(value) : NULL;
    }
    return nmdm_binding_flaw(binding);
}

static const char *read_answer(apr_pool_t *p, const nmdm_exchange_t *x,
                               nmdm_binding_t *binding)
{
    const char *flaw;
    nmdm_json_t *json;

    if (!x->status) {
        return apr_psprintf(p, "NanoMDMSCEPChallenge's server did not answer"
                            " (%s)", x->failure ? x->failure : "no reason");
    }
    if (x->status != 200) {
        return apr_psprintf(p, "NanoMDMSCEPChallenge's server answered with"
                            " status %d", x->status);
    }
    if (x->reply.len > LONGEST_ANSWER) {
        return "NanoMDMSCEPChallenge's server answered more than 64 KiB";
    }
    if (nmdm_json_read(&json, p, x->reply)
        || !nmdm_json_is_true(json, "allow")) {
        return "NanoMDMSCEPChallenge's server does not allow it";
    }
    flaw = flaw_of_binding(binding, json);
    return flaw ? apr_pstrcat(p, "NanoMDMSCEPChallenge's server answered: ",
                              flaw, NULL) : NULL;
}

void nmdm_scep_external_ask(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                            const nmdm_scep_message_t *message,
                            const nmdm_csr_t *csr, const char **why,
                            nmdm_binding_t *binding)
{
    apr_table_t *headers = apr_table_make(ctx->pool, 2);
    nmdm_exchange_t x;
    nmdm_err_t *err;

    memset(&x, 0, sizeof(x));
    x.method = "POST";
    x.url = conf->url;
    x.headers = headers;
    x.body = question(ctx->pool, conf, message, csr);
    x.reads_reply = 1;
    apr_table_setn(headers, "Content-Type", "application/json; charset=utf-8");
    if (conf->secret) {
        apr_table_setn(headers, "X-Hmac-Signature",
                       nmdm_digest_hmac(ctx->pool, conf->secret, x.body));
    }
    err = nmdm_upstream_ask(ctx, &x);
    *why = err ? nmdm_err_text(err) : read_answer(ctx->pool, &x, binding);
}
