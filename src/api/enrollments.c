/* SPDX-License-Identifier: Apache-2.0 */
/* enrollments.c -- who is enrolled, as operators ask for it.
 *
 * Keys are read a hundred at a time from the narrowest index that the filter
 * offers, and what is left of the filter is applied here. So every page costs
 * the same, on a small fleet or a large one; a page that found too little
 * after MOST_EXAMINED keys ends early, with a cursor to go on.
 *
 * Devices between Authenticate and TokenUpdate have no enrollment yet: they
 * are listed last, as pending.
 *
 * A client that pages by offset takes a short page for the last one: for it
 * all keys are looked at until the page is full. */

#include "api/enrollments.h"
#include "api/answer.h"
#include "api/enrollment_filter.h"
#include "api/identity.h"
#include "base/time.h"
#include "codec/json.h"
#include "crypto/x509.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/cert_renewals.h"
#include "storage/enrollment_queries.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <stdlib.h>

/* How many keys are looked at for a page, and how many batches of a thousand
 * an offset may take at once. */
#define MOST_EXAMINED 2000
#define MOST_SKIPS 1000

/* Longer unlock tokens, which no device of Apple's has, are shown one at a
 * time. */
#define UNLOCK_TOKEN_OF_MANY 65536
#define UNLOCK_TOKEN_OF_ONE 0x40000000

/* ---- One enrollment as JSON ---- */

static void set_number(nmdm_json_t *object, const char *key,
                       const char *digits)
{
    nmdm_json_add_integer(object, key, digits ? apr_atoi64(digits) : 0);
}

/* A user channel has no device of its own: a client that reads a serial number
 * there might take it for one. */
static void describe(nmdm_json_t *out, apr_pool_t *p,
                     const nmdm_enrollment_t *e)
{
    nmdm_json_t *part;

    nmdm_json_add_string(out, "id", e->id);
    if (e->begun_at) {
        nmdm_json_add_bool(out, "pending", 1);
        nmdm_json_add_time(out, "authenticate_at", p, e->begun_at);
    }
    else {
        nmdm_json_add_string(out, "type", e->type);
    }
    if (!e->user_id) {
        part = nmdm_json_add_object(out, "device");
        nmdm_json_add_text(part, "serial_number", e->serial_number);
        nmdm_json_add_text(part, "device_cert", e->cert_pem);
        if (e->unlock_token.data) {
            nmdm_json_add_string(part, "unlock_token",
                                 nmdm_base64_encode(p, e->unlock_token));
        }
    }
    else {
        part = nmdm_json_add_object(out, "user");
        nmdm_json_add_text(part, "user_short_name", e->user_short_name);
        nmdm_json_add_text(part, "user_long_name", e->user_long_name);
    }
    nmdm_json_add_bool(out, "enabled", e->enabled);
    set_number(out, "token_update_tally", e->tally);
    if (e->last_seen) {
        nmdm_json_add_string(out, "last_seen",
                             nmdm_time_rfc3339_exact(p, e->last_seen));
    }
}

/* ---- A page ---- */

typedef struct {
    const nmdm_api_enrollment_filter_t *filter;
    nmdm_api_paging_t page;

    nmdm_keys_e from;
    const apr_array_header_t *list;     /* of the source, or NULL */
    int per_unit;               /* how many of the list are asked at once */

    int unit;                   /* which part of the list */
    apr_int64_t skip;           /* of those that pass */
    const char *after;          /* an id of this unit */
    apr_array_header_t *keys;   /* read, but not yet looked at from `next` on */
    int next;
    int unit_is_done;           /* no further keys in it */
    int examined, skips;
    nmdm_api_paging_batches_t batches;
    nmdm_ctx_t batch;           /* ctx with the pool of the newest */

    nmdm_json_t *reply;
    nmdm_json_t *entries;
    int count;
} query_t;

/* Few are disabled, and many are of a type. */
static void choose_source(query_t *q, int has_states)
{
    const nmdm_api_enrollment_filter_t *f = q->filter;
    int by_state = f->enabled == 0 && (has_states || !f->types.list);

    q->per_unit = NMDM_QUERIES_PAGE;
    q->from = f->ids.list ? NMDM_KEYS_OF_IDS
        : f->serials.list ? NMDM_KEYS_OF_SERIALS
        : f->names.list ? NMDM_KEYS_OF_NAME
        : by_state ? NMDM_KEYS_DISABLED
        : f->types.list ? NMDM_KEYS_OF_TYPE : NMDM_KEYS_ALL;
    q->list = f->ids.list ? f->ids.list
        : f->serials.list ? f->serials.list
        : f->names.list ? f->names.list
        : by_state ? NULL : f->types.list;
    if (q->from == NMDM_KEYS_OF_NAME || q->from == NMDM_KEYS_OF_TYPE) {
        q->per_unit = 1;        /* so that its index gives the order of ids */
    }
}

