/* SPDX-License-Identifier: Apache-2.0 */
/* background.c -- what a child does without a request: a thread that writes
 * down who was seen and pushed to, one that pushes again, removes what is old
 * and renews identities, and one that notifies devices of declarations. */

#include "httpd/background.h"
#include "base/cond.h"
#include "base/text.h"
#include "base/time.h"
#include "config/config.h"
#include "httpd/request_counters.h"
#include "httpd/site.h"
#include "jobs/cert_renewal.h"
#include "jobs/declarations_notify.h"
#include "jobs/push_retry.h"
#include "jobs/retention.h"
#include "jobs/scep_cleanup.h"
#include "storage/enrollments.h"
#include "storage/last_seen.h"
#include "storage/push_state.h"

#include <apr_thread_proc.h>
#include <http_log.h>

APLOG_USE_MODULE(nanomdm);

/* How often last_seen_at is written. */
#define SEEN_INTERVAL apr_time_from_sec(1)
/* How often to look for devices that need another push; the first time soon,
 * for what became due or was configured while the server was restarted. */
#define SWEEP_INTERVAL apr_time_from_sec(5)
#define FIRST_SWEEP apr_time_from_sec(1)
/* From one removal of expired challenges to the next. */
#define SCEP_INTERVAL apr_time_from_sec(60)
/* How often to look whether declarations have changed. */
#define NOTIFY_INTERVAL apr_time_from_sec(1)
#define NOTIFY_FAILURE_INTERVAL apr_time_from_sec(60)

struct nanomdm_background_t {
    const apr_array_header_t *sites;    /* of nanomdm_site_t * */
    apr_thread_t *writer, *maintenance, *notifier;
    nmdm_cond_t *cond;          /* guards the rest, whose changes it signals */
    int leaving;                /* others have the configuration now */
    int stopping;
};

/* Whether there is a next time. */
static int wait_for(nanomdm_background_t *threads, apr_interval_time_t interval)
{
    int stopping;

    nmdm_cond_lock(threads->cond);
    if (!threads->stopping) {
        nmdm_cond_wait(threads->cond, interval);
    }
    stopping = threads->stopping;
    nmdm_cond_unlock(threads->cond);
    return !stopping;
}

static int is_stopping(void *threads)
{
    return !wait_for(threads, 0);
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

/* ---- Who was seen ---- */

static nmdm_err_t *do_seen(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_enrollments_seen(ctx, baton);
}

static nmdm_err_t *do_pushed(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_push_state_taken(ctx, baton);
}

/* Writes what was noted into `column`; what could not be written is noted
 * again, for the next time. */
static void flush(nanomdm_site_t *site, apr_pool_t *p, nmdm_last_seen_t *notes,
                  nmdm_unit_fn write, const char *column)
{
    apr_array_header_t *ids = nmdm_last_seen_take(notes, p);
    nmdm_ctx_t *ctx = nanomdm_site_context(site, p);
    nmdm_err_t *err = NULL;
    int i;

    if (ids->nelts) {
        err = nmdm_db_unit(ctx, NMDM_UNIT_WRITE, write, ids);
        nmdm_db_release(ctx);
    }
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err->rv, site->server,
                     NMDMNO(1502) "-: %s of %d %s is not written"
                     " yet: %s", column, ids->nelts,
                     nmdm_text_plural(ids->nelts, "enrollment",
                                      "enrollments"),
                     nmdm_err_text(err));
        for (i = 0; i < ids->nelts; i++) {
            nmdm_last_seen_note(notes, APR_ARRAY_IDX(ids, i, const char *));
        }
    }
}

static void flush_all(nanomdm_background_t *threads, apr_pool_t *p)
{
    nanomdm_site_t *site;
    int i;

    for (i = 0; i < threads->sites->nelts; i++) {
        site = APR_ARRAY_IDX(threads->sites, i, nanomdm_site_t *);
        nmdm_counters_tick(site->services.counters, apr_time_now());
        flush(site, p, site->services.pushed, do_pushed, "pushed_at");
        flush(site, p, site->services.seen, do_seen, "last_seen_at");
        nanomdm_dbd_cache_expire(site->dbd_cache);
    }
    apr_pool_clear(p);
}

/* Writes once more when it has to stop. */
static void *APR_THREAD_FUNC write_behind(apr_thread_t *thread, void *data)
{
    nanomdm_background_t *threads = data;
    apr_pool_t *p = make_pool();
    int go_on;

    do {
        go_on = wait_for(threads, SEEN_INTERVAL);
        flush_all(threads, p);
    } while (go_on);
    apr_pool_destroy(p);
    (void)thread;
    return NULL;
}

/* ---- Maintenance ---- */

