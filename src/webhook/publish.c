/* SPDX-License-Identifier: Apache-2.0 */
/* publish.c -- publishes a message to webhooks.
 *
 * Durable events are rows of the outbox, committed with the change that they
 * report, as far as the device's budget goes (write_event); the relay sends
 * them. Others are handed to the client and are gone with this child. */

#include "webhook/publish.h"
#include "base/time.h"
#include "db/db.h"
#include "net/http_client.h"
#include "storage/outbox.h"
#include "webhook/event.h"
#include "webhook/receivers.h"
#include "webhook/relay.h"

#include <apr_strings.h>

/* What the events of one device may take in the outbox with those that are kept
 * without what it sent; and from which length on that is always looked at. */
#define MOST (NMDM_RELAY_BUDGET + NMDM_RELAY_BUDGET / 8)
#define LARGE ((apr_size_t)16 * 1024)

static int is_wanted(const nmdm_ctx_t *ctx, const nmdm_msg_t *msg)
{
    int i;

    for (i = 0; i < nmdm_receivers_count(ctx); i++) {
        if (nmdm_event_wants(nmdm_receivers_at(ctx, i), msg)) {
            return 1;
        }
    }
    return 0;
}

static nmdm_webhook_facts_t facts_of(nmdm_ctx_t *ctx,
                                     const nmdm_publication_t *publication)
{
    nmdm_webhook_facts_t facts = {
        .event_id = ctx->trace_id,
        .created_at = apr_time_now(),
        .deadline = nmdm_time_steady() + ctx->policy->upstream_timeout,
        .tally = publication->tally,
        .params = nmdm_event_params(ctx->pool, ctx->query),
        .traceparent = ctx->traceparent,
        .raw_pool = ctx->body_pool,
    };

    return facts;
}

/* ---- At once ---- */

static void post(nmdm_ctx_t *ctx, const nmdm_webhook_conf_t *conf,
                 const nmdm_publication_t *publication)
{
    const nmdm_id_t *who = &publication->msg->who;
    nmdm_webhook_facts_t facts = facts_of(ctx, publication);
    nmdm_exchange_t x;
    apr_pool_t *own;
    nmdm_err_t *err;

    apr_pool_create(&own, ctx->pool);
    nmdm_event_make(&x, own, conf, publication->msg, &facts);
    if (publication->is_too_long
        && nmdm_outbox_takes(ctx, nmdm_exchange_length(&x))) {
        apr_pool_destroy(own);
        return;
    }
    x.about = apr_psprintf(ctx->pool, "%s: webhook event %s of %s", who->id,
                           ctx->trace_id, ctx->access_log.message);
    err = nmdm_http_client_post(ctx->services->http, who->device_id, &x,
                                ctx->pool);
    apr_pool_destroy(own);
    if (err) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0710)
                 "%s: webhook event %s is lost: %s", who->id, ctx->trace_id,
                 nmdm_err_text(err));
    }
}

/* Everything, or what was too long to be kept: better sent once than not. */
static void post_all(nmdm_ctx_t *ctx, const nmdm_publication_t *publication)
{
    int i;

    for (i = 0; i < nmdm_receivers_count(ctx); i++) {
        if (nmdm_event_wants(nmdm_receivers_at(ctx, i), publication->msg)) {
            post(ctx, nmdm_receivers_at(ctx, i), publication);
        }
    }
}

/* ---- By the outbox ---- */

/* What a device has in the outbox; 0 where it need not be looked for. */
static nmdm_err_t *bytes_of_device(nmdm_ctx_t *ctx, apr_int64_t *bytes,
                                   const char *target, const char *device_id,
                                   apr_size_t len)
{
    *bytes = 0;
    return (len < LARGE && !nmdm_relay_is_long(ctx->services->relay, target))
            || !nmdm_outbox_takes(ctx, len)
        ? NULL : nmdm_outbox_bytes(ctx, bytes, device_id, target);
}

/* A device that has used up its budget leaves events without what it sent, and
 * then none. */
