/* SPDX-License-Identifier: Apache-2.0 */
/* event.c -- events: JSON, signature, request. Without the network.
 *
 * Keys are set in alphabetical order, which is the order of NanoMDM's
 * (behaviour specification 5.2). */

#include "webhook/event.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "codec/json.h"
#include "codec/redact.h"
#include "codec/secrets.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* ---- Topics and targets ---- */

/* Bits of nmdm_webhook_conf_t; bit 0 is NMDM_WEBHOOK_IDLE. */
static const char *const TOPICS[] = {
    "mdm.Connect:Idle", "mdm.Connect", "mdm.Authenticate", "mdm.TokenUpdate",
    "mdm.CheckOut", "mdm.UserAuthenticate", "mdm.SetBootstrapToken",
    "mdm.GetBootstrapToken", "mdm.DeclarativeManagement", "mdm.GetToken",
    "mdm.SCEP", "mdm.DeclarativeManagement:status", "mdm.ReturnToService"
};

/* The index of a name, or -1. */
static int topic_index(const char *name)
{
    int i;

    for (i = 0; i < (int)(sizeof(TOPICS) / sizeof(*TOPICS)); i++) {
        if (!strcmp(name, TOPICS[i])) {
            return i;
        }
    }
    return -1;
}

unsigned nmdm_event_topic(const char *name)
{
    int i = topic_index(name);
    unsigned topic = i < 0 ? 0 : 1u << i;

    if (!strcasecmp(name, "all")) {
        return NMDM_WEBHOOK_ALL;
    }
    return strcmp(name, "mdm.DeclarativeManagement") ? topic
        : topic | nmdm_event_topic("mdm.DeclarativeManagement:status");
}

const char *nmdm_event_topic_of(apr_pool_t *p, const nmdm_msg_t *msg)
{
    return msg->type ? apr_pstrcat(p, "mdm.", msg->type, NULL)
                     : "mdm.Connect";
}

/* The name of a message among the topics. */
static const char *topic_name(char *buffer, apr_size_t size,
                              const nmdm_msg_t *msg)
{
    if (!msg->type) {
        return strcmp(msg->u.report.status, "Idle") ? "mdm.Connect"
                                                    : "mdm.Connect:Idle";
    }
    if (!strcmp(msg->type, "DeclarativeManagement")
        && msg->u.declarative.endpoint
        && !strcmp(msg->u.declarative.endpoint, "status")) {
        return "mdm.DeclarativeManagement:status";
    }
    apr_snprintf(buffer, size, "mdm.%s", msg->type);
    return buffer;
}

int nmdm_event_wants(const nmdm_webhook_conf_t *conf, const nmdm_msg_t *msg)
{
    char buffer[64];
    int i = topic_index(topic_name(buffer, sizeof(buffer), msg));

    return i >= 0 && (conf->topics >> i & 1u) != 0;
}

const char *nmdm_event_target(apr_pool_t *p, const char *url)
{
    nmdm_bytes_t all = { url, strlen(url) };
    const char *host = strstr(url, "://") + 3;
    apr_size_t len = strcspn(host, "/?");
    const char *at = memchr(host, '@', len);
    const char *name = at ? at + 1 : host;

    len -= (apr_size_t)(name - host);
    return apr_psprintf(p, "%.*s%.*s#%.8s", (int)(host - url), url,
                        (int)(len < 80 ? len : 80), name,
                        nmdm_digest_sha256(p, all));
}

/* ---- Query parameters ---- */

/* NULL for what is not the escaped form of text: with NUL or without being
 * UTF-8 it cannot be a JSON string either. */
static const char *unescape(apr_pool_t *p, const char *text)
{
    char *out = apr_palloc(p, strlen(text) + 1), *to = out;
    int byte;

    for (; *text; text++) {
        if (*text == '%') {
            byte = nmdm_hex_byte(text + 1);
            if (byte <= 0) {
                return NULL;
            }
            *to++ = (char)byte;
            text += 2;
        }
        else {
            *to++ = *text == '+' ? ' ' : *text;
        }
    }
    *to = '\0';
    return nmdm_utf8_valid(out, (apr_size_t)(to - out)) ? out : NULL;
}