/* Ends a piece of work; `failure` is what its failure means. */
static void finish(nanomdm_site_t *site, nmdm_ctx_t *ctx,
                   const nmdm_err_t *err, const char *failure)
{
    nmdm_db_release(ctx);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err->rv, site->server, "%s: %s",
                     failure, nmdm_err_text(err));
    }
    apr_pool_clear(ctx->pool);
}

static void push_again(nanomdm_site_t *site, nanomdm_background_t *threads,
                       apr_pool_t *p)
{
    int more;

    do {
        nmdm_ctx_t *ctx = nanomdm_site_context(site, p);
        nmdm_err_t *err = nmdm_push_retry_run(ctx, &more);

        more = more && !err;
        finish(site, ctx, err,
               NMDMNO(1508) "-: pushes are not repeated now");
    } while (more && wait_for(threads, 0));
}

/* For the plot of the status page; a minute that cannot be counted is a gap
 * there. */
static void note_depth(nanomdm_site_t *site, apr_pool_t *p)
{
    nmdm_counters_t *counters = site->services.counters;
    apr_int64_t depth;
    nmdm_ctx_t *ctx;
    nmdm_err_t *err;

    if (!nanomdm_server(site->server)->serves_status
        || !nmdm_counters_depth_is_due(counters, apr_time_now())) {
        return;
    }
    ctx = nanomdm_site_context(site, p);
    err = nmdm_api_db_stats_depth(&depth, ctx);
    nmdm_db_release(ctx);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, err->rv, site->server,
                     NMDMNO(1904) "-: commands that wait are not counted for"
                     " this minute: %s", nmdm_err_text(err));
    }
    else if (depth >= 0) {
        nmdm_counters_note_depth(counters, depth, apr_time_now());
    }
    apr_pool_clear(p);
}

static void retain(nanomdm_site_t *site, apr_pool_t *p)
{
    nmdm_ctx_t *ctx = nanomdm_site_context(site, p);

    finish(site, ctx, nmdm_retention_run(ctx),
           NMDMNO(0944) "-: NanoMDMRetention removes nothing now");
}

/* Once a minute where certificates or challenges are made, and again at the
 * next turn while there is more to remove. */
static void clean_up_scep(nanomdm_site_t *site, apr_pool_t *p)
{
    const nanomdm_server_t *server = nanomdm_server(site->server);
    nmdm_ctx_t *ctx;
    int more;

    if (!server->scep_keys
        || nmdm_time_steady() - site->scep_cleaned < SCEP_INTERVAL) {
        return;
    }
    ctx = nanomdm_site_context(site, p);
    finish(site, ctx, nmdm_scep_cleanup_run(ctx, &more),
           NMDMNO(1510) "-: expired SCEP challenges are not removed now");
    site->scep_cleaned = nmdm_time_steady() - (more ? SCEP_INTERVAL : 0);
}

/* Where devices can be sent a profile. Orders of operators are carried out
 * without NanoMDMRenewIdentity, too. */
static void renew_identities(nanomdm_site_t *site, apr_pool_t *p)
{
    const apr_array_header_t *profiles = site->services.profiles;
    nmdm_ctx_t *ctx;

    if (!nanomdm_server(site->server)->scep_keys
        || ((!profiles || !profiles->nelts)
            && (!site->policy.renewals || !site->policy.renewals->days))) {
        return;
    }
    ctx = nanomdm_site_context(site, p);
    finish(site, ctx, nmdm_cert_renewal_run(ctx),
           NMDMNO(1511) "-: identities are not renewed now");
}

static void seal(nanomdm_site_t *site, apr_pool_t *p)
{
    nmdm_ctx_t *ctx = nanomdm_site_context(site, p);

    finish(site, ctx, nmdm_rekey_run(ctx, site->rekey),
           NMDMNO(1509) "-: NanoMDMStorageKey seals nothing of what is stored"
           " now");
}

/* A child from before a graceful restart may still hold old keys. */
static int may_seal(nanomdm_background_t *threads)
{
    int yes;

    nmdm_cond_lock(threads->cond);
    yes = !threads->leaving;
    nmdm_cond_unlock(threads->cond);
    return yes;
}

static void *APR_THREAD_FUNC run_maintenance(apr_thread_t *thread, void *data)
{
    nanomdm_background_t *threads = data;
    apr_interval_time_t interval = FIRST_SWEEP;
    apr_pool_t *p = make_pool();
    int i;

    for (; wait_for(threads, interval); interval = SWEEP_INTERVAL) {
        for (i = 0; i < threads->sites->nelts; i++) {
            nanomdm_site_t *site = APR_ARRAY_IDX(threads->sites, i,
                                                 nanomdm_site_t *);

            if (site->push.repeats
                && nanomdm_server(site->server)->serves_api) {
                push_again(site, threads, p);
            }
            if (wait_for(threads, 0)) {
                note_depth(site, p);
            }
            if (site->policy.retention && wait_for(threads, 0)) {
                retain(site, p);
            }
            if (wait_for(threads, 0)) {
                clean_up_scep(site, p);
            }
            if (wait_for(threads, 0)) {
                renew_identities(site, p);
            }
            if (site->rekey && wait_for(threads, 0) && may_seal(threads)) {
                seal(site, p);
            }
        }
    }
    apr_pool_destroy(p);
    (void)thread;
    return NULL;
}

