/* SPDX-License-Identifier: Apache-2.0 */
/* mod_nanomdm_child.c -- one child process: its connections, lent out by
 * mod_dbd, the threads that write down who was seen, push again, remove what
 * is old and bring events, and those that speak to APNs and other servers. */

#include "mod_nanomdm.h"
#include "nmdm_apns.h"
#include "nmdm_breaker.h"
#include "nmdm_client.h"
#include "nmdm_count.h"
#include "nmdm_courier.h"
#include "nmdm_daily.h"
#include "nmdm_db.h"
#include "nmdm_retention.h"
#include "nmdm_seal.h"
#include "nmdm_sealer.h"
#include "nmdm_seen.h"
#include "nmdm_wal.h"
#include "nmdm_store.h"
#include "nmdm_sweep.h"

/* mod_dbd.h does not include what it needs; nmdm_db.h did. */
#include <mod_dbd.h>

#include <apr_optional.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_proc.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* How long requests wait for other servers when httpd stops at once. */
#define CALLERS_PATIENCE apr_time_from_sec(1)

#define CHILD_KEY "nanomdm:child"

/* How often last_seen_at is written. */
#define SEEN_INTERVAL apr_time_from_sec(1)
/* How often somebody looks who has to be pushed to again. */
#define SWEEP_INTERVAL apr_time_from_sec(5)

/* What a DM server may answer, and events that may wait for a receiver. */
#define MAX_REPLY (16 * 1024 * 1024)
#define MAX_WEBHOOKS 10000

/* A stopping child gives events this long; httpd kills it after ten seconds. */
#define PEERS_PATIENCE apr_time_from_sec(2)

/* Where a courier waits first, the clients go on meanwhile; both together have
 * the same time. */
#define COURIER_PATIENCE apr_time_from_msec(1500)

/* While the database is away, one request at a time looks for it, this
 * often. */
#define PROBE_INTERVAL apr_time_from_msec(50)
#define LATER_PROBE_INTERVAL apr_time_from_msec(250)

/* A server or virtual host with handlers of ours, in this child. */
struct nanomdm_site_t {
    server_rec *server;
    nmdm_lender_t lender;
    nmdm_schema_state_t schema;
    nmdm_schema_mode_e schema_mode;
    nmdm_policy_t policy;       /* of work without a request */
    nmdm_push_conf_t push;
    nanomdm_shelf_t *shelf;     /* shared by those on one database */
    nmdm_seen_t *seen;
    nmdm_daily_t *daily;
    nmdm_breaker_t *breaker;
    nmdm_totals_t *totals;
    nmdm_sealer_t *sealer;      /* NULL without NanoMDMStorageKey */
    nmdm_apns_t *apns;
    nmdm_client_t *peers;
    nmdm_courier_t *courier;    /* of the child, or NULL */
    const int *number_of_sites; /* of this child */

    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_time_t away_since;      /* 0 while the database answers */
    apr_time_t refused_at;      /* by the database, last */
    apr_time_t next_probe;
    int probing;
};

typedef struct {
    apr_array_header_t *sites;  /* of nanomdm_site_t * */
    apr_thread_t *writer, *sweeper;
    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_thread_cond_t *wake;
    int leaving;                /* others have the configuration now */
    int stopping;
} child_t;

static APR_OPTIONAL_FN_TYPE(ap_dbd_open) *dbd_open;
static APR_OPTIONAL_FN_TYPE(ap_dbd_close) *dbd_close;

void nanomdm_site_lend(const nanomdm_site_t *site, nmdm_ctx_t *ctx)
{
    ctx->lender = &site->lender;
    ctx->seen = site->seen;
    ctx->daily = site->daily;
    ctx->breaker = site->breaker;
    ctx->apns = site->apns;
    ctx->peers = site->peers;
    ctx->courier = site->courier;
    ctx->counters = nanomdm_counters();
    ctx->totals = site->totals;
}

/* ---- Lending connections ---- */

/* Whether the caller may ask mod_dbd now. While the database is away only one
 * at a time does: connecting blocks everybody else in mod_dbd's pool, and
 * each attempt leaves an error in the log. */
static int may_ask(nanomdm_site_t *site, int *is_away)
{
    apr_time_t now = apr_time_now();
    int yes = 1;

    apr_thread_mutex_lock(site->lock);
    *is_away = site->away_since != 0;
    if (site->away_since) {
        yes = !site->probing && now >= site->next_probe;
        site->probing |= yes;
    }
    apr_thread_mutex_unlock(site->lock);
    return yes;
}

