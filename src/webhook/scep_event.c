/* SPDX-License-Identifier: Apache-2.0 */
/* scep_event.c -- the event mdm.SCEP. */

#include "webhook/scep_event.h"
#include "base/time.h"
#include "codec/json.h"
#include "db/db.h"
#include "net/http_client.h"
#include "storage/outbox.h"
#include "webhook/event.h"
#include "webhook/receivers.h"
#include "webhook/relay.h"

#include <apr_strings.h>

#include <string.h>

#define TOPIC "mdm.SCEP"

static int wants(const nmdm_ctx_t *ctx, int i)
{
    return (nmdm_receivers_at(ctx, i)->topics & nmdm_event_topic(TOPIC)) != 0;
}

/* Whose events stay in order. */
static const char *device_of(const nmdm_scep_event_t *event)
{
    const nmdm_binding_t *to = &event->binding;

    return to->enrollment_id && *to->enrollment_id ? to->enrollment_id
        : to->udid && *to->udid ? to->udid
        : to->serial_number && *to->serial_number ? to->serial_number : "-";
}

/* Keys in alphabetical order, as in the other events. */
static nmdm_bytes_t body_of(nmdm_ctx_t *ctx, const nmdm_scep_event_t *event)
{
    nmdm_json_t *all = nmdm_json_object(ctx->pool), *scep;

    nmdm_json_add_string(all, "created_at",
                         nmdm_time_rfc3339(ctx->pool, apr_time_now()));
    nmdm_json_add_string(all, "event_id", ctx->trace_id);
    scep = nmdm_json_child(all, "scep_event");
    nmdm_json_add_text(scep, "cert_sha256", event->cert_sha256);
    nmdm_json_add_text(scep, "client", event->client);
    nmdm_json_add_text(scep, "enrollment_id", event->binding.enrollment_id);
    nmdm_json_add_text(scep, "key_sha256", event->key_sha256);
    nmdm_json_add_time(scep, "not_after", ctx->pool, event->not_after);
    nmdm_json_add_text(scep, "purpose", event->purpose);
    nmdm_json_add_text(scep, "serial_number", event->binding.serial_number);
    nmdm_json_add_text(scep, "status", event->status);
    nmdm_json_add_text(scep, "subject", event->subject);
    nmdm_json_add_text(scep, "transaction_id", event->transaction);
    nmdm_json_add_text(scep, "udid", event->binding.udid);
    nmdm_json_add_text(scep, "used_key_sha256", event->used_key_sha256);
    nmdm_json_add_text(scep, "user", event->binding.user_name);
    nmdm_json_add_string(all, "topic", TOPIC);
    return nmdm_json_write_compact(ctx->pool, all);
}

/* ---- By the outbox ---- */

nmdm_err_t *nmdm_scep_event_write(nmdm_ctx_t *ctx,
                                  const nmdm_scep_event_t *event)
{
    nmdm_event_t row = { .device_id = device_of(event), .topic = TOPIC,
                         .event_id = ctx->trace_id,
                         .traceparent = ctx->traceparent };
    int i;

    if (!nmdm_receivers_are_durable(ctx)) {
        return NULL;
    }
    row.body = body_of(ctx, event).data;
    for (i = 0; i < nmdm_receivers_count(ctx); i++) {
        row.target = nmdm_receivers_at(ctx, i)->target;
        if (wants(ctx, i)
            && !nmdm_relay_is_full(ctx->services->relay, row.target,
                                   strlen(row.body))) {
            NMDM_TRY(nmdm_outbox_put(ctx, &row));
        }
    }
    return NULL;
}

/* ---- At once ---- */

static void post(nmdm_ctx_t *ctx, const nmdm_webhook_conf_t *conf,
                 const nmdm_scep_event_t *event)
{
    nmdm_exchange_t x = { .body = body_of(ctx, event) };
    nmdm_err_t *err;

    nmdm_event_request(&x, ctx->pool, conf, ctx->traceparent,
                       nmdm_time_steady() + ctx->policy->upstream_timeout);
    x.about = apr_psprintf(ctx->pool, "-: webhook event %s of " TOPIC,
                           ctx->trace_id);
    err = nmdm_http_client_post(ctx->services->http, device_of(event), &x,
                                ctx->pool);
    if (err) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(1540)
                 "-: webhook event %s of " TOPIC " was not delivered: %s",
                 ctx->trace_id, nmdm_err_text(err));
    }
}

void nmdm_scep_event_written(nmdm_ctx_t *ctx, const nmdm_scep_event_t *event)
{
    int i;

    if (nmdm_receivers_are_durable(ctx)) {
        nmdm_relay_wake(ctx->services->relay);
        return;
    }
    for (i = 0; i < nmdm_receivers_count(ctx); i++) {
        if (wants(ctx, i)) {
            post(ctx, nmdm_receivers_at(ctx, i), event);
        }
    }
}

static nmdm_err_t *do_write(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_scep_event_write(ctx, baton);
}

void nmdm_scep_event_send(nmdm_ctx_t *ctx, const nmdm_scep_event_t *event)
{
    nmdm_scep_event_t copy = *event;
    nmdm_err_t *err = nmdm_receivers_are_durable(ctx)
        ? nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_write, &copy) : NULL;

    nmdm_db_release(ctx);
    if (err) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(1541)
                 "-: event %s of " TOPIC " was not stored: %s", ctx->trace_id,
                 nmdm_err_text(err));
        return;
    }
    nmdm_scep_event_written(ctx, event);
}
