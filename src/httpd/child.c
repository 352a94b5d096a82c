/* SPDX-License-Identifier: Apache-2.0 */
/* child.c -- one child process: what each of its sites has, set up
 * at its start and ended in order. */

#include "httpd/child.h"
#include "config/config.h"
#include "config/durable_webhooks.h"
#include "config/enroll.h"
#include "crypto/seal.h"
#include "db/combiner.h"
#include "db/sqlite_wal.h"
#include "httpd/background.h"
#include "httpd/dbd.h"
#include "httpd/request_counters.h"
#include "httpd/site.h"
#include "httpd/trace.h"

#include <ap_mpm.h>
#include <http_log.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>
#include <unistd.h>

APLOG_USE_MODULE(nanomdm);

/* How long requests wait for other servers when httpd stops at once. */
#define CALLERS_TIMEOUT apr_time_from_sec(1)

#define CHILD_KEY "nanomdm:child"

/* Of SQLite, above the number of processors. */
#define SPARE_CONNECTIONS 2

/* What a DM server may answer, and events that may wait for a receiver. */
#define MAX_REPLY (16 * 1024 * 1024)
#define MAX_WEBHOOKS 10000

/* A stopping child gives events this long; httpd kills it after ten
 * seconds. */
#define STOP_TIMEOUT apr_time_from_sec(2)

/* Where a relay waits first, the clients go on meanwhile; both together have
 * the same time. */
#define RELAY_TIMEOUT apr_time_from_msec(1500)

typedef struct {
    apr_array_header_t *sites;  /* of nanomdm_site_t * */
    nanomdm_background_t *threads; /* NULL without sites, or when they failed */
} child_t;

/* ---- Those who speak to other servers ---- */

/* Called by the client's thread for each webhook. Any 2xx is success. The URL
 * may hold a password, so it is not repeated. */
static void webhook_ended(void *baton, const nmdm_exchange_t *x)
{
    nanomdm_site_t *site = baton;
    int is_taken = x->status >= 200 && x->status <= 299;

    nmdm_count(site->services.counters, NMDM_COUNT_EVENTS,
               is_taken ? "taken"
                   : x->status == HTTP_REQUEST_ENTITY_TOO_LARGE ? "too_large"
                                                                : "failed",
               NULL, 1);
    if (x->baton) {
        nmdm_relay_ended(x);
    }
    else if (!x->status) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, site->server,
                     NMDMNO(1505) "%s is lost: %s", x->about,
                     x->failure ? x->failure : "no answer");
    }
    else if (!is_taken) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, site->server,
                     NMDMNO(1506) "%s is lost: the receiver answered %d%s",
                     x->about, x->status,
                     x->status == HTTP_REQUEST_ENTITY_TOO_LARGE
                         ? ": its limit for bodies is below this event; raise"
                           " it" : "");
    }
}

/* All sites of a child share the time that it has to end. */
static apr_status_t stop_peers(void *data)
{
    nanomdm_site_t *site = data;

    apr_interval_time_t timeout = site->services.relay
        ? STOP_TIMEOUT - RELAY_TIMEOUT : STOP_TIMEOUT;

    nmdm_http_client_stop(site->services.http,
                          timeout / *site->number_of_sites);
    return APR_SUCCESS;
}

static nmdm_err_t *start_peers(nanomdm_site_t *site, apr_pool_t *pchild,
                               const nanomdm_conf_t *conf)
{
    nmdm_http_client_conf_t peers = {
        .ca_pem = conf->upstream_ca.value,
        .max_reply = MAX_REPLY,
        .max_queue = MAX_WEBHOOKS,
        .ended = webhook_ended,
        .baton = site,
    };

    NMDM_TRY(nmdm_http_client_start(&site->services.http, pchild, &peers));
    apr_pool_pre_cleanup_register(pchild, site, stop_peers);
    return NULL;
}

static apr_status_t stop_apns(void *apns)
{
    nmdm_apns_client_stop(apns);
    return APR_SUCCESS;
}

static nmdm_err_t *start_apns(nanomdm_site_t *site, apr_pool_t *pchild,
                              const nanomdm_conf_t *conf)
{
    nmdm_apns_client_conf_t apns = { conf->push_ca.value, conf->push_proxy };

    NMDM_TRY(nmdm_apns_client_start(&site->services.apns, pchild, &apns));
    apr_pool_pre_cleanup_register(pchild, site->services.apns, stop_apns);
    return NULL;
}

static nmdm_ctx_t *context_of_site(void *site, apr_pool_t *p)
{
    return nanomdm_site_context(site, p);
}

static apr_status_t stop_relay(void *relay)
{
    nmdm_relay_stop(relay, RELAY_TIMEOUT);
    return APR_SUCCESS;
}

