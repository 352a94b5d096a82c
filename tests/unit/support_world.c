/* SPDX-License-Identifier: Apache-2.0 */
/* support_world.c -- a site without httpd: a database, requests, devices. */

#include "support.h"

#include "api/answer.h"
#include "api/enqueue.h"
#include "crypto/digest.h"
#include "mdm/message.h"
#include "db/schema.h"
#include "db/sqlite_wal.h"
#include "service/service.h"

#include <apr_dbd.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* ---- A small world ---- */

#define MEMORY ":memory:"

static nmdm_err_t *lend(nmdm_ctx_t *ctx, nmdm_db_t **db)
{
    world_t *w = ctx->services->db_source->baton;

    w->borrows++;
    if (w->fail_next > 0 || w->fail_for_ever) {
        nmdm_err_t *err = nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_EGENERAL,
                                   "the lender has no connection");

        w->fail_next--;
        err->retry = NMDM_RETRY_WAIT;
        return err;
    }
    HOLDS(!w->is_lent, "a second borrow");
    w->is_lent = 1;
    *db = &w->db;
    return NULL;
}

static void take_back(nmdm_ctx_t *ctx, nmdm_db_t *db)
{
    world_t *w = ctx->services->db_source->baton;

    assert_ptr_equal(db, &w->db);
    w->is_lent = 0;
}

static nmdm_err_t *make_tables(nmdm_ctx_t *ctx)
{
    return nmdm_schema_check(ctx, NMDM_SCHEMA_AUTO);
}

static nmdm_err_t *check_tables(nmdm_ctx_t *ctx)
{
    return nmdm_schema_check(ctx, NMDM_SCHEMA_CHECK);
}

static void write_down(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line)
{
    world_t *w = ctx->log_baton;

    (void)level;
    APR_ARRAY_PUSH(w->log, const char *) = apr_pstrdup(w->pool, line);
}

static world_t *open_world(apr_pool_t *p, const char *prefix,
                           const char *path)
{
    world_t *w = apr_pcalloc(p, sizeof(*w));
    const char *error = NULL;

    w->pool = p;
    w->now = NOW;
    w->log = apr_array_make(p, 64, sizeof(const char *));
    w->db_source.acquire = lend;
    w->db_source.release = take_back;
    w->db_source.baton = w;
    w->db_source.prefix = prefix;
    w->db_source.schema = &w->schema;
    /* The kind that hangs when one thread takes it twice. */
    apr_thread_mutex_create(&w->db_source.writer, APR_THREAD_MUTEX_UNNESTED, p);

    assert_int_equal(apr_dbd_init(p), APR_SUCCESS);
    assert_int_equal(apr_dbd_get_driver(p, "sqlite3", &w->db.driver),
                     APR_SUCCESS);
    HOLDS(apr_dbd_open_ex(w->db.driver, p, path, &w->db.handle, &error)
          == APR_SUCCESS, "sqlite3: %s", error ? error : "-");
    w->db.pool = p;
    w->db.notes = apr_hash_make(p);
    return w;
}

world_t *world_make_empty(apr_pool_t *p)
{
    world_t *w = open_world(p, "", MEMORY);

    w->db_source.check_schema = check_tables;
    return w;
}

static nmdm_err_t *do_nothing(nmdm_ctx_t *ctx, void *baton)
{
    (void)ctx;
    (void)baton;
    return NULL;
}

static world_t *with_tables(world_t *w)
{
    nmdm_ctx_t *ctx = request(w, NULL);

    w->db_source.check_schema = make_tables;
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_nothing, NULL));
    nmdm_db_release(ctx);
    forget(w);
    w->borrows = 0;
    return w;
}

world_t *world_make(apr_pool_t *p, const char *prefix)
{
    return with_tables(open_world(p, prefix, MEMORY));
}

world_t *world_make_on_disk(apr_pool_t *p, const char *path)
{
    world_t *w = open_world(p, "", path);

    OK(nmdm_sqlite_wal_create(&w->db_source.wal, p));
    return with_tables(w);
}

void world_end(world_t *w)
{
    apr_dbd_close(w->db.driver, w->db.handle);
}

int support_world(void **state)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    *state = world_make(p, "");
    return 0;
}

int support_world_done(void **state)
{
    world_t *w = *state;

    world_end(w);
    apr_pool_destroy(w->pool);
    return 0;
}

nmdm_ctx_t *request(world_t *w, const nmdm_cert_t *cert)
{
    nmdm_ctx_t *ctx = apr_pcalloc(w->pool, sizeof(*ctx));

    /* The request before this one is over. */
    w->is_lent = 0;
    ctx->pool = w->pool;
    ctx->policy = &w->policy;
    ctx->services = &w->services;
    ctx->services->db_source = &w->db_source;
    ctx->services->seen = w->seen;
    ctx->services->relay = w->relay;
    ctx->cert = cert;
    ctx->is_migration = w->is_migration;
    ctx->cert_expired = w->cert_expired;
    ctx->trace_id = "0123456789abcdef";
    ctx->now = w->now;
    ctx->access_log = (nmdm_access_log_t){ "", "", "", "", "", "" };
    ctx->log = write_down;
    ctx->log_baton = w;
    ctx->wants_debug = 1;
    return ctx;
}

const nmdm_cert_t *some_cert(world_t *w, const char *name)
{
    nmdm_cert_t *cert = apr_pcalloc(w->pool, sizeof(*cert));

    cert->der = bytes_of(name);
    cert->sha256 = nmdm_digest_sha256(w->pool, cert->der);
    return cert;
}

