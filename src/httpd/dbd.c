/* SPDX-License-Identifier: Apache-2.0 */
/* dbd.c -- acquires and releases connections of mod_dbd, and decides how long
 * a request waits while the database is away. */

#include "httpd/dbd.h"
#include "base/time.h"
#include "config/config.h"
#include "config/dbd_params.h"
#include "db/db.h"
#include "db/schema.h"

/* mod_dbd.h does not include what it needs; db/db.h did. */
#include <mod_dbd.h>

#include <apr_atomic.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

/* While the database is away, one request at a time looks for it, this
 * often. */
#define PROBE_INTERVAL apr_time_from_msec(50)
#define LATER_PROBE_INTERVAL apr_time_from_msec(250)

/* The connection pool of a site: the source's baton. */
typedef struct {
    nmdm_db_source_t db_source;
    nmdm_schema_state_t schema;
    nmdm_schema_mode_e schema_mode;
    server_rec *server;
    nanomdm_dbd_cache_t *cache;

    apr_thread_mutex_t *lock;   /* guards the rest */
    /* on the steady clock */
    apr_time_t away_since;      /* 0 while the database answers */
    apr_time_t answered_at;     /* on a connection from before, since then */
    apr_time_t refused_at;      /* by the database, last */
    apr_time_t said_at;         /* that it is away, in the log */
    char reason[200];           /* what it said last; "" for nothing */
    apr_time_t next_probe;
    int probing;
    apr_uint32_t is_away;       /* atomic: away_since is not 0 */
} source_t;

static APR_OPTIONAL_FN_TYPE(ap_dbd_open) *dbd_open;
static APR_OPTIONAL_FN_TYPE(ap_dbd_close) *dbd_close;

int nanomdm_dbd_init(void)
{
    dbd_open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
    dbd_close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
    return dbd_open != NULL;
}

/* ---- Asking mod_dbd ---- */

/* Whether the caller may ask mod_dbd now. While the database is away only one
 * at a time does: connecting blocks all others in mod_dbd's pool, and
 * each attempt leaves an error in the log. */
static int may_ask(source_t *source, int *is_away)
{
    apr_time_t now = nmdm_time_steady();
    int yes = 1;

    apr_thread_mutex_lock(source->lock);
    *is_away = source->away_since != 0;
    if (source->away_since) {
        yes = !source->probing && now >= source->next_probe;
        source->probing |= yes;
    }
    apr_thread_mutex_unlock(source->lock);
    return yes;
}

static void note_answer(source_t *source, int answered)
{
    apr_time_t now = nmdm_time_steady();

    apr_thread_mutex_lock(source->lock);
    source->probing = 0;
    if (answered) {
        source->away_since = source->answered_at = 0;
    }
    else {
        if (!source->away_since) {
            source->away_since = now;
        }
        source->refused_at = now;
        source->next_probe = now
            + (now - source->away_since > NMDM_DB_TIMEOUT
               ? LATER_PROBE_INTERVAL : PROBE_INTERVAL);
    }
    apr_atomic_set32(&source->is_away, source->away_since != 0);
    apr_thread_mutex_unlock(source->lock);
    nanomdm_dbd_cache_keep(source->cache, !answered);
}

/* A database that refuses connections because it has too many goes on with
 * those that it has. */
static void note_use(source_t *source)
{
    if (apr_atomic_read32(&source->is_away)) {
        apr_thread_mutex_lock(source->lock);
        source->answered_at = nmdm_time_steady();
        apr_thread_mutex_unlock(source->lock);
    }
}

/* Once the database has been away for long, a request waits at most for the
 * next probe, so that none is refused once it is back. */
static int is_given_up(source_t *source, apr_time_t waiting_since)
{
    apr_time_t now = nmdm_time_steady();
    int yes;

    apr_thread_mutex_lock(source->lock);
    yes = source->away_since
        && now - source->away_since > NMDM_DB_TIMEOUT
        && now - source->answered_at > NMDM_DB_TIMEOUT
        && (source->refused_at >= waiting_since
            || now - waiting_since >= LATER_PROBE_INTERVAL);
    apr_thread_mutex_unlock(source->lock);
    return yes;
}

/* Connects without mod_dbd, which writes a line into the log for each
 * refusal; the reason is kept. Whether there is a database. */
static int probe(source_t *source, apr_pool_t *p)
{
    const nanomdm_server_t *server = nanomdm_server(source->server);
    const apr_dbd_driver_t *driver;
    const char *reason = NULL;
    apr_dbd_t *handle;
    apr_pool_t *own;
    apr_status_t rv;

    if (!server->driver
        || apr_pool_create(&own, p) != APR_SUCCESS) {
        return 1;
    }
    rv = apr_dbd_get_driver(own, server->driver, &driver);
    if (rv == APR_SUCCESS) {
        rv = apr_dbd_open_ex(driver, own, server->params, &handle, &reason);
    }
    if (rv == APR_SUCCESS) {
        apr_dbd_close(driver, handle);
    }
    apr_thread_mutex_lock(source->lock);
    apr_cpystrn(source->reason, rv == APR_SUCCESS || !reason ? "" : reason,
                sizeof(source->reason));
    apr_thread_mutex_unlock(source->lock);
    apr_pool_destroy(own);
    return rv == APR_SUCCESS;
}

/* mod_dbd drops a dead connection when it is asked for one and then returns
 * none: a database that was restarted leaves a pool full of them. After the
 * first refusal a probe of the database shows whether that is the reason. */
