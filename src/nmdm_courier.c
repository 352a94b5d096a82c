/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_courier.c -- brings the events of the outbox to their receivers.
 *
 * The thread leases what is due, posts it, and deletes what was taken. It
 * holds no connection while it waits. Leases are renewed while events are
 * under way, so one that is over means that its child is gone, and any other
 * child or server goes on. */

#include "nmdm_courier.h"
#include "nmdm_client.h"
#include "nmdm_crypto.h"
#include "nmdm_db.h"
#include "nmdm_outbox.h"
#include "nmdm_time.h"
#include "nmdm_webhook.h"

#include <apr_atomic.h>
#include <apr_ring.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include <string.h>

/* How often what others left is looked for, leases are renewed and the
 * backlog is counted. */
#define POLL apr_time_from_sec(1)
#define RENEWAL apr_time_from_sec(NMDM_OUTBOX_LEASE / 4)
#define COUNTING apr_time_from_sec(60)

/* Under load outcomes and new events are collected that long, and cost one
 * commit together. An event that comes alone does not wait. */
#define BREATH apr_time_from_msec(25)

/* After so many failures without a success between them a receiver is taken to
 * be away: then one event at a time, so often, finds out whether it is back,
 * and the others are spared. */
#define AWAY 10
#define PROBING apr_time_from_sec(5)

/* A backlog from which on it is worth a warning; then at each doubling. */
#define WORTH_A_WARNING 100

typedef struct parcel_t parcel_t;
typedef struct parcels_t parcels_t;
APR_RING_HEAD(parcels_t, parcel_t);

/* To one receiver of one route; but for is_full it is the thread's own. */
typedef struct {
    nmdm_courier_t *courier;
    nmdm_route_t route;
    const nmdm_webhook_conf_t *webhook;
    apr_hash_t *under_way;      /* seq -> parcel_t */
    parcels_t ended;            /* with an outcome, not yet written down */
    apr_uint32_t is_full;       /* atomic */
    int failures;               /* since the last success */
    apr_time_t probe_at, renew_at, count_at;    /* on the steady clock */
    apr_int64_t warn_at;        /* backlog */
    int is_database_away;
    int has_complained;
} way_t;

/* One event under way. */
struct parcel_t {
    APR_RING_ENTRY(parcel_t) link;
    apr_pool_t *pool;
    way_t *way;
    nmdm_event_t event;
    int status;                 /* of the answer, 0: none */
    char failure[200];
};

struct nmdm_courier_t {
    apr_pool_t *pool;           /* the thread's */
    apr_array_header_t *ways;   /* of way_t * */
    const char *lease;          /* names this courier in the outbox */
    apr_thread_t *thread;

    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_thread_cond_t *wake;
    parcels_t mail;             /* outcomes */
    int is_woken, is_stopping;
    apr_time_t stop_at;         /* on the steady clock */
};

/* ---- Writing outcomes down ---- */

static int was_taken(const parcel_t *parcel)
{
    return parcel->status >= 200 && parcel->status <= 299;
}

typedef struct {
    way_t *way;
    const apr_array_header_t *taken, *seqs;
    apr_array_header_t *events;
    const parcel_t *parcel;
    const char *why;
    int delay, most;
    apr_int64_t number;
} work_t;

static nmdm_err_t *do_failed(nmdm_ctx_t *ctx, void *baton)
{
    const work_t *work = baton;

    return nmdm_outbox_failed(ctx, &work->parcel->event, work->why,
                              work->delay, work->way->courier->lease);
}

static nmdm_err_t *do_hurry(nmdm_ctx_t *ctx, void *baton)
{
    const work_t *work = baton;

    return nmdm_outbox_hurry(ctx, work->way->webhook->target);
}

static void forget(parcel_t *parcel)
{
    APR_RING_REMOVE(parcel, link);
    apr_hash_set(parcel->way->under_way, parcel->event.seq,
                 APR_HASH_KEY_STRING, NULL);
    apr_pool_destroy(parcel->pool);
}

static const char *reason(apr_pool_t *p, const parcel_t *parcel)
{
    return parcel->status
        ? apr_psprintf(p, "the receiver answered %d", parcel->status)
        : apr_pstrdup(p, parcel->failure);
}