static void note_answer(nanomdm_site_t *site, int answered)
{
    apr_time_t now = apr_time_now();

    apr_thread_mutex_lock(site->lock);
    site->probing = 0;
    if (answered) {
        site->away_since = 0;
    }
    else {
        if (!site->away_since) {
            site->away_since = now;
        }
        site->refused_at = now;
        site->next_probe = now
            + (now - site->away_since > NMDM_DB_PATIENCE
               ? LATER_PROBE_INTERVAL : PROBE_INTERVAL);
    }
    apr_thread_mutex_unlock(site->lock);
}

/* Once the database has been away for long, nobody waits for more than the next
 * look for it: who comes when it is back is not turned away. */
static int is_given_up(nanomdm_site_t *site, apr_time_t waiting_since)
{
    apr_time_t now = apr_time_now();
    int yes;

    apr_thread_mutex_lock(site->lock);
    yes = site->away_since
        && now - site->away_since > NMDM_DB_PATIENCE
        && (site->refused_at >= waiting_since
            || now - waiting_since >= LATER_PROBE_INTERVAL);
    apr_thread_mutex_unlock(site->lock);
    return yes;
}

/* mod_dbd drops a dead connection when it is asked for one and then returns
 * none: a database that was restarted leaves a pool full of them. Once all of
 * them are gone, one try is enough to know. */
static ap_dbd_t *ask(nanomdm_site_t *site, apr_pool_t *p, int is_away)
{
    apr_time_t started = apr_time_now();
    int tries = is_away ? 1 : nanomdm_server(site->server)->pool_size + 1;
    ap_dbd_t *dbd = NULL;

    while (!dbd && tries--
           && apr_time_now() - started < PROBE_INTERVAL) {
        dbd = dbd_open(p, site->server);
    }
    note_answer(site, dbd != NULL);
    return dbd;
}

/* From mod_dbd, waiting while the database is away; NULL for none. */
static ap_dbd_t *ask_patiently(nanomdm_site_t *site, apr_pool_t *p)
{
    apr_time_t started = apr_time_now();
    ap_dbd_t *dbd = NULL;
    int is_away;

    for (;;) {
        if (may_ask(site, &is_away)) {
            dbd = ask(site, p, is_away);
        }
        if (dbd || is_given_up(site, started)
            || apr_time_now() - started >= NMDM_DB_PATIENCE) {
            return dbd;
        }
        apr_sleep(PROBE_INTERVAL / 2);
    }
}

static nmdm_err_t *borrow(nmdm_ctx_t *ctx, nmdm_db_t **out)
{
    nanomdm_site_t *site = ctx->lender->baton;
    nanomdm_loan_t *loan = apr_palloc(ctx->pool, sizeof(*loan));
    const ap_dbd_t *dbd;
    nmdm_db_t *db;

    if (!nanomdm_shelf_take(site->shelf, loan)) {
        loan->server = site->server;
        loan->dbd = ask_patiently(site, ctx->pool);
        nanomdm_shelf_asked(site->shelf, loan->dbd != NULL);
    }
    if (!loan->dbd) {
        return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(1501) "%s: no connection to the database;"
                        " clients get 503 until there is one",
                        *ctx->story.id ? ctx->story.id : "-");
    }
    db = apr_pcalloc(ctx->pool, sizeof(*db));
    dbd = loan->dbd;
    db->driver = dbd->driver;
    db->handle = dbd->handle;
    db->pool = dbd->pool;
    db->notes = dbd->prepared;
    db->owner = loan;
    *out = db;
    return NULL;
}

static void close_loan(nanomdm_loan_t loan)
{
    dbd_close(loan.server, loan.dbd);
}

/* Where one connection is dead, others may be: mod_dbd finds out. */
static void give_back(nmdm_ctx_t *ctx, nmdm_db_t *db)
{
    nanomdm_site_t *site = ctx->lender->baton;
    nanomdm_loan_t *loan = db->owner;

    if (db->is_suspect) {
        nanomdm_shelf_close(site->shelf, *loan);
        nanomdm_shelf_empty(site->shelf);
        return;
    }
    nanomdm_shelf_put(site->shelf, *loan);
}

static nmdm_err_t *check_schema(nmdm_ctx_t *ctx)
{
    nanomdm_site_t *site = ctx->lender->baton;

    return nmdm_schema_check(ctx, site->schema_mode);
}