/* The parts of the list. */
static int parts(const query_t *q)
{
    return q->list ? (q->list->nelts + q->per_unit - 1) / q->per_unit : 1;
}

/* A second round is about what is pending, which has neither a type nor a user
 * and is not enabled. */
static int units(const query_t *q)
{
    const nmdm_api_enrollment_filter_t *f = q->filter;

    return f->types.list || f->names.list || f->enabled == 1
        ? parts(q) : 2 * parts(q);
}

static int is_of_pending(const query_t *q)
{
    return q->unit >= parts(q);
}

static nmdm_keys_e source_of(const query_t *q)
{
    return !is_of_pending(q) ? q->from
        : q->from == NMDM_KEYS_OF_IDS ? NMDM_KEYS_BEGUN_OF_IDS
        : q->from == NMDM_KEYS_OF_SERIALS ? NMDM_KEYS_BEGUN_OF_SERIALS
                                          : NMDM_KEYS_BEGUN;
}

static apr_array_header_t unit_of(const query_t *q)
{
    apr_array_header_t part = *q->list;
    int from = q->unit % parts(q) * q->per_unit;

    part.elts += (apr_size_t)from * (apr_size_t)part.elt_size;
    part.nelts = part.nelts - from < q->per_unit ? part.nelts - from
                                                 : q->per_unit;
    part.nalloc = part.nelts;
    return part;
}

/* Whether keys are at hand after this; they are read when there are none. */
static nmdm_err_t *have_keys(query_t *q, int *yes)
{
    while (q->next == q->keys->nelts && q->unit < units(q)
           && (q->page.has_offset || q->examined < MOST_EXAMINED)) {
        apr_array_header_t part;

        if (q->unit_is_done) {
            q->unit++;
            q->unit_is_done = 0;
            q->after = "";
            continue;
        }
        if (q->list) {
            part = unit_of(q);
        }
        apr_array_clear(q->keys);
        q->next = 0;
        q->batch.pool = nmdm_api_paging_turn(&q->batches);
        q->after = apr_pstrdup(q->batch.pool, q->after);
        NMDM_TRY(nmdm_enrollment_queries_keys(
            &q->batch, q->keys, source_of(q), q->list ? &part : NULL,
            q->after));
        q->unit_is_done = q->keys->nelts < NMDM_QUERIES_PAGE;
        q->examined += q->keys->nelts + 1;
    }
    *yes = q->next < q->keys->nelts;
    return NULL;
}

/* Skips enrollments before the offset, when all pass the filter. */
static nmdm_err_t *leap(nmdm_ctx_t *ctx, query_t *q)
{
    const nmdm_api_enrollment_filter_t *f = q->filter;
    const char *id;

    if (q->from != NMDM_KEYS_ALL || f->enabled >= 0 || is_of_pending(q)) {
        return NULL;
    }
    while (q->skip >= NMDM_QUERIES_BATCH && q->skips < MOST_SKIPS) {
        NMDM_TRY(nmdm_enrollment_queries_skip(ctx, &id, q->after));
        if (!id) {
            return NULL;
        }
        q->after = id;
        q->skip -= NMDM_QUERIES_BATCH;
        q->skips++;
    }
    return NULL;
}

/* The keys that pass, at most `most`; as far as keys decide, those to be
 * skipped are. */
static apr_array_header_t *take_keys(query_t *q, int most)
{
    apr_array_header_t *ids = apr_array_make(q->batch.pool, most + 1,
                                             sizeof(const char *));

    while (q->next < q->keys->nelts && ids->nelts < most) {
        const nmdm_key_t *key = &APR_ARRAY_IDX(q->keys, q->next++,
                                               nmdm_key_t);

        q->after = key->id;
        if (!nmdm_api_enrollment_filter_passes_key(q->filter, key)) {
            continue;
        }
        if (q->skip && nmdm_api_enrollment_filter_by_key(q->filter)) {
            q->skip--;
            continue;
        }
        APR_ARRAY_PUSH(ids, const char *) = key->id;
    }
    return ids;
}

static void add_entry(query_t *q, const nmdm_enrollment_t *e)
{
    if (!nmdm_api_enrollment_filter_passes(q->filter, e)) {
        return;
    }
    if (q->skip) {
        q->skip--;
        return;
    }
    describe(nmdm_json_add_object(q->entries, NULL), q->batch.pool, e);
    q->count++;
}