/* A receiver that fails is told of at each doubling of its failures. */
static void tell_failure(nmdm_ctx_t *ctx, const way_t *way,
                         const work_t *work)
{
    const nmdm_event_t *event = &work->parcel->event;
    int is_power_of_two = !(way->failures & (way->failures - 1));

    if (event->is_last_try) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(1811)
                 "%s: event %s (%s) for webhook %s is dead after %d tries:"
                 " %s; see GET .../events?state=dead", event->device_id,
                 event->event_id, event->topic, event->target,
                 event->tries + 1, work->why);
        return;
    }
    nmdm_log(ctx, is_power_of_two ? NMDM_LOG_WARNING : NMDM_LOG_DEBUG,
             NMDMNO(1812) "%s: event %s (%s) for webhook %s is tried again in"
             " %d s: %s (failure %d in a row)", event->device_id,
             event->event_id, event->topic, event->target, work->delay,
             work->why, way->failures);
}

static nmdm_err_t *settle_failure(way_t *way, nmdm_ctx_t *ctx,
                                  parcel_t *parcel)
{
    work_t work = { .way = way, .parcel = parcel };
    unsigned char chance = 128;

    (void)nmdm_crypto_random((char *)&chance, 1);
    work.delay = nmdm_outbox_delay(parcel->event.tries, chance);
    work.why = reason(ctx->pool, parcel);
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_failed, &work));
    way->failures++;
    way->probe_at = nmdm_time_steady() + PROBING;
    tell_failure(ctx, way, &work);
    forget(parcel);
    return NULL;
}

/* What waited because the receiver was away waits no longer. */
static nmdm_err_t *note_success(way_t *way, nmdm_ctx_t *ctx)
{
    work_t work = { .way = way };

    if (way->failures >= AWAY) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_hurry, &work));
        nmdm_log(ctx, NMDM_LOG_NOTICE, NMDMNO(1813)
                 "webhook %s takes events again after %d failures",
                 way->webhook->target, way->failures);
    }
    way->failures = 0;
    return NULL;
}

