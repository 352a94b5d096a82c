/* SPDX-License-Identifier: Apache-2.0 */
/* mod_nanomdm_child.c -- one child process: its connections, lent out by
 * mod_dbd, the thread that writes down who was seen, and those that speak to
 * APNs and to other servers. */

#include "mod_nanomdm.h"
#include "nmdm_apns.h"
#include "nmdm_client.h"
#include "nmdm_courier.h"
#include "nmdm_db.h"
#include "nmdm_seen.h"
#include "nmdm_store.h"

/* mod_dbd.h does not include what it needs; nmdm_db.h did. */
#include <mod_dbd.h>

#include <apr_optional.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_proc.h>

APLOG_USE_MODULE(nanomdm);

/* How often last_seen_at is written. */
#define SEEN_INTERVAL apr_time_from_sec(1)

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
    nmdm_seen_t *seen;
    nmdm_apns_t *apns;
    nmdm_client_t *peers;
    nmdm_courier_t *courier;    /* of the child, or NULL */
    const int *number_of_sites; /* of this child */

    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_time_t away_since;      /* 0 while the database answers */
    apr_time_t next_probe;
    int probing;
};

typedef struct {
    apr_array_header_t *sites;  /* of nanomdm_site_t * */
    apr_thread_t *thread;
    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_thread_cond_t *wake;
    int stopping;
} child_t;

static APR_OPTIONAL_FN_TYPE(ap_dbd_open) *dbd_open;
static APR_OPTIONAL_FN_TYPE(ap_dbd_close) *dbd_close;

void nanomdm_site_lend(const nanomdm_site_t *site, nmdm_ctx_t *ctx)
{
    ctx->lender = &site->lender;
    ctx->seen = site->seen;
    ctx->apns = site->apns;
    ctx->peers = site->peers;
    ctx->courier = site->courier;
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
        site->next_probe = now
            + (now - site->away_since > NMDM_DB_PATIENCE
               ? LATER_PROBE_INTERVAL : PROBE_INTERVAL);
    }
    apr_thread_mutex_unlock(site->lock);
}

/* Once the database has been away for long, nobody waits for it any more. */
static int is_given_up(nanomdm_site_t *site)
{
    int yes;

    apr_thread_mutex_lock(site->lock);
    yes = site->away_since
        && apr_time_now() - site->away_since > NMDM_DB_PATIENCE;
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

static nmdm_err_t *borrow(nmdm_ctx_t *ctx, nmdm_db_t **out)
{
    nanomdm_site_t *site = ctx->lender->baton;
    apr_time_t deadline = apr_time_now() + NMDM_DB_PATIENCE;
    ap_dbd_t *dbd = NULL;
    nmdm_db_t *db;
    int is_away;

    for (;;) {
        if (may_ask(site, &is_away)) {
            dbd = ask(site, ctx->pool, is_away);
        }
        if (dbd || is_given_up(site) || apr_time_now() >= deadline) {
            break;
        }
        apr_sleep(PROBE_INTERVAL / 2);
    }
    if (!dbd) {
        return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(1501) "%s: no connection to the database;"
                        " clients get 503 until there is one",
                        *ctx->story.id ? ctx->story.id : "-");
    }
    db = apr_pcalloc(ctx->pool, sizeof(*db));
    db->driver = dbd->driver;
    db->handle = dbd->handle;
    db->pool = dbd->pool;
    db->notes = dbd->prepared;
    db->owner = dbd;
    *out = db;
    return NULL;
}

static void give_back(nmdm_ctx_t *ctx, nmdm_db_t *db)
{
    nanomdm_site_t *site = ctx->lender->baton;

    dbd_close(site->server, db->owner);
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
    ctx->lender = &site->lender;
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
    int i;

    for (i = 0; i < child->sites->nelts; i++) {
        flush_seen(APR_ARRAY_IDX(child->sites, i, nanomdm_site_t *), p);
    }
    apr_pool_clear(p);
}

static int wait_for_the_next_time(child_t *child)
{
    int stopping;

    apr_thread_mutex_lock(child->lock);
    if (!child->stopping) {
        apr_thread_cond_timedwait(child->wake, child->lock, SEEN_INTERVAL);
    }
    stopping = child->stopping;
    apr_thread_mutex_unlock(child->lock);
    return !stopping;
}

/* Writes once more when it is told to stop. */
static void *APR_THREAD_FUNC write_behind(apr_thread_t *thread, void *data)
{
    child_t *child = data;
    apr_allocator_t *allocator;
    apr_pool_t *p;
    int go_on;

    apr_allocator_create(&allocator);
    apr_pool_create_ex(&p, NULL, NULL, allocator);
    apr_allocator_owner_set(allocator, p);
    do {
        go_on = wait_for_the_next_time(child);
        flush_all(child, p);
    } while (go_on);
    apr_pool_destroy(p);
    (void)thread;
    return NULL;
}

/* A pre-cleanup: afterwards mod_dbd's connections are gone. */
static apr_status_t stop(void *data)
{
    child_t *child = data;
    apr_status_t ended;

    apr_thread_mutex_lock(child->lock);
    child->stopping = 1;
    apr_thread_cond_signal(child->wake);
    apr_thread_mutex_unlock(child->lock);
    apr_thread_join(&ended, child->thread);
    return APR_SUCCESS;
}

/* ---- Start ---- */

/* Called by the client's thread for each webhook. Any 2xx is success. The URL
 * may hold a password, so it is not repeated. */
static void webhook_ended(void *baton, const nmdm_exchange_t *x)
{
    nanomdm_site_t *site = baton;

    if (x->baton) {
        nmdm_courier_ended(x);
    }
    else if (!x->status) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, site->server,
                     NMDMNO(1505) "%s is lost: %s", x->about,
                     x->failure ? x->failure : "no answer");
    }
    else if (x->status < 200 || x->status > 299) {
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
    err = nmdm_seen_create(&site->seen, pchild);
    if (!err) {
        err = start_apns(site, pchild, conf);
    }
    if (!err) {
        err = start_peers(site, pchild, conf);
    }
    if (err || apr_thread_mutex_create(&site->lock, APR_THREAD_MUTEX_DEFAULT,
                                       pchild) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, NMDMNO(1503)
                     "cannot set up this child: %s",
                     err ? nmdm_err_text(err) : "no mutex");
        return NULL;
    }
    return site;
}

static void start_thread(child_t *child, apr_pool_t *pchild, server_rec *s)
{
    apr_status_t rv;

    rv = apr_thread_mutex_create(&child->lock, APR_THREAD_MUTEX_DEFAULT,
                                 pchild);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&child->wake, pchild);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_create(&child->thread, NULL, write_behind, child,
                               pchild);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, NMDMNO(1504)
                     "cannot start the thread that writes last_seen_at");
        return;
    }
    apr_pool_pre_cleanup_register(pchild, child, stop);
}

void nanomdm_child_init(apr_pool_t *pchild, server_rec *s)
{
    child_t *child = apr_pcalloc(pchild, sizeof(*child));
    apr_thread_mutex_t *writer = NULL;
    nmdm_err_t *err;
    server_rec *each;

    dbd_open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
    dbd_close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
    child->sites = apr_array_make(pchild, 2, sizeof(nanomdm_site_t *));
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
        start_thread(child, pchild, s);
    }
    err = start_courier(child, pchild);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, err->rv, s, "%s", err->msg);
    }
}