const char *ask(world_t *w, const char *sql, ...)
{
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    const char *value = "(none)", *text;
    va_list args;
    int rv;

    va_start(args, sql);
    text = apr_pvsprintf(w->pool, sql, args);
    va_end(args);
    rv = apr_dbd_select(w->db.driver, w->pool, w->db.handle, &results, text,
                        1);
    HOLDS(!rv, "%s: %s", text,
          apr_dbd_error(w->db.driver, w->db.handle, rv));
    if (!apr_dbd_get_row(w->db.driver, w->pool, results, &row, 1)) {
        value = apr_dbd_get_entry(w->db.driver, row, 0);
    }
    return value ? value : "";
}

void tell(world_t *w, const char *sql, ...)
{
    const char *text;
    va_list args;
    int rows, rv;

    va_start(args, sql);
    text = apr_pvsprintf(w->pool, sql, args);
    va_end(args);
    rv = apr_dbd_query(w->db.driver, w->db.handle, &rows, text);
    HOLDS(!rv, "%s: %s", text,
          apr_dbd_error(w->db.driver, w->db.handle, rv));
}

int logged(const world_t *w, const char *part)
{
    int i, n = 0;

    for (i = 0; i < w->log->nelts; i++) {
        n += strstr(APR_ARRAY_IDX(w->log, i, const char *), part) != NULL;
    }
    return n;
}

void forget(world_t *w)
{
    apr_array_clear(w->log);
}

/* ---- Devices ---- */

device_t device(world_t *w, const char *udid)
{
    device_t made = { some_cert(w, udid), udid, NULL };

    return made;
}

device_t user_of(device_t from, const char *user)
{
    from.user = user;
    return from;
}

static const char *string_key(apr_pool_t *p, const char *key,
                              const char *value)
{
    return value ? apr_pstrcat(p, "<key>", key, "</key><string>", value,
                               "</string>", NULL) : "";
}

/* The first keys name the sender, more of them come from content. */
static nmdm_bytes_t message_from(world_t *w, device_t from,
                                 const char *content)
{
    return text_of(w->pool, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<plist version=\"1.0\"><dict>%s%s%s</dict></plist>\n",
                   string_key(w->pool, "UDID", from.udid),
                   string_key(w->pool, "UserID", from.user), content);
}

nmdm_err_t *checkin(world_t *w, nmdm_reply_t *reply, device_t from,
                    const char *type, ...)
{
    const char *content = string_key(w->pool, "MessageType", type);
    const char *key, *value;
    nmdm_reply_t unread;
    nmdm_ctx_t *ctx = request(w, from.cert);
    nmdm_err_t *err;
    va_list args;

    va_start(args, type);
    while ((key = va_arg(args, const char *))) {
        value = va_arg(args, const char *);
        content = apr_pstrcat(w->pool, content, *value == '<'
            ? apr_pstrcat(w->pool, "<key>", key, "</key>", value, NULL)
            : string_key(w->pool, key, value), NULL);
    }
    va_end(args);
    reply = reply ? reply : &unread;
    memset(reply, 0, sizeof(*reply));
    err = nmdm_service_checkin(ctx, reply, message_from(w, from, content));
    nmdm_db_release(ctx);
    return err;
}

void authenticate(world_t *w, device_t from)
{
    OK(checkin(w, NULL, from, "Authenticate", "Topic", "com.apple.mgmt.x",
               NULL));
}

void token_update(world_t *w, device_t from)
{
    OK(checkin(w, NULL, from, "TokenUpdate", "Topic", "com.apple.mgmt.x",
               "PushMagic", "magic", "Token", "<data>q83v</data>", NULL));
}

void enroll(world_t *w, device_t from)
{
    authenticate(w, from);
    token_update(w, from);
}

nmdm_err_t *report(world_t *w, nmdm_reply_t *reply, device_t from,
                   const char *status, const char *uuid)
{
    nmdm_ctx_t *ctx = request(w, from.cert);
    nmdm_err_t *err;

    memset(reply, 0, sizeof(*reply));
    err = nmdm_service_report(ctx, reply, message_from(w, from, apr_pstrcat(
        w->pool, string_key(w->pool, "Status", status),
        string_key(w->pool, "CommandUUID", uuid), NULL)));
    nmdm_db_release(ctx);
    return err;
}

const char *next(world_t *w, device_t from, const char *status,
                 const char *uuid)
{
    nmdm_command_t found;
    nmdm_reply_t reply;

    OK(report(w, &reply, from, status, uuid));
    if (!reply.content_type) {
        assert_int_equal(reply.body.len, 0);
        return "";
    }
    assert_string_equal(reply.content_type, NMDM_TYPE_PLIST);
    OK(nmdm_message_command(&found, w->pool, reply.body));
    return found.uuid;
}

nmdm_bytes_t command(world_t *w, const char *uuid)
{
    return plist(w->pool, "CommandUUID", uuid, "Command",
                 "<dict><key>RequestType</key><string>Test</string></dict>",
                 NULL);
}

void enqueue(world_t *w, const char *ids, const char *uuid)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply;
    int status;

    OK(nmdm_api_enqueue(ctx, &reply, &status,
                        nmdm_api_answer_split_ids(ctx->pool, ids),
                        command(w, uuid), 0));
    nmdm_db_release(ctx);
    assert_int_equal(status, 200);
}