/* ---- Work without a request ---- */

static void log_remark(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line)
{
    ap_log_error(APLOG_MARK, nanomdm_log_level(level), 0,
                 ((nanomdm_site_t *)ctx->log_baton)->server, "%s", line);
}

static nmdm_ctx_t *make_context(nanomdm_site_t *site, apr_pool_t *p)
{
    nmdm_ctx_t *ctx = apr_pcalloc(p, sizeof(*ctx));

    ctx->pool = p;
    ctx->policy = &site->policy;
    nanomdm_site_lend(site, ctx);
    ctx->trace_id = "";
    ctx->now = apr_time_now();
    ctx->story = (nmdm_story_t){ "", "", "", "", "", "" };
    ctx->log = log_remark;
    ctx->log_baton = site;
    ctx->wants_debug = APLOG_IS_LEVEL(site->server, APLOG_DEBUG);
    return ctx;
}

static nmdm_err_t *do_nothing(nmdm_ctx_t *ctx, void *baton)
{
    (void)ctx;
    (void)baton;
    return NULL;
}

/* Borrowing looks at the schema, which creates it where it should. */
static void open_database(nanomdm_site_t *site, apr_pool_t *pchild)
{
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;
    apr_pool_t *p;

    apr_pool_create(&p, pchild);
    ctx = make_context(site, p);
    err = nmdm_db_unit(ctx, NMDM_UNIT_READ, do_nothing, NULL);
    nmdm_db_release(ctx);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err->rv, site->server, "%s",
                     err->msg);
    }
    apr_pool_destroy(p);
}

/* ---- Who was seen ---- */

static nmdm_err_t *do_seen(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_store_seen(ctx, baton);
}

/* What could not be written is noted again, for the next time. */
static void flush_seen(nanomdm_site_t *site, apr_pool_t *p)
{
    apr_array_header_t *ids = nmdm_seen_take(site->seen, p);
    nmdm_ctx_t *ctx = make_context(site, p);
    nmdm_err_t *err = NULL;
    int i;

    if (ids->nelts) {
        err = nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_seen, ids);
        nmdm_db_release(ctx);
    }
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err->rv, site->server,
                     NMDMNO(1502) "-: last_seen_at of %d enrollments is not"
                     " written yet: %s", ids->nelts, nmdm_err_text(err));
        for (i = 0; i < ids->nelts; i++) {
            nmdm_seen_note(site->seen, APR_ARRAY_IDX(ids, i, const char *));
        }
    }
}

static void flush_all(child_t *child, apr_pool_t *p)
{
    nanomdm_site_t *site;
    int i;

    for (i = 0; i < child->sites->nelts; i++) {
        site = APR_ARRAY_IDX(child->sites, i, nanomdm_site_t *);
        flush_seen(site, p);
        nanomdm_shelf_tidy(site->shelf);
    }
    apr_pool_clear(p);
}

/* Whether there is a next time. */
static int wait_for(child_t *child, apr_interval_time_t interval)
{
    int stopping;

    apr_thread_mutex_lock(child->lock);
    if (!child->stopping) {
        apr_thread_cond_timedwait(child->wake, child->lock, interval);
    }
    stopping = child->stopping;
    apr_thread_mutex_unlock(child->lock);
    return !stopping;
}

/* A pool of a thread of ours. */
static apr_pool_t *make_pool(void)
{
    apr_allocator_t *allocator;
    apr_pool_t *p;

    apr_allocator_create(&allocator);
    apr_pool_create_ex(&p, NULL, NULL, allocator);
    apr_allocator_owner_set(allocator, p);
    return p;
}

/* Writes once more when it is told to stop. */
static void *APR_THREAD_FUNC write_behind(apr_thread_t *thread, void *data)
{
    child_t *child = data;
    apr_pool_t *p = make_pool();
    int go_on;

    do {
        go_on = wait_for(child, SEEN_INTERVAL);
        nmdm_counters_tick(nanomdm_counters(), apr_time_now());
        flush_all(child, p);
    } while (go_on);
    apr_pool_destroy(p);
    (void)thread;
    return NULL;
}

/* ---- Pushes that did not help ---- */

