/* SPDX-License-Identifier: Apache-2.0 */
/* delivery.c -- one receiver of the outbox's events: what is leased and
 * posted to it, and what becomes of that.
 *
 * Leases are renewed while events are under way, so one that is over means
 * that its child is gone, and any other child or server goes on. */

#include "webhook/delivery.h"
#include "webhook/dead_events.h"
#include "webhook/stored_event.h"
#include "net/http_client.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "base/time.h"
#include "webhook/backlog.h"

#include <apr_strings.h>

#include <string.h>

/* How often leases are renewed and the backlog is counted. */
#define RENEWAL apr_time_from_sec(NMDM_OUTBOX_LEASE / 4)
#define COUNTING apr_time_from_sec(60)

/* After so many failures without a success between them a receiver is taken to
 * be away: then one event at a time, so often, finds out whether it is back,
 * and the others are spared. */
#define AWAY 10
#define PROBING apr_time_from_sec(5)

/* But for backlog it is the thread's own. */
struct nmdm_delivery_t {
    apr_pool_t *pool;           /* the thread's */
    nmdm_relay_t *relay;
    const char *lease;          /* names the relay in the outbox */
    nmdm_route_t route;
    const nmdm_webhook_conf_t *webhook;
    apr_hash_t *under_way;      /* seq -> nmdm_delivery_event_t */
    nmdm_delivery_events_t ended; /* with an outcome, not yet written down */
    nmdm_backlog_t backlog;
    int failures;               /* since the last success */
    apr_time_t probe_at, renew_at, count_at;    /* on the steady clock */
    int *long_under_way;        /* of all receivers */
    int is_database_away;
    int has_complained;
};

/* ---- Writing outcomes down ---- */

static int was_taken(const nmdm_delivery_event_t *attempt)
{
    return attempt->status >= 200 && attempt->status <= 299;
}

typedef struct {
    nmdm_delivery_t *receiver;
    const apr_array_header_t *taken, *seqs;
    apr_array_header_t *events;
    const nmdm_delivery_event_t *attempt;
    const char *why;
    int delay, most;
    apr_int64_t number, bytes;
    int is_overdue;
} work_t;

static nmdm_err_t *do_failed(nmdm_ctx_t *ctx, void *baton)
{
    const work_t *work = baton;

    return nmdm_outbox_failed(ctx, &work->attempt->event, work->why,
                              work->delay, work->receiver->lease);
}

static nmdm_err_t *do_make_due(nmdm_ctx_t *ctx, void *baton)
{
    const work_t *work = baton;

    return nmdm_outbox_make_due(ctx, work->receiver->webhook->target);
}

static void forget(nmdm_delivery_event_t *attempt)
{
    APR_RING_REMOVE(attempt, link);
    apr_hash_set(attempt->receiver->under_way, attempt->event.seq,
                 APR_HASH_KEY_STRING, NULL);
    apr_pool_destroy(attempt->pool);
}

/* Its payload is no longer in memory. */
static void note_end(const nmdm_delivery_event_t *attempt)
{
    *attempt->receiver->long_under_way -= attempt->event.payload_size > 0;
}

static const char *reason(apr_pool_t *p, const nmdm_delivery_event_t *attempt)
{
    if (attempt->status == 413) {
        return apr_psprintf(p, "the receiver answered 413: its limit for"
                            " bodies is below this event; raise it, or skip"
                            " the event by DELETE .../events/%s",
                            attempt->event.seq);
    }
    return attempt->status
        ? apr_psprintf(p, "the receiver answered %d", attempt->status)
        : apr_pstrdup(p, attempt->failure);
}

/* Logs a failing receiver at each doubling of its failures. */
static void log_failure(nmdm_ctx_t *ctx, const nmdm_delivery_t *receiver,
                        const work_t *work)
{
    const nmdm_event_t *event = &work->attempt->event;
    int is_power_of_two = !(receiver->failures & (receiver->failures - 1));

    if (event->is_last_try) {
        nmdm_dead_events_log(ctx, event, work->why);
        return;
    }
    nmdm_log(ctx, is_power_of_two ? NMDM_LOG_WARNING : NMDM_LOG_DEBUG,
             NMDMNO(1812) "%s: event %s (%s) for webhook %s is tried again in"
             " %d s: %s (failure %d in a row)", event->device_id,
             event->event_id, event->topic, event->target, work->delay,
             work->why, receiver->failures);
}