/* apr_table_get would take "A" for "a". */
static int has_param(const apr_table_t *params, const char *name)
{
    const apr_array_header_t *all = apr_table_elts(params);
    const apr_table_entry_t *entries = (const void *)all->elts;
    int i;

    for (i = 0; i < all->nelts; i++) {
        if (!strcmp(entries[i].key, name)) {
            return 1;
        }
    }
    return 0;
}

static void add_param(apr_table_t *params, apr_pool_t *p, const char *pair)
{
    const char *equals = strchr(pair, '=');
    const char *name, *value;

    if (!*pair || strchr(pair, ';')) {
        return;
    }
    name = unescape(p, apr_pstrmemdup(p, pair, strcspn(pair, "=")));
    value = unescape(p, equals ? equals + 1 : "");
    if (name && value && !has_param(params, name)) {
        apr_table_addn(params, name, value);
    }
}

apr_table_t *nmdm_event_params(apr_pool_t *p, const char *query)
{
    apr_table_t *params = apr_table_make(p, 4);

    while (query && *query) {
        apr_size_t len = strcspn(query, "&");

        add_param(params, p, apr_pstrmemdup(p, query, len));
        query += len + (query[len] == '&');
    }
    return params;
}

/* ---- JSON ---- */

static void set_ids(nmdm_json_t *event, const nmdm_id_t *who)
{
    nmdm_json_t *ids = nmdm_json_child(event, "ids");

    nmdm_json_add_string(ids, "id", who->id);
    if (who->on_user_channel) {
        nmdm_json_add_string(ids, "parent_id", who->device_id);
    }
    nmdm_json_add_string(ids, "type", who->type);
}

static void set_params(nmdm_json_t *event, apr_pool_t *p,
                       const apr_table_t *params)
{
    const apr_array_header_t *all = params ? apr_table_elts(params) : NULL;
    const apr_table_entry_t *entries;
    nmdm_json_t *object;
    int i;

    if (!all || !all->nelts) {
        return;
    }
    entries = (const void *)all->elts;
    object = nmdm_json_object(p);
    for (i = 0; i < all->nelts; i++) {
        nmdm_json_add_string(object, entries[i].key, entries[i].val);
    }
    nmdm_json_set_object(event, "url_params", nmdm_json_sorted(object));
}

/* As sent; or without secrets, which only readable XML can be. */
static void set_payload(nmdm_exchange_t *x, apr_pool_t *p,
                        const nmdm_webhook_conf_t *conf,
                        const nmdm_msg_t *msg,
                        const nmdm_webhook_facts_t *facts)
{
    nmdm_bytes_t text = { msg->text, 0 };

    if (facts->has_no_payload) {
        return;
    }
    if (!conf->redacts) {
        x->payload = msg->raw;
        x->payload_pool = facts->raw_pool;
        return;
    }
    text.len = strlen(msg->text);
    x->payload = nmdm_redact_replace(
        nmdm_shared_pool_for(text.len, p, &x->payload_pool), text,
        nmdm_secrets_keys(p, NMDM_SECRET_FROM_DEVICE));
}

/* The place of the payload, which is put there as it is sent. */
#define RAW_PAYLOAD "\"raw_payload\":\""

int nmdm_event_split(nmdm_exchange_t *x, nmdm_bytes_t json)
{
    /* A quotation mark within a string has a backslash in front. */
    const char *place = strstr(json.data, RAW_PAYLOAD);
    apr_size_t len;

    if (!place) {
        return 0;
    }
    len = (apr_size_t)(place - json.data) + strlen(RAW_PAYLOAD);
    x->body = (nmdm_bytes_t){ json.data, len };
    x->rest = (nmdm_bytes_t){ json.data + len, json.len - len };
    return 1;
}