static nmdm_err_t *settle_failures(way_t *way, nmdm_ctx_t *ctx)
{
    parcel_t *parcel, *next;

    APR_RING_FOREACH_SAFE(parcel, next, &way->ended, parcel_t, link) {
        if (!was_taken(parcel)) {
            NMDM_TRY(settle_failure(way, ctx, parcel));
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
    NMDM_TRY(nmdm_outbox_look(ctx, due, work->way->webhook->target,
                              work->most));
    for (i = 0; i < due->nelts; i++) {
        const char *seq = APR_ARRAY_IDX(due, i, const char *);

        if (!apr_hash_get(work->way->under_way, seq, APR_HASH_KEY_STRING)) {
            APR_ARRAY_PUSH(seqs, const char *) = seq;
        }
    }
    return NULL;
}

/* What was taken goes and what comes next is leased, in one commit: each of
 * them costs a write to the disk. */
static nmdm_err_t *do_exchange(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;
    const char *lease = work->way->courier->lease;

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
                            work->way->webhook->target, lease);
}

static parcel_t *make_parcel(way_t *way, const nmdm_event_t *event)
{
    apr_pool_t *p = NULL;
    parcel_t *parcel;

    apr_pool_create_unmanaged_ex(&p, NULL, NULL);
    parcel = apr_pcalloc(p, sizeof(*parcel));
    APR_RING_ELEM_INIT(parcel, link);
    parcel->pool = p;
    parcel->way = way;
    parcel->event = *event;
    parcel->event.seq = apr_pstrdup(p, event->seq);
    parcel->event.device_id = apr_pstrdup(p, event->device_id);
    parcel->event.event_id = apr_pstrdup(p, event->event_id);
    parcel->event.topic = apr_pstrdup(p, event->topic);
    parcel->event.body = NULL;
    return parcel;
}

/* A client that takes no more has made no try of it: once its lease is over
 * the event is found again. */
static void post(way_t *way, nmdm_ctx_t *ctx, const nmdm_event_t *event)
{
    nmdm_bytes_t body = { event->body, strlen(event->body) };
    parcel_t *parcel = make_parcel(way, event);
    nmdm_exchange_t x;
    nmdm_err_t *err;

    nmdm_webhook_request(&x, ctx->pool, way->webhook, body,
                         event->traceparent,
                         apr_time_now() + way->route.timeout);
    x.baton = parcel;
    x.about = event->event_id;
    apr_hash_set(way->under_way, parcel->event.seq, APR_HASH_KEY_STRING,
                 parcel);
    err = nmdm_client_post(way->route.peers,
                           apr_pstrcat(ctx->pool, event->target, " ",
                                       event->device_id, NULL),
                           &x, ctx->pool);
    if (err) {
        nmdm_log(ctx, NMDM_LOG_DEBUG, NMDMNO(1814)
                 "%s: event %s is not sent yet: %s", event->device_id,
                 event->event_id, nmdm_err_text(err));
        forget(parcel);
    }
}

/* How many more this receiver may be sent now, beside so many. */
static int room(const way_t *way, int number)
{
    if (way->failures >= AWAY) {
        return !number && nmdm_time_steady() >= way->probe_at;
    }
    return NMDM_OUTBOX_MOST - number;
}

static apr_array_header_t *taken_ones(const way_t *way, apr_pool_t *p)
{
    apr_array_header_t *seqs = apr_array_make(p, NMDM_OUTBOX_MOST,
                                              sizeof(const char *));
    const parcel_t *parcel;

    APR_RING_FOREACH(parcel, &way->ended, parcel_t, link) {
        if (was_taken(parcel)) {
            APR_ARRAY_PUSH(seqs, const char *) = parcel->event.seq;
        }
    }
    return seqs;
}

/* Where nothing was taken, a look that finds nothing is all it costs. */
static nmdm_err_t *send_more(way_t *way, nmdm_ctx_t *ctx, int is_stopping)
{
    work_t work = { .way = way, .taken = taken_ones(way, ctx->pool) };
    int number = (int)apr_hash_count(way->under_way) - work.taken->nelts, i;

    if (work.taken->nelts) {
        NMDM_TRY(note_success(way, ctx));
    }
    work.most = is_stopping ? 0 : room(way, number);
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
    while (!APR_RING_EMPTY(&way->ended, parcel_t, link)) {
        forget(APR_RING_FIRST(&way->ended));
    }
    for (i = 0; i < work.events->nelts; i++) {
        post(way, ctx, APR_ARRAY_IDX(work.events, i, nmdm_event_t *));
    }
    return NULL;
}

/* ---- Now and then ---- */

static nmdm_err_t *do_renew(nmdm_ctx_t *ctx, void *baton)
{
    const work_t *work = baton;

    return nmdm_outbox_renew(ctx, work->seqs, work->way->courier->lease);
}

static nmdm_err_t *renew(way_t *way, nmdm_ctx_t *ctx, apr_time_t now)
{
    apr_array_header_t *seqs = apr_array_make(ctx->pool, NMDM_OUTBOX_MOST,
                                              sizeof(const char *));
    work_t work = { .way = way, .seqs = seqs };
    apr_hash_index_t *hi;

    if (now < way->renew_at) {
        return NULL;
    }
    for (hi = apr_hash_first(ctx->pool, way->under_way); hi;
         hi = apr_hash_next(hi)) {
        APR_ARRAY_PUSH(seqs, const char *) = apr_hash_this_key(hi);
    }
    if (seqs->nelts) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_renew, &work));
    }
    way->renew_at = now + RENEWAL;
    return NULL;
}

static nmdm_err_t *do_backlog(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;

    return nmdm_outbox_backlog(ctx, &work->number,
                               work->way->webhook->target);
}

static void judge_backlog(way_t *way, nmdm_ctx_t *ctx, apr_int64_t number)
{
    int is_full = number >= NMDM_COURIER_BACKLOG;

    if (is_full && !apr_atomic_read32(&way->is_full)) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(1815)
                 "%" APR_INT64_T_FMT " events wait for webhook %s: no more"
                 " are written, and so lost, until there are fewer",
                 number, way->webhook->target);
    }
    else if (number >= way->warn_at) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(1816)
                 "%" APR_INT64_T_FMT " events wait for webhook %s", number,
                 way->webhook->target);
    }
    apr_atomic_set32(&way->is_full, (apr_uint32_t)is_full);
    if (number < WORTH_A_WARNING) {
        way->warn_at = WORTH_A_WARNING;
    }
    else if (number >= way->warn_at) {
        way->warn_at = 2 * number;
    }
}

static nmdm_err_t *count(way_t *way, nmdm_ctx_t *ctx, apr_time_t now)
{
    work_t work = { .way = way };

    if (now < way->count_at) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_backlog, &work));
    judge_backlog(way, ctx, work.number);
    way->count_at = now + COUNTING;
    return NULL;
}

/* ---- The thread ---- */

