/* SPDX-License-Identifier: Apache-2.0 */
/* apns_message.c -- APNs requests and outcomes, without the network. */

#include "push/apns_message.h"
#include "codec/json.h"
#include "net/exchange.h"
#include "storage/push_state.h"

#include <apr_strings.h>

static nmdm_bytes_t payload(apr_pool_t *p, const char *push_magic)
{
    nmdm_json_t *object = nmdm_json_object(p);

    nmdm_json_add_string(object, "mdm", push_magic);
    return nmdm_json_write_compact(p, object);
}

void nmdm_apns_message_topic(nmdm_push_topic_t *out, apr_pool_t *p,
                             const nmdm_push_conf_t *conf, apr_time_t now,
                             const char *topic, const char *cert_pem,
                             const char *key_pem)
{
    apr_table_t *headers = apr_table_make(p, 5);

    apr_table_setn(headers, "content-type", "application/json");
    apr_table_setn(headers, "apns-push-type", "mdm");
    apr_table_setn(headers, "apns-topic", topic);
    apr_table_setn(headers, "apns-priority", "10");
    if (conf->expiration) {
        apr_table_setn(headers, "apns-expiration",
                       apr_psprintf(p, "%" APR_TIME_T_FMT,
                                    apr_time_sec(now) + conf->expiration));
    }
    *out = (nmdm_push_topic_t){ headers, cert_pem, key_pem };
}

void nmdm_apns_message_request(nmdm_exchange_t *x, apr_pool_t *p,
                               const nmdm_push_conf_t *conf,
                               const nmdm_push_topic_t *topic,
                               const nmdm_push_info_t *info)
{
    *x = (nmdm_exchange_t){
        .method = "POST",
        .url = apr_pstrcat(p, conf->url, "/3/device/", info->token_hex, NULL),
        .headers = topic->headers,
        .body = payload(p, info->push_magic),
        .cert_pem = topic->cert_pem,
        .key_pem = topic->key_pem,
    };
}

/* What APNs says in JSON. */
static const char *explain(const char **reason, apr_pool_t *p,
                           nmdm_bytes_t body)
{
    nmdm_json_t *object;
    apr_int64_t since;
    nmdm_err_t *err = nmdm_json_read(&object, p, body);

    if (err) {
        return apr_pstrcat(p, "decoding JSON push error: ",
                           nmdm_err_text(err), NULL);
    }
    *reason = nmdm_json_string(object, "reason");
    if (!*reason) {
        *reason = "";
    }
    since = nmdm_json_integer(object, "timestamp");
    return apr_psprintf(p, "APNs push error: %s%s", *reason,
                        since > 0 ? apr_psprintf(p, ": timestamp %"
                                                 APR_INT64_T_FMT, since)
                                  : "");
}

void nmdm_apns_message_outcome(nmdm_push_outcome_t *outcome, apr_pool_t *p,
                               const nmdm_exchange_t *x)
{
    *outcome = (nmdm_push_outcome_t){ .reason = "" };
    if (x->reply_headers) {
        outcome->apns_id = apr_table_get(x->reply_headers, "apns-id");
    }
    if (!x->status) {
        outcome->error = x->failure ? x->failure : "no answer";
    }
    else if (x->status != 200) {
        outcome->error = apr_psprintf(p, "push HTTP status: %d: %s",
                                      x->status,
                                      explain(&outcome->reason, p,
                                              x->reply));
        outcome->is_refusal = x->status >= 400 && x->status < 500
            && x->status != 429;
    }
}