static void set_checkin(nmdm_json_t *event, apr_pool_t *p,
                        const nmdm_msg_t *msg,
                        const nmdm_webhook_facts_t *facts)
{
    int has_tally = !strcmp(msg->type, "TokenUpdate") && facts->tally >= 0;

    nmdm_json_add_text(event, "enrollment_id", msg->enrollment_id);
    set_ids(event, &msg->who);
    nmdm_json_add_string(event, "raw_payload", "");
    if (has_tally) {
        nmdm_json_add_integer(event, "token_update_tally", facts->tally);
    }
    nmdm_json_add_text(event, "udid", msg->udid);
    set_params(event, p, facts->params);
}

static void set_report(nmdm_json_t *event, apr_pool_t *p,
                       const nmdm_msg_t *msg,
                       const nmdm_webhook_facts_t *facts)
{
    nmdm_json_add_text(event, "command_uuid", msg->u.report.command_uuid);
    nmdm_json_add_text(event, "enrollment_id", msg->enrollment_id);
    set_ids(event, &msg->who);
    nmdm_json_add_string(event, "raw_payload", "");
    nmdm_json_add_string(event, "status", msg->u.report.status);
    nmdm_json_add_text(event, "udid", msg->udid);
    set_params(event, p, facts->params);
}

void nmdm_event_write(nmdm_exchange_t *x, apr_pool_t *p,
                      const nmdm_webhook_conf_t *conf, const nmdm_msg_t *msg,
                      const nmdm_webhook_facts_t *facts)
{
    nmdm_json_t *event = nmdm_json_object(p);

    if (msg->type) {
        set_checkin(nmdm_json_child(event, "checkin_event"), p, msg, facts);
    }
    else {
        set_report(nmdm_json_child(event, "acknowledge_event"), p, msg,
                   facts);
    }
    nmdm_json_add_string(event, "created_at",
                         nmdm_time_rfc3339_exact(p, facts->created_at));
    nmdm_json_add_text(event, "event_id", facts->event_id);
    nmdm_json_add_string(event, "topic", nmdm_event_topic_of(p, msg));
    memset(x, 0, sizeof(*x));
    (void)nmdm_event_split(x, nmdm_json_write_compact(p, event));
    set_payload(x, p, conf, msg, facts);
}

nmdm_bytes_t nmdm_event_text(apr_pool_t *p, const nmdm_exchange_t *x)
{
    apr_size_t len = nmdm_exchange_length(x), from = 0;
    char *text = apr_palloc(p, len + 1);

    while (from < len) {
        from += nmdm_exchange_read(x, text + from, len - from, from);
    }
    text[len] = '\0';
    return (nmdm_bytes_t){ text, len };
}

/* ---- The request ---- */

static apr_size_t read_event(const void *baton, char *to, apr_size_t room,
                             apr_size_t from)
{
    return nmdm_exchange_read(baton, to, room, from);
}

void nmdm_event_request(nmdm_exchange_t *x, apr_pool_t *p,
                        const nmdm_webhook_conf_t *conf,
                        const char *traceparent, apr_time_t deadline)
{
    apr_table_t *headers = apr_table_make(p, 3);

    x->method = "POST";
    x->url = conf->url;
    x->headers = headers;
    x->deadline = deadline;
    apr_table_setn(headers, "Content-Type", "application/json; charset=utf-8");
    if (conf->key) {
        apr_table_setn(headers, "X-Hmac-Signature",
                       nmdm_digest_hmac_of(p, conf->key, read_event, x));
    }
    if (traceparent) {
        apr_table_setn(headers, "traceparent", traceparent);
    }
}

void nmdm_event_make(nmdm_exchange_t *x, apr_pool_t *p,
                     const nmdm_webhook_conf_t *conf,
                     const nmdm_msg_t *msg,
                     const nmdm_webhook_facts_t *facts)
{
    nmdm_event_write(x, p, conf, msg, facts);
    nmdm_event_request(x, p, conf, facts->traceparent, facts->deadline);
}