static nmdm_err_t *settle_failure(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                                  nmdm_delivery_event_t *attempt)
{
    work_t work = { .receiver = receiver, .attempt = attempt };
    unsigned char chance = 128;

    (void)nmdm_digest_random((char *)&chance, 1);
    work.delay = nmdm_outbox_delay(attempt->event.tries, chance);
    work.why = reason(ctx->pool, attempt);
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_failed, &work));
    receiver->failures++;
    receiver->probe_at = nmdm_time_steady() + PROBING;
    log_failure(ctx, receiver, &work);
    forget(attempt);
    return NULL;
}

/* What waited because the receiver was away waits no longer. */
static nmdm_err_t *note_success(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx)
{
    work_t work = { .receiver = receiver };

    if (receiver->failures >= AWAY) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_make_due, &work));
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(1813)
                 "webhook %s takes events again after %d failures",
                 receiver->webhook->target, receiver->failures);
    }
    receiver->failures = 0;
    return NULL;
}

static nmdm_err_t *settle_failures(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx)
{
    nmdm_delivery_event_t *attempt, *next;

    APR_RING_FOREACH_SAFE(attempt, next, &receiver->ended,
                          nmdm_delivery_event_t, link)
    {
        if (!was_taken(attempt)) {
            NMDM_TRY(settle_failure(receiver, ctx, attempt));
        }
    }
    return NULL;
}

/* ---- Sending ---- */

/* What is under way here is left out, whatever became of its lease. */
static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;
    apr_array_header_t *due = apr_array_make(ctx->pool, NMDM_OUTBOX_MOST,
                                             sizeof(const char *));
    apr_array_header_t *seqs = apr_array_make(ctx->pool, NMDM_OUTBOX_MOST,
                                              sizeof(const char *));
    int i;

    work->seqs = seqs;
    NMDM_TRY(nmdm_outbox_look(ctx, due, work->receiver->webhook->target,
                              work->most, !*work->receiver->long_under_way));
    for (i = 0; i < due->nelts; i++) {
        const char *seq = APR_ARRAY_IDX(due, i, const char *);

        if (!apr_hash_get(work->receiver->under_way, seq,
                          APR_HASH_KEY_STRING)) {
            APR_ARRAY_PUSH(seqs, const char *) = seq;
        }
    }
    return NULL;
}

/* Deletes what was taken and leases what is next, in one commit: each commit
 * costs a write to the disk. */
static nmdm_err_t *do_exchange(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;
    const char *lease = work->receiver->lease;

    work->events = apr_array_make(ctx->pool, NMDM_OUTBOX_MOST,
                                  sizeof(nmdm_event_t *));
    NMDM_TRY(nmdm_outbox_done(ctx, work->taken, lease));
    if (!work->most) {
        return NULL;
    }
    NMDM_TRY(do_look(ctx, work));
    if (!work->seqs->nelts) {
        return NULL;
    }
    NMDM_TRY(nmdm_outbox_lease(ctx, work->seqs, lease));
    return nmdm_outbox_read(ctx, work->events, work->seqs,
                            work->receiver->webhook->target, lease);
}

static nmdm_delivery_event_t *make_attempt(nmdm_delivery_t *receiver,
                                           const nmdm_event_t *event)
{
    apr_pool_t *p = NULL;
    nmdm_delivery_event_t *attempt;

    apr_pool_create_unmanaged_ex(&p, NULL, NULL);
    attempt = apr_pcalloc(p, sizeof(*attempt));
    APR_RING_ELEM_INIT(attempt, link);
    attempt->pool = p;
    attempt->relay = receiver->relay;
    attempt->receiver = receiver;
    attempt->event = *event;
    attempt->event.seq = apr_pstrdup(p, event->seq);
    attempt->event.device_id = apr_pstrdup(p, event->device_id);
    attempt->event.event_id = apr_pstrdup(p, event->event_id);
    attempt->event.topic = apr_pstrdup(p, event->topic);
    attempt->event.body = NULL;
    return attempt;
}