static nmdm_err_t *do_nothing(nmdm_ctx_t *ctx, void *baton)
{
    (void)ctx;
    (void)baton;
    return NULL;
}

/* Whether the database has an outbox: borrowing looks, where nobody has. */
static nmdm_err_t *find_outbox(way_t *way, nmdm_ctx_t *ctx, int *found)
{
    if (!apr_atomic_read32(&ctx->lender->schema->checked)) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_nothing, NULL));
    }
    *found = nmdm_outbox_takes(ctx, 0);
    if (!*found && !way->has_complained) {
        way->has_complained = 1;
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(1820)
                 "NanoMDMWebhookDelivery durable: the database has no table"
                 " nanomdm_events, so events for webhook %s are not kept but"
                 " sent once (besteffort); run the scripts of schema/upgrade,"
                 " or write \"NanoMDMSchema auto\"; then restart gracefully",
                 way->webhook->target);
    }
    return NULL;
}

/* A stopping courier takes in what comes back and sends no more. */
static nmdm_err_t *go_round(way_t *way, nmdm_ctx_t *ctx, int is_stopping)
{
    apr_time_t now = nmdm_time_steady();
    int found;

    NMDM_TRY(find_outbox(way, ctx, &found));
    if (!found) {
        return NULL;
    }
    NMDM_TRY(settle_failures(way, ctx));
    if (!is_stopping) {
        NMDM_TRY(renew(way, ctx, now));
        NMDM_TRY(count(way, ctx, now));
    }
    return send_more(way, ctx, is_stopping);
}

/* That the database is away is told once. */
static void tell_trouble(way_t *way, nmdm_ctx_t *ctx, const nmdm_err_t *err)
{
    if (err && !way->is_database_away) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(1817)
                 "events for webhook %s wait for the database: %s",
                 way->webhook->target, nmdm_err_text(err));
    }
    way->is_database_away = err != NULL;
}

static void take_mail(nmdm_courier_t *courier)
{
    parcels_t mail;

    APR_RING_INIT(&mail, parcel_t, link);
    apr_thread_mutex_lock(courier->lock);
    APR_RING_CONCAT(&mail, &courier->mail, parcel_t, link);
    apr_thread_mutex_unlock(courier->lock);
    while (!APR_RING_EMPTY(&mail, parcel_t, link)) {
        parcel_t *parcel = APR_RING_FIRST(&mail);

        APR_RING_REMOVE(parcel, link);
        APR_RING_INSERT_TAIL(&parcel->way->ended, parcel, parcel_t, link);
    }
}

static int turn(nmdm_courier_t *courier, int is_stopping)
{
    int under_way = 0, i;
    apr_pool_t *p;

    take_mail(courier);
    for (i = 0; i < courier->ways->nelts; i++) {
        way_t *way = APR_ARRAY_IDX(courier->ways, i, way_t *);
        nmdm_ctx_t *ctx;

        apr_pool_create(&p, courier->pool);
        ctx = way->route.context(way->route.baton, p);
        tell_trouble(way, ctx, go_round(way, ctx, is_stopping));
        nmdm_db_release(ctx);
        apr_pool_destroy(p);
        under_way += (int)apr_hash_count(way->under_way);
    }
    return under_way;
}

int nmdm_courier_turn(nmdm_courier_t *courier)
{
    return turn(courier, 0);
}

/* Returns whether it is to stop. */
static int wait_for_news(nmdm_courier_t *courier, apr_time_t last_turn)
{
    apr_time_t since = nmdm_time_steady() - last_turn;
    int is_stopping;

    if (since < BREATH) {
        apr_sleep(BREATH - since);
    }
    apr_thread_mutex_lock(courier->lock);
    if (!courier->is_woken) {
        apr_thread_cond_timedwait(courier->wake, courier->lock,
                                  courier->is_stopping ? POLL / 10 : POLL);
    }
    courier->is_woken = 0;
    is_stopping = courier->is_stopping;
    apr_thread_mutex_unlock(courier->lock);
    return is_stopping;
}

static void *APR_THREAD_FUNC carry(apr_thread_t *thread, void *data)
{
    nmdm_courier_t *courier = data;
    int is_stopping, under_way;
    apr_time_t last_turn = 0;

    do {
        is_stopping = wait_for_news(courier, last_turn);
        last_turn = nmdm_time_steady();
        under_way = turn(courier, is_stopping);
    } while (!is_stopping
             || (under_way && nmdm_time_steady() < courier->stop_at));
    (void)thread;
    return NULL;
}