/* Registered after the clients' ends, so that it ends before them. */
static nmdm_err_t *start_relay(child_t *child, apr_pool_t *pchild)
{
    nmdm_relay_t *relay = NULL;
    int i;

    for (i = 0; i < child->sites->nelts; i++) {
        nanomdm_site_t *site = APR_ARRAY_IDX(child->sites, i,
                                             nanomdm_site_t *);
        nmdm_route_t route
            = { NULL, site->services.http, 0, context_of_site, site };
        apr_array_header_t *webhooks;

        nanomdm_all_webhooks(&webhooks, pchild, site->server);
        if (!webhooks->nelts) {
            continue;
        }
        if (!relay) {
            NMDM_TRY(nmdm_relay_create(&relay, pchild));
        }
        route.webhooks = webhooks;
        route.timeout
            = nanomdm_server_defaults(site->server)->policy.upstream_timeout;
        nmdm_relay_add(relay, &route);
    }
    /* An operator may replay at another virtual host than devices use. */
    for (i = 0; i < child->sites->nelts; i++) {
        APR_ARRAY_IDX(child->sites, i, nanomdm_site_t *)->services.relay
            = relay;
    }
    if (relay) {
        apr_pool_pre_cleanup_register(pchild, relay, stop_relay);
        NMDM_TRY(nmdm_relay_start(relay, pchild));
    }
    return NULL;
}

/* ---- Sites ---- */

/* Of SQLite, how many connections have work at once: one for each processor,
 * and some whose threads were interrupted. */
static int few_of(const nanomdm_server_t *server)
{
    const nmdm_dialect_t *dialect = nmdm_dialect_of(server->driver);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return dialect && dialect->is_ours_alone && processors > 0
        ? (int)processors + SPARE_CONNECTIONS : 0;
}

/* mod_dbd has one pool for all virtual hosts that have the same database, so
 * a connection that one of them has cached must be there for the others. */
static nanomdm_dbd_cache_t *cache_of(apr_pool_t *pchild, server_rec *s,
                                     const child_t *child)
{
    const nanomdm_server_t *server = nanomdm_server(s);
    int i;

    for (i = 0; i < child->sites->nelts; i++) {
        nanomdm_site_t *other = APR_ARRAY_IDX(child->sites, i,
                                              nanomdm_site_t *);

        if (!strcmp(nanomdm_server(other->server)->database,
                    server->database)) {
            return other->dbd_cache;
        }
    }
    return nanomdm_dbd_cache_create(pchild, server->pool_size,
                                    few_of(server), nanomdm_dbd_close);
}

/* SQLite has nothing to gain from polls that ask together. */
static nmdm_err_t *combine(nanomdm_site_t *site, apr_pool_t *pchild)
{
    const nmdm_dialect_t *dialect
        = nmdm_dialect_of(nanomdm_server(site->server)->driver);
    int few = dialect && dialect->has_one_writer ? NMDM_COMBINER_FEW_SQLITE
                                                 : NMDM_COMBINER_FEW;

    if (!dialect) {
        return NULL;
    }
    if (!dialect->has_one_writer) {
        NMDM_TRY(nmdm_combiner_create(&site->services.polls, pchild, few));
    }
    return nmdm_combiner_create(&site->services.reports, pchild, few);
}

static nmdm_err_t *equip(nanomdm_site_t *site, apr_pool_t *pchild,
                         const nanomdm_conf_t *conf)
{
    if (conf->combines) {
        NMDM_TRY(combine(site, pchild));
    }
    NMDM_TRY(nmdm_last_seen_create(&site->services.seen, pchild));
    NMDM_TRY(nmdm_last_seen_create(&site->services.pushed, pchild));
    NMDM_TRY(nmdm_sqlite_wal_create(&site->services.db_source->wal, pchild));
    NMDM_TRY(nmdm_once_daily_create(&site->services.daily, pchild));
    NMDM_TRY(nmdm_circuit_breaker_create(&site->services.breaker, pchild));
    NMDM_TRY(nmdm_stats_cache_create(&site->services.totals, pchild));
    site->services.profiles = nanomdm_server(site->server)->enroll
        ? nanomdm_server(site->server)->enroll->profiles : NULL;
    NMDM_TRY(start_apns(site, pchild, conf));
    return start_peers(site, pchild, conf);
}