static nmdm_err_t *hand_over(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                             nmdm_delivery_event_t *attempt,
                             const nmdm_event_t *event)
{
    nmdm_exchange_t x = { .baton = attempt, .about = event->event_id };

    NMDM_TRY(nmdm_stored_event_read(&x, ctx, event));
    nmdm_event_request(&x, ctx->pool, receiver->webhook, event->traceparent,
                       nmdm_time_steady() + receiver->route.timeout);
    return nmdm_http_client_post(receiver->route.http,
                                 apr_pstrcat(ctx->pool, event->target, " ",
                                             event->device_id, NULL),
                                 &x, ctx->pool);
}

/* What is damaged has failed. Otherwise, when the client takes no more or the
 * database is away, no try was made of it: once its lease is over the event is
 * found again. */
static void post(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                 const nmdm_event_t *event)
{
    nmdm_delivery_event_t *attempt = make_attempt(receiver, event);
    nmdm_err_t *err;

    apr_hash_set(receiver->under_way, attempt->event.seq, APR_HASH_KEY_STRING,
                 attempt);
    *receiver->long_under_way += event->payload_size > 0;
    err = hand_over(receiver, ctx, attempt, event);
    if (err && err->kind == NMDM_NOT_FOUND) {
        apr_cpystrn(attempt->failure, nmdm_err_text(err),
                    sizeof(attempt->failure));
        nmdm_delivery_take(attempt);
    }
    else if (err) {
        nmdm_log(ctx, NMDM_LOG_DEBUG, NMDMNO(1814)
                 "%s: event %s is not sent yet: %s", event->device_id,
                 event->event_id, nmdm_err_text(err));
        note_end(attempt);
        forget(attempt);
    }
}

/* How many more this receiver may be sent now, beside so many. */
static int room(const nmdm_delivery_t *receiver, int number)
{
    if (receiver->failures >= AWAY) {
        return !number && nmdm_time_steady() >= receiver->probe_at;
    }
    return NMDM_OUTBOX_MOST - number;
}

static apr_array_header_t *taken_ones(const nmdm_delivery_t *receiver,
                                      apr_pool_t *p)
{
    apr_array_header_t *seqs = apr_array_make(p, NMDM_OUTBOX_MOST,
                                              sizeof(const char *));
    const nmdm_delivery_event_t *attempt;

    APR_RING_FOREACH(attempt, &receiver->ended, nmdm_delivery_event_t, link) {
        if (was_taken(attempt)) {
            APR_ARRAY_PUSH(seqs, const char *) = attempt->event.seq;
        }
    }
    return seqs;
}

/* Where nothing was taken, a look that finds nothing is all it costs. */
static nmdm_err_t *send_more(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                             int is_stopping)
{
    work_t work = { .receiver = receiver,
                    .taken = taken_ones(receiver, ctx->pool) };
    int number = (int)apr_hash_count(receiver->under_way)
                 - work.taken->nelts;
    int i;

    if (work.taken->nelts) {
        NMDM_TRY(note_success(receiver, ctx));
    }
    work.most = is_stopping ? 0 : room(receiver, number);
    if (!work.taken->nelts) {
        if (!work.most) {
            return NULL;
        }
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, &work));
        if (!work.seqs->nelts) {
            return NULL;
        }
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_exchange, &work));
    nmdm_db_release(ctx);
    while (!APR_RING_EMPTY(&receiver->ended, nmdm_delivery_event_t, link)) {
        forget(APR_RING_FIRST(&receiver->ended));
    }
    for (i = 0; i < work.events->nelts; i++) {
        post(receiver, ctx, APR_ARRAY_IDX(work.events, i, nmdm_event_t *));
    }
    return NULL;
}

/* ---- Now and then ---- */

static nmdm_err_t *do_renew(nmdm_ctx_t *ctx, void *baton)
{
    const work_t *work = baton;

    return nmdm_outbox_renew(ctx, work->seqs, work->receiver->lease);
}

static nmdm_err_t *renew(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                         apr_time_t now)
{
    apr_array_header_t *seqs = apr_array_make(ctx->pool, NMDM_OUTBOX_MOST,
                                              sizeof(const char *));
    work_t work = { .receiver = receiver, .seqs = seqs };
    apr_hash_index_t *hi;

    if (now < receiver->renew_at) {
        return NULL;
    }
    for (hi = apr_hash_first(ctx->pool, receiver->under_way); hi;
         hi = apr_hash_next(hi)) {
        APR_ARRAY_PUSH(seqs, const char *) = apr_hash_this_key(hi);
    }
    if (seqs->nelts) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_renew, &work));
    }
    receiver->renew_at = now + RENEWAL;
    return NULL;
}