/* ---- Declarations ---- */

/* A database that is away is looked for each second and said once a minute. */
static void notify(nanomdm_background_t *threads, nanomdm_site_t *site,
                   apr_pool_t *p)
{
    nmdm_ctx_t *ctx = nanomdm_site_context(site, p);
    nmdm_err_t *err = nmdm_declarations_notify_run(ctx, is_stopping, threads);
    apr_time_t now = nmdm_time_steady();

    if (err && site->notify_failed
        && now - site->notify_failed < NOTIFY_FAILURE_INTERVAL) {
        err = NULL;
    }
    else if (err) {
        site->notify_failed = now;
    }
    finish(site, ctx, err,
           NMDMNO(2580) "-: enrollments are not notified of changed"
           " declarations now");
}

/* A thread of its own: pushes and other work do not keep devices from what is
 * declared for them. */
static void *APR_THREAD_FUNC notify_all(apr_thread_t *thread, void *data)
{
    nanomdm_background_t *threads = data;
    apr_pool_t *p = make_pool();
    int i;

    while (wait_for(threads, NOTIFY_INTERVAL)) {
        for (i = 0; i < threads->sites->nelts; i++) {
            nanomdm_site_t *site = APR_ARRAY_IDX(threads->sites, i,
                                                 nanomdm_site_t *);

            if (site->policy.declarations) {
                notify(threads, site, p);
            }
        }
    }
    apr_pool_destroy(p);
    (void)thread;
    return NULL;
}

static int has_declarations(const nanomdm_background_t *threads)
{
    int i, any = 0;

    for (i = 0; i < threads->sites->nelts; i++) {
        any |= APR_ARRAY_IDX(threads->sites, i, nanomdm_site_t *)
                   ->policy.declarations != NULL;
    }
    return any;
}

/* ---- Start and end ---- */

static void join(apr_thread_t *thread)
{
    apr_status_t ended;

    if (thread) {
        apr_thread_join(&ended, thread);
    }
}

/* A pre-cleanup: afterwards mod_dbd's connections are gone. */
static apr_status_t stop(void *data)
{
    nanomdm_background_t *threads = data;
    int i;

    nmdm_cond_lock(threads->cond);
    threads->stopping = 1;
    nmdm_cond_signal(threads->cond);
    nmdm_cond_unlock(threads->cond);
    for (i = 0; i < threads->sites->nelts; i++) {
        /* Or maintenance would wait for pushes to their end. */
        nmdm_apns_client_stop(APR_ARRAY_IDX(threads->sites, i,
                                            nanomdm_site_t *)->services.apns);
    }
    join(threads->notifier);
    join(threads->maintenance);
    join(threads->writer);
    for (i = 0; i < threads->sites->nelts; i++) {
        nanomdm_dbd_cache_shut(APR_ARRAY_IDX(threads->sites, i,
                                             nanomdm_site_t *)->dbd_cache);
    }
    return APR_SUCCESS;
}

static apr_status_t start(apr_thread_t **thread, apr_thread_start_t work,
                          nanomdm_background_t *threads, apr_pool_t *pchild)
{
    apr_status_t rv = apr_thread_create(thread, NULL, work, threads, pchild);

    if (rv != APR_SUCCESS) {
        *thread = NULL;         /* APR leaves what cannot be joined */
    }
    return rv;
}

nanomdm_background_t *nanomdm_background_start(apr_pool_t *pchild,
                                               const apr_array_header_t *sites,
                                               server_rec *s)
{
    nanomdm_background_t *threads = apr_pcalloc(pchild, sizeof(*threads));
    apr_status_t rv;

    threads->sites = sites;
    rv = nmdm_cond_create(&threads->cond, pchild);
    if (rv == APR_SUCCESS) {
        /* One of them may start alone. */
        apr_pool_pre_cleanup_register(pchild, threads, stop);
        rv = start(&threads->writer, write_behind, threads, pchild);
    }
    if (rv == APR_SUCCESS) {
        rv = start(&threads->maintenance, run_maintenance, threads, pchild);
    }
    if (rv == APR_SUCCESS && has_declarations(threads)) {
        rv = start(&threads->notifier, notify_all, threads, pchild);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, NMDMNO(1504)
                     "cannot start the threads that write last_seen_at and"
                     " push again");
        return NULL;
    }
    return threads;
}

void nanomdm_background_stop_jobs(nanomdm_background_t *threads)
{
    nmdm_cond_lock(threads->cond);
    threads->leaving = 1;
    nmdm_cond_unlock(threads->cond);
}