static void sweep_site(nanomdm_site_t *site, child_t *child, apr_pool_t *p)
{
    int more;

    do {
        nmdm_ctx_t *ctx = make_context(site, p);
        nmdm_err_t *err = nmdm_sweep_pushes(ctx, &more);

        nmdm_db_release(ctx);
        if (err) {
            ap_log_error(APLOG_MARK, APLOG_ERR, err->rv, site->server,
                         NMDMNO(1508) "-: pushes are not repeated now: %s",
                         nmdm_err_text(err));
        }
        apr_pool_clear(p);
        more = more && !err && wait_for(child, 0);
    } while (more);
}

/* ---- What is not kept for ever ---- */

static void retain(nanomdm_site_t *site, apr_pool_t *p)
{
    nmdm_ctx_t *ctx = make_context(site, p);
    nmdm_err_t *err = nmdm_retention_run(ctx);

    nmdm_db_release(ctx);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err->rv, site->server,
                     NMDMNO(0944) "-: NanoMDMRetention removes nothing now: %s",
                     nmdm_err_text(err));
    }
    apr_pool_clear(p);
}

/* ---- What is to be sealed ---- */

static void seal(nanomdm_site_t *site, apr_pool_t *p)
{
    nmdm_ctx_t *ctx = make_context(site, p);
    nmdm_err_t *err = nmdm_sealer_run(ctx, site->sealer);

    nmdm_db_release(ctx);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err->rv, site->server,
                     NMDMNO(1509) "-: NanoMDMStorageKey seals nothing of what"
                     " is stored now: %s", nmdm_err_text(err));
    }
    apr_pool_clear(p);
}

/* A child of before a graceful restart may have keys of before, too. */
static int may_seal(child_t *child)
{
    int yes;

    apr_thread_mutex_lock(child->lock);
    yes = !child->leaving;
    apr_thread_mutex_unlock(child->lock);
    return yes;
}

static void *APR_THREAD_FUNC sweep(apr_thread_t *thread, void *data)
{
    child_t *child = data;
    apr_pool_t *p = make_pool();
    int i;

    while (wait_for(child, SWEEP_INTERVAL)) {
        for (i = 0; i < child->sites->nelts; i++) {
            nanomdm_site_t *site = APR_ARRAY_IDX(child->sites, i,
                                                 nanomdm_site_t *);

            if (site->push.repeats
                && nanomdm_server(site->server)->serves_api) {
                sweep_site(site, child, p);
            }
            if (site->policy.retention && wait_for(child, 0)) {
                retain(site, p);
            }
            if (site->sealer && wait_for(child, 0) && may_seal(child)) {
                seal(site, p);
            }
        }
    }
    apr_pool_destroy(p);
    (void)thread;
    return NULL;
}

/* A pre-cleanup: afterwards mod_dbd's connections are gone. */
static apr_status_t stop(void *data)
{
    child_t *child = data;
    apr_status_t ended;
    int i;

    apr_thread_mutex_lock(child->lock);
    child->stopping = 1;
    apr_thread_cond_broadcast(child->wake);
    apr_thread_mutex_unlock(child->lock);
    for (i = 0; i < child->sites->nelts; i++) {
        /* Or the sweeper would wait for pushes to their end. */
        nmdm_apns_stop(APR_ARRAY_IDX(child->sites, i,
                                     nanomdm_site_t *)->apns);
    }
    apr_thread_join(&ended, child->sweeper);
    apr_thread_join(&ended, child->writer);
    for (i = 0; i < child->sites->nelts; i++) {
        nanomdm_shelf_shut(APR_ARRAY_IDX(child->sites, i,
                                         nanomdm_site_t *)->shelf);
    }
    return APR_SUCCESS;
}

/* ---- Start ---- */

/* Called by the client's thread for each webhook. Any 2xx is success. The URL
 * may hold a password, so it is not repeated. */
static void webhook_ended(void *baton, const nmdm_exchange_t *x)
{
    nanomdm_site_t *site = baton;
    int is_taken = x->status >= 200 && x->status <= 299;

    nmdm_count(nanomdm_counters(), NMDM_COUNT_EVENTS,
               is_taken ? "taken" : "failed", NULL, 1);
    if (x->baton) {
        nmdm_courier_ended(x);
    }
    else if (!x->status) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, site->server,
                     NMDMNO(1505) "%s is lost: %s", x->about,
                     x->failure ? x->failure : "no answer");
    }
    else if (!is_taken) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, site->server,
                     NMDMNO(1506) "%s is lost: the receiver answered %d",
                     x->about, x->status);
    }
}