/* ---- Start and stop ---- */

nmdm_err_t *nmdm_courier_create(nmdm_courier_t **out, apr_pool_t *pchild)
{
    nmdm_courier_t *courier = apr_pcalloc(pchild, sizeof(*courier));
    apr_allocator_t *allocator = NULL;
    char random[8];
    nmdm_bytes_t name = { random, sizeof(random) };
    apr_status_t rv;

    APR_RING_INIT(&courier->mail, parcel_t, link);
    rv = apr_thread_mutex_create(&courier->lock, APR_THREAD_MUTEX_DEFAULT,
                                 pchild);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&courier->wake, pchild);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_allocator_create(&allocator);
    }
    if (rv == APR_SUCCESS) {
        /* Of its own, because the thread allocates from it. */
        rv = apr_pool_create_ex(&courier->pool, pchild, NULL, allocator);
        apr_allocator_owner_set(allocator, courier->pool);
    }
    if (rv != APR_SUCCESS || !nmdm_crypto_random(random, sizeof(random))) {
        return nmdm_err(pchild, NMDM_INTERNAL, rv,
                        NMDMNO(1818) "cannot prepare the thread for webhook"
                        " events");
    }
    courier->ways = apr_array_make(courier->pool, 4, sizeof(way_t *));
    courier->lease = nmdm_hex(courier->pool, name);
    *out = courier;
    return NULL;
}

void nmdm_courier_add(nmdm_courier_t *courier, const nmdm_route_t *route)
{
    int i;

    for (i = 0; i < route->webhooks->nelts; i++) {
        way_t *way = apr_pcalloc(courier->pool, sizeof(*way));

        way->courier = courier;
        way->route = *route;
        way->webhook = APR_ARRAY_IDX(route->webhooks, i,
                                     const nmdm_webhook_conf_t *);
        way->under_way = apr_hash_make(courier->pool);
        APR_RING_INIT(&way->ended, parcel_t, link);
        way->warn_at = WORTH_A_WARNING;
        APR_ARRAY_PUSH(courier->ways, way_t *) = way;
    }
}

nmdm_err_t *nmdm_courier_start(nmdm_courier_t *courier, apr_pool_t *pchild)
{
    apr_status_t rv = apr_thread_create(&courier->thread, NULL, carry,
                                        courier, pchild);

    return rv == APR_SUCCESS ? NULL
        : nmdm_err(pchild, NMDM_INTERNAL, rv,
                   NMDMNO(1819) "cannot start the thread for webhook events");
}

void nmdm_courier_stop(nmdm_courier_t *courier, apr_interval_time_t patience)
{
    apr_status_t ended;

    apr_thread_mutex_lock(courier->lock);
    courier->is_stopping = 1;
    courier->stop_at = nmdm_time_steady() + patience;
    apr_thread_cond_signal(courier->wake);
    apr_thread_mutex_unlock(courier->lock);
    if (courier->thread) {
        apr_thread_join(&ended, courier->thread);
    }
}

/* ---- From other threads ---- */

void nmdm_courier_wake(nmdm_courier_t *courier)
{
    apr_thread_mutex_lock(courier->lock);
    courier->is_woken = 1;
    apr_thread_cond_signal(courier->wake);
    apr_thread_mutex_unlock(courier->lock);
}

int nmdm_courier_is_full(nmdm_courier_t *courier, const char *target)
{
    int i;

    for (i = 0; i < courier->ways->nelts; i++) {
        way_t *way = APR_ARRAY_IDX(courier->ways, i, way_t *);

        if (!strcmp(way->webhook->target, target)
            && apr_atomic_read32(&way->is_full)) {
            return 1;
        }
    }
    return 0;
}

/* The URL may hold a password, so failures do not repeat it. */
void nmdm_courier_ended(const nmdm_exchange_t *x)
{
    parcel_t *parcel = x->baton;
    nmdm_courier_t *courier = parcel->way->courier;

    parcel->status = x->status;
    apr_cpystrn(parcel->failure, x->failure ? x->failure : "no answer",
                sizeof(parcel->failure));
    apr_thread_mutex_lock(courier->lock);
    APR_RING_INSERT_TAIL(&courier->mail, parcel, parcel_t, link);
    courier->is_woken = 1;
    apr_thread_cond_signal(courier->wake);
    apr_thread_mutex_unlock(courier->lock);
}