/* Rows have no order; keys had one. */
static nmdm_err_t *add_rows(query_t *q, const apr_array_header_t *ids)
{
    apr_pool_t *p = q->batch.pool;
    apr_array_header_t *rows = apr_array_make(p, ids->nelts,
                                              sizeof(nmdm_enrollment_t));
    apr_hash_t *by_id = apr_hash_make(p);
    int i;

    NMDM_TRY(is_of_pending(q)
             ? nmdm_enrollment_queries_begun(&q->batch, rows, ids)
             : nmdm_enrollment_queries_enrollments(
                   &q->batch, rows, ids, q->filter->with_cert,
                   q->filter->with_unlock_token ? UNLOCK_TOKEN_OF_MANY : 0));
    for (i = 0; i < rows->nelts; i++) {
        nmdm_enrollment_t *row = &APR_ARRAY_IDX(rows, i, nmdm_enrollment_t);

        apr_hash_set(by_id, row->id, APR_HASH_KEY_STRING, row);
    }
    for (i = 0; i < ids->nelts; i++) {
        nmdm_enrollment_t *row = apr_hash_get(
            by_id, APR_ARRAY_IDX(ids, i, const char *), APR_HASH_KEY_STRING);

        if (row) {              /* not deleted meanwhile */
            add_entry(q, row);
        }
    }
    return NULL;
}

static nmdm_err_t *fill_page(nmdm_ctx_t *ctx, query_t *q)
{
    int more;

    NMDM_TRY(leap(ctx, q));
    NMDM_TRY(have_keys(q, &more));
    while (more && q->count < q->page.limit) {
        apr_int64_t most = q->page.limit - q->count
            + (nmdm_api_enrollment_filter_by_key(q->filter) ? 0 : q->skip);
        apr_array_header_t *ids = take_keys(
            q, most < NMDM_QUERIES_PAGE ? (int)most : NMDM_QUERIES_PAGE);

        if (ids->nelts) {
            NMDM_TRY(add_rows(q, ids));
        }
        NMDM_TRY(have_keys(q, &more));
    }
    return NULL;
}

/* Where the next page goes on, unless all has been seen. */
static void set_next(nmdm_ctx_t *ctx, query_t *q)
{
    const char *parts[3];
    int is_last = q->unit >= units(q) - 1 && q->unit_is_done;

    if (q->next == q->keys->nelts && (is_last || q->unit >= units(q))) {
        return;
    }
    parts[0] = apr_itoa(ctx->pool, q->unit);
    parts[1] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, q->skip);
    parts[2] = q->after;
    nmdm_json_add_string(q->reply, "next_cursor",
                         nmdm_api_paging_cursor(ctx->pool, 'e', parts, 3));
}

/* From its start, since a unit may be done again. */
static nmdm_err_t *do_query(nmdm_ctx_t *ctx, void *baton)
{
    query_t *q = baton;

    choose_source(q, nmdm_schema_has_states(ctx));
    q->unit = atoi(q->page.parts[0]);
    q->skip = q->page.has_cursor ? apr_atoi64(q->page.parts[1])
                                 : q->page.offset;
    q->after = q->page.parts[2];
    q->keys = apr_array_make(ctx->pool, NMDM_QUERIES_PAGE, sizeof(nmdm_key_t));
    q->next = q->unit_is_done = q->examined = q->skips = q->count = 0;
    nmdm_api_paging_begin(&q->batches, ctx->pool);
    q->batch = *ctx;
    q->reply = nmdm_json_object(ctx->pool);
    q->entries = nmdm_json_add_array(q->reply, "enrollments");
    if (q->unit < 0 || q->skip < 0) {
        return nmdm_api_enrollment_filter_refuse(
            ctx, "cursor", "is not one that this call gave");
    }
    NMDM_TRY(fill_page(ctx, q));
    set_next(ctx, q);
    return NULL;
}

static nmdm_err_t *query(nmdm_ctx_t *ctx, query_t *q, nmdm_bytes_t json,
                         const nmdm_api_paging_query_t *page)
{
    nmdm_api_enrollment_filter_t *filter
        = apr_palloc(ctx->pool, sizeof(*filter));

    NMDM_TRY(nmdm_api_paging_read(&q->page, ctx->pool, page, 'e', 3));
    NMDM_TRY(nmdm_api_enrollment_filter_read(filter, ctx, json));
    q->filter = filter;
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_query, q);
}

nmdm_err_t *nmdm_api_enrollments_query(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                       int *status, nmdm_bytes_t json,
                                       const nmdm_api_paging_query_t *page)
{
    query_t q = { 0 };
    nmdm_err_t *err = query(ctx, &q, json, page);

    return nmdm_api_answer_send(ctx, reply, status, q.reply, err);
}