static ap_dbd_t *ask(source_t *source, apr_pool_t *p, int is_away)
{
    apr_time_t started = nmdm_time_steady();
    int tries = nanomdm_server(source->server)->pool_size + 1;
    int has_looked = 0;
    ap_dbd_t *dbd = NULL;

    while (!dbd && tries-- && nmdm_time_steady() - started < PROBE_INTERVAL) {
        if (is_away && !has_looked) {
            has_looked = 1;
            if (!probe(source, p)) {
                break;
            }
            started = nmdm_time_steady();
        }
        dbd = dbd_open(p, source->server);
        is_away = !dbd;
    }
    note_answer(source, dbd != NULL);
    return dbd;
}

/* From the cache or from mod_dbd, waiting while the database is away or has too
 * many connections. Whether there is one. */
static int lend(source_t *source, apr_pool_t *p, nanomdm_dbd_conn_t *conn)
{
    apr_time_t started = nmdm_time_steady();
    int is_away;

    for (;;) {
        if (nanomdm_dbd_cache_take(source->cache, conn)) {
            return 1;
        }
        conn->server = source->server;
        conn->dbd = may_ask(source, &is_away) ? ask(source, p, is_away) : NULL;
        nanomdm_dbd_cache_asked(source->cache, conn->dbd != NULL);
        if (conn->dbd || is_given_up(source, started)
            || nmdm_time_steady() - started >= NMDM_DB_TIMEOUT) {
            return conn->dbd != NULL;
        }
        nanomdm_dbd_cache_wait(source->cache, PROBE_INTERVAL / 2);
    }
}

/* ---- What is said of a database that is away ---- */

/* Once a second in each child; the others have it in the debug log. */
static int is_to_be_said(source_t *source, const char **reason, apr_pool_t *p)
{
    apr_time_t now = nmdm_time_steady();
    int yes;

    apr_thread_mutex_lock(source->lock);
    yes = !source->said_at || now - source->said_at >= apr_time_from_sec(1);
    if (yes) {
        source->said_at = now;
    }
    *reason = apr_pstrdup(p, source->reason);
    apr_thread_mutex_unlock(source->lock);
    return yes;
}

static nmdm_err_t *away_error(nmdm_ctx_t *ctx, source_t *source)
{
    const nanomdm_server_t *server = nanomdm_server(source->server);
    const char *reason;
    int is_said = is_to_be_said(source, &reason, ctx->pool);
    nmdm_err_t *err = nmdm_err(
        ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(1501)
        "%s: no connection to the database (DBDriver %s, DBDParams \"%s\","
        " %s): %s; clients get 503 until there is one",
        *ctx->access_log.id ? ctx->access_log.id : "-",
        server->driver ? server->driver : "-",
        nanomdm_dbd_params_shown(ctx->pool, server->params),
        server->params_at ? server->params_at : "-",
        *reason ? reason : "the line of mod_dbd before this one says why");

    err->is_repeated = !is_said;
    return err;
}

/* ---- The source's functions ---- */

static nmdm_err_t *borrow(nmdm_ctx_t *ctx, nmdm_db_t **out)
{
    source_t *source = ctx->services->db_source->baton;
    nanomdm_dbd_conn_t *conn = apr_palloc(ctx->pool, sizeof(*conn));
    const ap_dbd_t *dbd;
    nmdm_db_t *db;

    if (!lend(source, ctx->pool, conn)) {
        return away_error(ctx, source);
    }
    db = apr_pcalloc(ctx->pool, sizeof(*db));
    dbd = conn->dbd;
    db->driver = dbd->driver;
    db->handle = dbd->handle;
    db->pool = dbd->pool;
    db->notes = dbd->prepared;
    db->owner = conn;
    *out = db;
    return NULL;
}

void nanomdm_dbd_close(nanomdm_dbd_conn_t conn)
{
    dbd_close(conn.server, conn.dbd);
}

/* Where one connection is dead, others may be: mod_dbd finds out. */
static void give_back(nmdm_ctx_t *ctx, nmdm_db_t *db)
{
    source_t *source = ctx->services->db_source->baton;
    nanomdm_dbd_conn_t *conn = db->owner;

    if (db->is_suspect) {
        nanomdm_dbd_cache_close(source->cache, *conn);
        nanomdm_dbd_cache_empty(source->cache);
        return;
    }
    note_use(source);
    nanomdm_dbd_cache_put(source->cache, *conn);
}

static nmdm_err_t *check_schema(nmdm_ctx_t *ctx)
{
    source_t *source = ctx->services->db_source->baton;

    return nmdm_schema_check(ctx, source->schema_mode);
}

/* Of DBDParams of MySQL, as its driver reads them: "group = NAME". */
static int names_options(const char *params)
{
    const char *at = params;

    while (at && (at = ap_strcasestr(at, "group")) != NULL) {
        at += strlen("group");
        if (at[strspn(at, " \t\r\n")] == '=') {
            return 1;
        }
    }
    return 0;
}

nmdm_db_source_t *nanomdm_dbd_create(apr_pool_t *pchild, server_rec *s,
                                     nanomdm_dbd_cache_t *cache)
{
    const nanomdm_conf_t *conf = nanomdm_server_defaults(s);
    source_t *source = apr_pcalloc(pchild, sizeof(*source));

    if (apr_thread_mutex_create(&source->lock, APR_THREAD_MUTEX_DEFAULT,
                                pchild) != APR_SUCCESS) {
        return NULL;
    }
    source->server = s;
    source->cache = cache;
    source->schema_mode = (nmdm_schema_mode_e)conf->schema_mode;
    source->db_source.acquire = borrow;
    source->db_source.release = give_back;
    source->db_source.check_schema = check_schema;
    source->db_source.baton = source;
    source->db_source.prefix = conf->table_prefix ? conf->table_prefix : "";
    source->db_source.waits_on_galera = conf->waits_on_galera;
    source->db_source.names_options = names_options(nanomdm_server(s)->params);
    source->db_source.schema = &source->schema;
    return &source->db_source;
}