/* All sites of a child share the time that it has to end. */
static apr_status_t stop_peers(void *data)
{
    nanomdm_site_t *site = data;

    apr_interval_time_t patience = site->courier
        ? PEERS_PATIENCE - COURIER_PATIENCE : PEERS_PATIENCE;

    nmdm_client_stop(site->peers, patience / *site->number_of_sites);
    return APR_SUCCESS;
}

static nmdm_err_t *start_peers(nanomdm_site_t *site, apr_pool_t *pchild,
                               const nanomdm_conf_t *conf)
{
    nmdm_client_conf_t peers = {
        .ca_pem = conf->upstream_ca_pem,
        .max_reply = MAX_REPLY,
        .max_queue = MAX_WEBHOOKS,
        .ended = webhook_ended,
        .baton = site,
    };

    NMDM_TRY(nmdm_client_start(&site->peers, pchild, &peers));
    apr_pool_pre_cleanup_register(pchild, site, stop_peers);
    return NULL;
}

static apr_status_t stop_apns(void *apns)
{
    nmdm_apns_stop(apns);
    return APR_SUCCESS;
}

static nmdm_err_t *start_apns(nanomdm_site_t *site, apr_pool_t *pchild,
                              const nanomdm_conf_t *conf)
{
    nmdm_apns_conf_t apns = { conf->push_ca_pem, conf->push_proxy };

    NMDM_TRY(nmdm_apns_start(&site->apns, pchild, &apns));
    apr_pool_pre_cleanup_register(pchild, site->apns, stop_apns);
    return NULL;
}

/* mod_dbd has one pool for all virtual hosts that have the same database, so
 * what one of them has put on its shelf must be there for the others. */
static nanomdm_shelf_t *shelf_of(apr_pool_t *pchild, server_rec *s,
                                 const child_t *child)
{
    const nanomdm_server_t *server = nanomdm_server(s);
    int i;

    for (i = 0; i < child->sites->nelts; i++) {
        nanomdm_site_t *other = APR_ARRAY_IDX(child->sites, i,
                                              nanomdm_site_t *);

        if (!strcmp(nanomdm_server(other->server)->database,
                    server->database)) {
            return other->shelf;
        }
    }
    return nanomdm_shelf_create(pchild, server->pool_size, close_loan);
}

static nmdm_ctx_t *context_of_site(void *site, apr_pool_t *p)
{
    return make_context(site, p);
}

static apr_status_t stop_courier(void *courier)
{
    nmdm_courier_stop(courier, COURIER_PATIENCE);
    return APR_SUCCESS;
}

/* Registered after the clients' ends, so that it ends before them. */
static nmdm_err_t *start_courier(child_t *child, apr_pool_t *pchild)
{
    nmdm_courier_t *courier = NULL;
    int i;

    for (i = 0; i < child->sites->nelts; i++) {
        nanomdm_site_t *site = APR_ARRAY_IDX(child->sites, i,
                                             nanomdm_site_t *);
        nmdm_route_t route = { NULL, site->peers, 0, context_of_site, site };
        apr_array_header_t *webhooks;

        nanomdm_all_webhooks(&webhooks, pchild, site->server);
        if (!webhooks->nelts) {
            continue;
        }
        if (!courier) {
            NMDM_TRY(nmdm_courier_create(&courier, pchild));
        }
        route.webhooks = webhooks;
        route.timeout = nanomdm_upstream_timeout(
            nanomdm_server_defaults(site->server));
        nmdm_courier_add(courier, &route);
    }
    /* An operator may replay at another virtual host than devices use. */
    for (i = 0; i < child->sites->nelts; i++) {
        APR_ARRAY_IDX(child->sites, i, nanomdm_site_t *)->courier = courier;
    }
    if (courier) {
        apr_pool_pre_cleanup_register(pchild, courier, stop_courier);
        NMDM_TRY(nmdm_courier_start(courier, pchild));
    }
    return NULL;
}