/* ---- All that is known of one ---- */

typedef struct {
    const char *id;
    apr_array_header_t *rows;   /* of nmdm_enrollment_t: one or none */
    nmdm_pending_t pending;
    nmdm_last_report_t report;
    nmdm_last_push_t push;
    apr_array_header_t *associations;
    nmdm_cert_renewal_t renewal;        /* of the certificate in use */
} details_t;

static nmdm_err_t *do_get(nmdm_ctx_t *ctx, void *baton)
{
    details_t *in = baton;
    apr_array_header_t *ids = apr_array_make(ctx->pool, 1,
                                             sizeof(const char *));

    APR_ARRAY_PUSH(ids, const char *) = in->id;
    in->rows = apr_array_make(ctx->pool, 1, sizeof(nmdm_enrollment_t));
    in->associations = apr_array_make(ctx->pool, 4,
                                      sizeof(nmdm_association_t));
    NMDM_TRY(nmdm_enrollment_queries_enrollments(ctx, in->rows, ids, 1,
                                                 UNLOCK_TOKEN_OF_ONE));
    if (!in->rows->nelts) {
        NMDM_TRY(nmdm_enrollment_queries_begun(ctx, in->rows, ids));
    }
    if (!in->rows->nelts) {
        return nmdm_api_answer_unknown_id(ctx, in->id);
    }
    NMDM_TRY(nmdm_enrollment_queries_pending(ctx, &in->pending, in->id));
    NMDM_TRY(nmdm_enrollment_queries_last_report(ctx, &in->report, in->id));
    NMDM_TRY(nmdm_enrollment_queries_last_push(ctx, &in->push, in->id));
    NMDM_TRY(nmdm_cert_renewals_get(
        ctx, &in->renewal,
        APR_ARRAY_IDX(in->rows, 0, nmdm_enrollment_t).device_id));
    return nmdm_enrollment_queries_associations(
        ctx, in->associations,
        APR_ARRAY_IDX(in->rows, 0, nmdm_enrollment_t).device_id);
}

static void describe_push(nmdm_json_t *out, apr_pool_t *p,
                          const nmdm_enrollment_t *e,
                          const nmdm_last_push_t *push)
{
    nmdm_json_t *part = nmdm_json_add_object(out, "push");

    nmdm_json_add_text(part, "topic", e->topic);
    nmdm_json_add_time(part, "token_update_at", p,
             e->user_id ? e->user_token_at : e->device_token_at);
    if (push->found) {
        set_number(part, "status", push->status);
        nmdm_json_add_text(part, "reason", push->reason);
        set_number(part, "tries", push->tries);
        nmdm_json_add_time(part, "next_at", p, push->next_at);
        nmdm_json_add_time(part, "pushed_at", p, push->pushed_at);
    }
}

static void describe_queue(nmdm_json_t *out, apr_pool_t *p,
                           const details_t *in)
{
    nmdm_json_t *part = nmdm_json_add_object(out, "queue");

    nmdm_json_add_integer(part, "pending", in->pending.pending);
    if (in->pending.pending >= NMDM_QUERIES_MOST) {
        nmdm_json_add_bool(part, "or_more", 1);
    }
    nmdm_json_add_integer(part, "not_now", in->pending.not_now);
    nmdm_json_add_time(part, "not_now_since", p, in->pending.not_now_since);
    if (in->report.uuid) {
        part = nmdm_json_add_object(out, "last_report");
        nmdm_json_add_string(part, "command_uuid", in->report.uuid);
        nmdm_json_add_string(part, "status", in->report.status);
        nmdm_json_add_time(part, "time", p, in->report.at);
    }
}

nmdm_err_t *nmdm_api_enrollments_get(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, const char *id)
{
    nmdm_json_t *out = nmdm_json_object(ctx->pool);
    details_t in = { .id = id };
    nmdm_err_t *err = nmdm_api_answer_check_id(ctx, id);

    if (!err) {
        err = nmdm_db_unit(ctx, NMDM_UNIT_READ, do_get, &in);
    }
    if (!err) {
        const nmdm_enrollment_t *e = &APR_ARRAY_IDX(in.rows, 0,
                                                    nmdm_enrollment_t);

        ctx->access_log.id = e->id;
        ctx->access_log.type = e->type;
        describe(out, ctx->pool, e);
        nmdm_json_add_string(out, "device_id", e->device_id);
        if (!e->begun_at) {
            describe_push(out, ctx->pool, e, &in.push);
            describe_queue(out, ctx->pool, &in);
        }
        nmdm_api_identity_describe(out, ctx, e, in.associations, &in.renewal);
    }
    return nmdm_api_answer_send(ctx, reply, status, out, err);
}