static nanomdm_site_t *make_site(apr_pool_t *pchild, server_rec *s,
                                 const child_t *child,
                                 apr_thread_mutex_t *writer)
{
    nanomdm_site_t *site = apr_pcalloc(pchild, sizeof(*site));
    const nanomdm_conf_t *conf = nanomdm_server_defaults(s);
    nmdm_err_t *err = NULL;

    site->server = s;
    if (nmdm_seal_count(conf->policy.seal)) {
        site->rekey = nmdm_rekey_create(pchild);
    }
    site->push = conf->push;
    site->policy.push = &site->push;
    site->policy.retention = conf->retention;
    site->policy.seal = conf->policy.seal;
    site->policy.renewals = conf->policy.renewals;
    site->policy.renew_identifier = conf->policy.renew_identifier;
    if (nanomdm_server(s)->has_declarations) {
        site->policy.declarations = &conf->declarations;
    }
    site->number_of_sites = &child->sites->nelts;
    site->services.counters = nanomdm_counters(s);
    site->dbd_cache = cache_of(pchild, s, child);
    if (site->dbd_cache) {
        site->services.db_source = nanomdm_dbd_create(pchild, s,
                                                      site->dbd_cache);
    }
    if (site->services.db_source) {
        site->services.db_source->writer = writer;
        err = equip(site, pchild, conf);
    }
    if (!site->services.db_source || err) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, NMDMNO(1503)
                     "cannot set up this child: %s",
                     err ? nmdm_err_text(err) : "no mutex");
        return NULL;
    }
    return site;
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
    ctx = nanomdm_site_context(site, p);
    err = nmdm_db_unit(ctx, NMDM_UNIT_READ, do_nothing, NULL);
    nmdm_db_release(ctx);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err->rv, site->server, "%s",
                     err->msg);
    }
    apr_pool_destroy(p);
}

/* ---- The child ---- */

/* NULL when that fails. */
static nmdm_waiters_t *make_waiters(apr_pool_t *pchild, server_rec *s,
                                    int most, nmdm_waiters_t *all)
{
    nmdm_waiters_t *waiters = NULL;
    nmdm_err_t *err = nmdm_waiters_create(&waiters, pchild, most, all);

    if (err) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, err->rv, s, "%s", err->msg);
    }
    return waiters;
}

/* Once more than a quarter of the threads wait for APNs, calls of the API do
 * not; and other servers have all but a quarter. Where neither answers, an
 * eighth is left. The rest is for devices that want no more than the
 * database. */
static void share_waiters(child_t *child, apr_pool_t *pchild, server_rec *s)
{
    nmdm_waiters_t *all, *waiters, *upstream;
    int i, threads = 0;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    all = make_waiters(pchild, s, threads - (threads < 8 ? 1 : threads / 8),
                       NULL);
    waiters = make_waiters(pchild, s, threads / 4 + 1, all);
    upstream = make_waiters(pchild, s, threads - threads / 4, all);
    for (i = 0; i < child->sites->nelts; i++) {
        nanomdm_site_t *site = APR_ARRAY_IDX(child->sites, i,
                                             nanomdm_site_t *);

        site->services.waiters = waiters;
        site->services.upstream = upstream;
    }
}

/* A graceful stop leaves requests their time; any other ends connections in
 * seconds, and children that still wait then are killed. A child that is
 * stopped at the moment of its fork has no pool yet. */
void nanomdm_child_stopping(apr_pool_t *pchild, int graceful)
{
    child_t *child = NULL;
    int i;

    if (pchild) {
        apr_pool_userdata_get((void **)&child, CHILD_KEY, pchild);
    }
    if (child && child->threads) {
        nanomdm_background_stop_jobs(child->threads);
    }
    for (i = 0; child && !graceful && i < child->sites->nelts; i++) {
        nanomdm_site_t *site = APR_ARRAY_IDX(child->sites, i,
                                             nanomdm_site_t *);

        nmdm_combiner_stop(site->services.polls);
        nmdm_combiner_stop(site->services.reports);
        nmdm_apns_client_stop(site->services.apns);
        nmdm_http_client_shorten_deadlines(site->services.http,
                                           CALLERS_TIMEOUT);
    }
}

/* glibc takes the largest block that was ever freed for usual: after a report
 * of 30 MB it keeps twice that in each of its arenas, of which there are many.
 * With a bound of our own what a long report took goes back to the system. In
 * bytes; far above what httpd and its modules take at once. */
static void bound_arenas(void)
{
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
    mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
#endif
}

void nanomdm_child_init(apr_pool_t *pchild, server_rec *s)
{
    child_t *child = apr_pcalloc(pchild, sizeof(*child));
    apr_thread_mutex_t *writer = NULL;
    nmdm_err_t *err;
    server_rec *each;
    int can_lend = nanomdm_dbd_init();

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

        if (server->uses_database && can_lend) {
            server->site = make_site(pchild, each, child, writer);
        }
        if (server->site) {
            APR_ARRAY_PUSH(child->sites, nanomdm_site_t *) = server->site;
            open_database(server->site, pchild);
        }
    }
    share_waiters(child, pchild, s);
    if (child->sites->nelts) {
        bound_arenas();
        child->threads = nanomdm_background_start(pchild, child->sites, s);
    }
    err = start_relay(child, pchild);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, err->rv, s, "%s", err->msg);
    }
}