static nanomdm_site_t *make_site(apr_pool_t *pchild, server_rec *s,
                                 const child_t *child,
                                 apr_thread_mutex_t *writer)
{
    nanomdm_site_t *site = apr_pcalloc(pchild, sizeof(*site));
    nanomdm_conf_t *conf = nanomdm_server_defaults(s);
    nmdm_err_t *err;

    site->server = s;
    if (nmdm_seal_count(conf->seal)) {
        site->sealer = nmdm_sealer_create(pchild);
    }
    site->push = nanomdm_push_conf(conf);
    site->policy.push = &site->push;
    site->policy.retention = conf->retention;
    site->policy.seal = conf->seal;
    site->number_of_sites = &child->sites->nelts;
    site->schema_mode = conf->schema_mode == NANOMDM_UNSET
        ? NMDM_SCHEMA_BY_DIALECT : (nmdm_schema_mode_e)conf->schema_mode;
    site->lender.borrow = borrow;
    site->lender.give_back = give_back;
    site->lender.check_schema = check_schema;
    site->lender.baton = site;
    site->lender.prefix = conf->table_prefix ? conf->table_prefix : "";
    site->lender.schema = &site->schema;
    site->lender.writer = writer;
    site->shelf = shelf_of(pchild, s, child);
    err = nmdm_seen_create(&site->seen, pchild);
    if (!err) {
        err = nmdm_wal_create(&site->lender.wal, pchild);
    }
    if (!err) {
        err = nmdm_daily_create(&site->daily, pchild);
    }
    if (!err) {
        err = nmdm_breaker_create(&site->breaker, pchild);
    }
    if (!err) {
        err = nmdm_totals_create(&site->totals, pchild);
    }
    if (!err) {
        err = start_apns(site, pchild, conf);
    }
    if (!err) {
        err = start_peers(site, pchild, conf);
    }
    if (err || !site->shelf
        || apr_thread_mutex_create(&site->lock, APR_THREAD_MUTEX_DEFAULT,
                                   pchild) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, NMDMNO(1503)
                     "cannot set up this child: %s",
                     err ? nmdm_err_text(err) : "no mutex");
        return NULL;
    }
    return site;
}

static void start_threads(child_t *child, apr_pool_t *pchild, server_rec *s)
{
    apr_status_t rv;

    rv = apr_thread_mutex_create(&child->lock, APR_THREAD_MUTEX_DEFAULT,
                                 pchild);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&child->wake, pchild);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_create(&child->writer, NULL, write_behind, child,
                               pchild);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_create(&child->sweeper, NULL, sweep, child, pchild);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, NMDMNO(1504)
                     "cannot start the threads that write last_seen_at and"
                     " push again");
        return;
    }
    apr_pool_pre_cleanup_register(pchild, child, stop);
}

/* A graceful stop leaves requests their time; any other ends connections in
 * seconds, and children that still wait then are killed. */
void nanomdm_child_stopping(apr_pool_t *pchild, int graceful)
{
    child_t *child = NULL;
    int i;

    apr_pool_userdata_get((void **)&child, CHILD_KEY, pchild);
    if (child && child->lock) {
        apr_thread_mutex_lock(child->lock);
        child->leaving = 1;
        apr_thread_mutex_unlock(child->lock);
    }
    for (i = 0; child && !graceful && i < child->sites->nelts; i++) {
        nanomdm_site_t *site = APR_ARRAY_IDX(child->sites, i,
                                             nanomdm_site_t *);

        nmdm_apns_stop(site->apns);
        nmdm_client_hurry(site->peers, CALLERS_PATIENCE);
    }
}

void nanomdm_child_init(apr_pool_t *pchild, server_rec *s)
{
    child_t *child = apr_pcalloc(pchild, sizeof(*child));
    apr_thread_mutex_t *writer = NULL;
    nmdm_err_t *err;
    server_rec *each;

    dbd_open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
    dbd_close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
    if (!nanomdm_trace_init()) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, NMDMNO(1507)
                     "no random numbers: trace ids of this child may be those"
                     " of another");
    }
    child->sites = apr_array_make(pchild, 2, sizeof(nanomdm_site_t *));
    apr_pool_userdata_setn(child, CHILD_KEY, NULL, pchild);
    apr_thread_mutex_create(&writer, APR_THREAD_MUTEX_DEFAULT, pchild);
    for (each = s; each; each = each->next) {
        nanomdm_server_t *server = nanomdm_server(each);

        if (server->uses_database && dbd_open) {
            server->site = make_site(pchild, each, child, writer);
        }
        if (server->site) {
            APR_ARRAY_PUSH(child->sites, nanomdm_site_t *) = server->site;
            open_database(server->site, pchild);
        }
    }
    if (child->sites->nelts) {
        start_threads(child, pchild, s);
    }
    err = start_courier(child, pchild);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, err->rv, s, "%s", err->msg);
    }
}