static nmdm_err_t *write_event(nmdm_exchange_t *x, int *is_kept,
                               nmdm_ctx_t *ctx, apr_pool_t *p,
                               const nmdm_webhook_conf_t *conf,
                               const nmdm_publication_t *publication)
{
    nmdm_webhook_facts_t facts = facts_of(ctx, publication);
    const nmdm_id_t *who = &publication->msg->who;
    apr_int64_t bytes, len;

    *is_kept = 1;
    facts.has_no_payload = publication->is_unfounded;
    nmdm_event_write(x, p, conf, publication->msg, &facts);
    len = (apr_int64_t)nmdm_exchange_length(x);
    NMDM_TRY(bytes_of_device(ctx, &bytes, conf->target, who->device_id,
                             (apr_size_t)len));
    if (!bytes || bytes + len <= NMDM_RELAY_BUDGET) {
        return NULL;
    }
    *is_kept = bytes < MOST;
    nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(0719)
             "%s: %" APR_INT64_T_FMT " MiB of its events wait for webhook %s;"
             " event %s is %s", who->id, bytes / 1048576, conf->target,
             ctx->trace_id, *is_kept ? "kept without its payload"
                                     : "not kept, and so lost");
    facts.has_no_payload = 1;
    nmdm_event_write(x, p, conf, publication->msg, &facts);
    return NULL;
}

static nmdm_err_t *put_event(nmdm_ctx_t *ctx, apr_pool_t *p,
                             const nmdm_webhook_conf_t *conf,
                             nmdm_publication_t *publication)
{
    nmdm_exchange_t x;
    apr_size_t len;
    int is_kept;
    nmdm_event_t event = {
        .device_id = publication->msg->who.device_id,
        .target = conf->target,
        .event_id = ctx->trace_id,
        .topic = nmdm_event_topic_of(ctx->pool, publication->msg),
        .traceparent = ctx->traceparent,
    };

    NMDM_TRY(write_event(&x, &is_kept, ctx, p, conf, publication));
    if (!is_kept) {
        return NULL;
    }
    len = nmdm_exchange_length(&x);
    if (!nmdm_outbox_takes(ctx, len)) {
        publication->is_too_long = 1;
        return NULL;
    }
    if (nmdm_relay_is_full(ctx->services->relay, conf->target, len)) {
        return NULL;
    }
    if (nmdm_outbox_splits(ctx, len)) {
        event.payload = x.payload;
        x.payload.len = 0;
    }
    event.body = nmdm_event_text(p, &x).data;
    return nmdm_outbox_put(ctx, &event);
}

/* What one event takes is given back before the next one. */
static nmdm_err_t *put(nmdm_ctx_t *ctx, const nmdm_webhook_conf_t *conf,
                       nmdm_publication_t *publication)
{
    apr_pool_t *own;
    nmdm_err_t *err;

    apr_pool_create(&own, ctx->pool);
    err = put_event(ctx, own, conf, publication);
    apr_pool_destroy(own);
    return err;
}

/* Whether the database has an outbox may not be known before the unit. */
int nmdm_publish_unit(const nmdm_ctx_t *ctx, const nmdm_msg_t *msg, int alone)
{
    return ctx->policy->durable && ctx->services->relay && is_wanted(ctx, msg)
        ? (int)NMDM_UNIT_TRANSACTION : alone;
}

nmdm_err_t *nmdm_publish_write(nmdm_ctx_t *ctx,
                               nmdm_publication_t *publication)
{
    int i;

    if (!nmdm_receivers_are_durable(ctx)) {
        return NULL;
    }
    publication->is_too_long = 0;
    for (i = 0; i < nmdm_receivers_count(ctx); i++) {
        if (nmdm_event_wants(nmdm_receivers_at(ctx, i), publication->msg)) {
            NMDM_TRY(put(ctx, nmdm_receivers_at(ctx, i), publication));
        }
    }
    publication->is_written = 1;
    return NULL;
}

static nmdm_err_t *do_write(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_publish_write(ctx, baton);
}

/* Nothing was changed, or the change was rolled back and its event with it.
 * While the database is away the device gets 503 and says it again. */
static nmdm_err_t *
write_alone(nmdm_ctx_t *ctx, nmdm_publication_t *publication, nmdm_err_t *err)
{
    nmdm_err_t *failed;

    if (err && err->kind == NMDM_UNAVAILABLE) {
        return err;
    }
    failed = nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_write, publication);
    publication->is_written &= !failed;
    if (failed && err) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0712)
                 "%s: event %s is lost: %s", publication->msg->who.id,
                 ctx->trace_id, nmdm_err_text(failed));
    }
    return err ? err : failed;
}

nmdm_err_t *nmdm_publish_send(nmdm_ctx_t *ctx, nmdm_publication_t *publication,
                              nmdm_err_t *err)
{
    if (!ctx->is_admitted || !is_wanted(ctx, publication->msg)) {
        return err;
    }
    if (!publication->is_written && nmdm_receivers_are_durable(ctx)) {
        err = write_alone(ctx, publication, err);
    }
    if (publication->is_written) {
        nmdm_relay_wake(ctx->services->relay);
    }
    if (!nmdm_receivers_are_durable(ctx) || publication->is_too_long) {
        post_all(ctx, publication);
    }
    return err;
}