static nmdm_err_t *do_backlog(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    return nmdm_outbox_backlog(ctx, &work->number, &work->bytes,
                               &work->is_overdue,
                               work->receiver->webhook->target);
}

static nmdm_err_t *count(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                         apr_time_t now)
{
    work_t work = { .receiver = receiver };

    if (now < receiver->count_at) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_backlog, &work));
    if (work.is_overdue) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_make_due, &work));
    }
    nmdm_backlog_counted(&receiver->backlog, ctx, work.number, work.bytes);
    receiver->count_at = now + COUNTING;
    return NULL;
}

/* ---- A turn ---- */

static nmdm_err_t *find_outbox(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                               int *found)
{
    NMDM_TRY(nmdm_outbox_find(ctx, found));
    if (!*found && !receiver->has_complained) {
        receiver->has_complained = 1;
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(1820)
                 "NanoMDMWebhookDelivery durable: the database has no table"
                 " nanomdm_events, so events for webhook %s are not kept but"
                 " sent once (besteffort); run the scripts of schema/upgrade,"
                 " or write \"NanoMDMSchema auto\"; then restart gracefully",
                 receiver->webhook->target);
    }
    return NULL;
}

/* A stopping relay records outcomes and sends no more. */
static nmdm_err_t *go_round(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                            int is_stopping)
{
    apr_time_t now = nmdm_time_steady();
    int found;

    NMDM_TRY(find_outbox(receiver, ctx, &found));
    if (!found) {
        return NULL;
    }
    NMDM_TRY(settle_failures(receiver, ctx));
    nmdm_dead_events_log_rest(ctx);
    if (!is_stopping) {
        NMDM_TRY(renew(receiver, ctx, now));
        NMDM_TRY(count(receiver, ctx, now));
    }
    return send_more(receiver, ctx, is_stopping);
}

/* Logs once that the database is away. */
static void log_database(nmdm_delivery_t *receiver, nmdm_ctx_t *ctx,
                         const nmdm_err_t *err)
{
    if (err && !receiver->is_database_away) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(1817)
                 "events for webhook %s wait for the database: %s",
                 receiver->webhook->target, nmdm_err_text(err));
    }
    receiver->is_database_away = err != NULL;
}

int nmdm_delivery_step(nmdm_delivery_t *receiver, int is_stopping)
{
    apr_pool_t *p;
    nmdm_ctx_t *ctx;

    apr_pool_create(&p, receiver->pool);
    ctx = receiver->route.context(receiver->route.baton, p);
    log_database(receiver, ctx, go_round(receiver, ctx, is_stopping));
    nmdm_db_release(ctx);
    apr_pool_destroy(p);
    return (int)apr_hash_count(receiver->under_way);
}

void nmdm_delivery_take(nmdm_delivery_event_t *attempt)
{
    note_end(attempt);
    APR_RING_INSERT_TAIL(&attempt->receiver->ended, attempt,
                         nmdm_delivery_event_t, link);
}

nmdm_delivery_t *nmdm_delivery_create(apr_pool_t *p, nmdm_relay_t *relay,
                                      const char *lease,
                                      const nmdm_route_t *route,
                                      const nmdm_webhook_conf_t *webhook,
                                      int *long_under_way)
{
    nmdm_delivery_t *receiver = apr_pcalloc(p, sizeof(*receiver));

    receiver->pool = p;
    receiver->relay = relay;
    receiver->lease = lease;
    receiver->route = *route;
    receiver->webhook = webhook;
    receiver->long_under_way = long_under_way;
    receiver->under_way = apr_hash_make(p);
    APR_RING_INIT(&receiver->ended, nmdm_delivery_event_t, link);
    nmdm_backlog_init(&receiver->backlog, webhook->target);
    return receiver;
}

int nmdm_delivery_is_full(nmdm_delivery_t *receiver, const char *target,
                          apr_size_t len)
{
    return !strcmp(receiver->webhook->target, target)
        && nmdm_backlog_is_full(&receiver->backlog, len);
}

int nmdm_delivery_is_long(nmdm_delivery_t *receiver, const char *target)
{
    return !strcmp(receiver->webhook->target, target)
        && nmdm_backlog_is_long(&receiver->backlog);
}
