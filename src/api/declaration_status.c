/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_status.c -- what devices reported, for operators. */

#include "api/declarations.h"
#include "api/answer.h"
#include "base/time.h"
#include "db/db.h"
#include "storage/declarations.h"
#include "storage/declarations_given.h"
#include "storage/declarations_status.h"

#include <apr_hash.h>

#include <stdlib.h>
#include <string.h>

#define LONGEST_VALUE 4096
#define USUAL_ERRORS 10
#define MOST_ERRORS 1000
/* Of a report: so many are never kept. */
#define NO_INDEX "999999999"

static const char *time_text(apr_pool_t *p, apr_int64_t seconds)
{
    return nmdm_time_rfc3339(p, apr_time_from_sec(seconds));
}

/* ---- For each of the ids in the path ---- */

typedef struct ids_t ids_t;
typedef nmdm_err_t *(*describe_fn)(nmdm_ctx_t *ctx, ids_t *ids,
                                   const char *id);

struct ids_t {
    nmdm_api_declarations_call_t *call;
    nmdm_json_text_t *text;     /* of all ids */
    nmdm_json_text_t *of_id;    /* of the one being described */
    const char *id;
    describe_fn describe;
    int offset, limit;
};

static nmdm_err_t *do_describe(nmdm_ctx_t *ctx, void *baton)
{
    ids_t *ids = baton;

    ids->of_id = nmdm_json_text_create(ctx->pool);
    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return ids->describe(ctx, ids, ids->id);
}

static void begin(ids_t *ids)
{
    nmdm_json_text_comma(ids->of_id);
    nmdm_json_text_raw(ids->of_id, "{");
}

/* An object keyed by id, without those that have nothing. */
static nmdm_err_t *describe_all(ids_t *ids, describe_fn describe)
{
    nmdm_api_declarations_call_t *call = ids->call;
    apr_array_header_t *all = nmdm_api_answer_distinct(
        call->ctx->pool, nmdm_api_answer_split_ids(call->ctx->pool,
                                                   call->rest));
    int i;

    ids->describe = describe;
    ids->text = nmdm_json_text_create(call->ctx->pool);
    nmdm_json_text_raw(ids->text, "{");
    for (i = 0; i < all->nelts; i++) {
        ids->id = APR_ARRAY_IDX(all, i, const char *);
        NMDM_TRY(nmdm_api_declarations_check_name(
            call->ctx, ids->id, "an enrollment id in the path"));
        NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_describe, ids));
        if (ids->of_id->len) {
            nmdm_json_text_key(ids->text, ids->id);
            nmdm_json_text_raw(ids->text, "[");
            nmdm_json_text_raw(ids->text, ids->of_id->data);
            nmdm_json_text_raw(ids->text, "]");
        }
    }
    if (!all->nelts) {
        return nmdm_api_declarations_check_name(
            call->ctx, "", "an enrollment id in the path");
    }
    nmdm_json_text_raw(ids->text, "}\n");
    nmdm_api_declarations_json(call, ids->text);
    return NULL;
}

/* ---- Declarations ---- */

static void add_state(ids_t *ids, const nmdm_declarations_state_t *state,
                      int is_current)
{
    apr_pool_t *p = ids->of_id->pool;
    nmdm_json_text_t *text = ids->of_id;

    begin(ids);
    nmdm_json_text_pair(text, "identifier", state->identifier);
    nmdm_json_text_pair_raw(text, "active",
                            state->is_active ? "true" : "false");
    nmdm_json_text_pair(text, "valid", state->valid);
    nmdm_json_text_pair(text, "server-token", state->token);
    nmdm_json_text_pair_raw(text, "current", is_current ? "true" : "false");
    nmdm_json_text_pair(text, "status_received",
                        time_text(p, state->reported_at));
    nmdm_json_text_pair(text, "status_id", state->status_id);
    if (state->reasons) {
        nmdm_json_text_pair_raw(text, "reasons", state->reasons);
    }
    nmdm_json_text_pair(text, "ManifestType", state->manifest);
    nmdm_json_text_raw(text, "}");
}

/* What is assigned and was never reported. */
static void add_unreported(ids_t *ids, const apr_array_header_t *items,
                           apr_hash_t *reported)
{
    int i;

    for (i = 0; i < items->nelts; i++) {
        const nmdm_declaration_t *item = &APR_ARRAY_IDX(items, i,
                                                        nmdm_declaration_t);

        if (apr_hash_get(reported, item->identifier, APR_HASH_KEY_STRING)) {
            continue;
        }
        begin(ids);
        nmdm_json_text_pair(ids->of_id, "identifier", item->identifier);
        nmdm_json_text_pair_raw(ids->of_id, "reported", "false");
        nmdm_json_text_pair(ids->of_id, "server-token", item->token);
        nmdm_json_text_pair(ids->of_id, "ManifestType", item->manifest);
        nmdm_json_text_raw(ids->of_id, "}");
    }
}

static nmdm_err_t *describe_states(nmdm_ctx_t *ctx, ids_t *ids,
                                   const char *id)
{
    apr_hash_t *assigned = apr_hash_make(ctx->pool);
    apr_hash_t *reported = apr_hash_make(ctx->pool);
    apr_array_header_t *states, *items;
    const char *token;
    int i;

    NMDM_TRY(nmdm_declarations_given_items(ctx, &items, &token, id));
    for (i = 0; i < items->nelts; i++) {
        const nmdm_declaration_t *item = &APR_ARRAY_IDX(items, i,
                                                        nmdm_declaration_t);

        apr_hash_set(assigned, item->identifier, APR_HASH_KEY_STRING,
                     item->token);
    }
    NMDM_TRY(nmdm_declarations_status_states(ctx, &states, id));
    for (i = 0; i < states->nelts; i++) {
        const nmdm_declarations_state_t *state = &APR_ARRAY_IDX(
            states, i, nmdm_declarations_state_t);
        const char *now = apr_hash_get(assigned, state->identifier,
                                       APR_HASH_KEY_STRING);

        apr_hash_set(reported, state->identifier, APR_HASH_KEY_STRING,
                     state);
        add_state(ids, state, now && !strcmp(now, state->token));
    }
    if (nmdm_api_declarations_is_on(ids->call, "all")) {
        add_unreported(ids, items, reported);
    }
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_status_states(
    nmdm_api_declarations_call_t *call)
{
    ids_t ids = { .call = call };

    return describe_all(&ids, describe_states);
}

/* ---- Values ---- */

/* SQL's LIKE: _ is one character, % any number of them. */
static int is_like(const char *text, const char *pattern)
{
    const char *retry_text = NULL, *retry_pattern = NULL;

    while (*text) {
        if (*pattern == '%') {
            retry_pattern = ++pattern;
            retry_text = text;
        }
        else if (*pattern == '_' || *pattern == *text) {
            int is_any = *pattern++ == '_';

            text++;
            while (is_any && (*text & 0xC0) == 0x80) {
                text++;         /* the rest of one character */
            }
        }
        else if (retry_pattern) {
            pattern = retry_pattern;
            text = ++retry_text;
        }
        else {
            return 0;
        }
    }
    while (*pattern == '%') {
        pattern++;
    }
    return !*pattern;
}

static int compare_values(const void *a, const void *b)
{
    const nmdm_declarations_value_t *one = a, *other = b;
    int order = strcmp(one->path, other->path);

    order = order ? order : strcmp(one->object, other->object);
    return order ? order : strcmp(one->row_key, other->row_key);
}

static nmdm_err_t *describe_values(nmdm_ctx_t *ctx, ids_t *ids,
                                   const char *id)
{
    const char *prefix = nmdm_api_declarations_param(ids->call, "prefix");
    nmdm_json_text_t *text = ids->of_id;
    apr_array_header_t *values;
    int i;

    NMDM_TRY(nmdm_declarations_status_values(ctx, &values, id));
    qsort(values->elts, (size_t)values->nelts,
          sizeof(nmdm_declarations_value_t), compare_values);
    for (i = 0; i < values->nelts; i++) {
        const nmdm_declarations_value_t *value = &APR_ARRAY_IDX(
            values, i, nmdm_declarations_value_t);

        if (prefix && *prefix && !is_like(value->path, prefix)) {
            continue;
        }
        begin(ids);
        nmdm_json_text_pair(text, "path", value->path);
        nmdm_json_text_pair(text, "value", nmdm_utf8_shortened(
            ctx->pool, value->value, LONGEST_VALUE));
        if (nmdm_utf8_length(value->value) > LONGEST_VALUE) {
            nmdm_json_text_pair_raw(text, "truncated", "true");
        }
        nmdm_json_text_pair(text, "timestamp",
                            time_text(ctx->pool, value->reported_at));
        nmdm_json_text_pair(text, "status_id", value->status_id);
        nmdm_json_text_raw(text, "}");
    }
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_status_values(
    nmdm_api_declarations_call_t *call)
{
    ids_t ids = { .call = call };

    return describe_all(&ids, describe_values);
}

/* ---- Errors ---- */

/* The newest, oldest of them first. */
static nmdm_err_t *describe_errors(nmdm_ctx_t *ctx, ids_t *ids,
                                   const char *id)
{
    nmdm_json_text_t *text = ids->of_id;
    apr_array_header_t *errors;
    int i;

    NMDM_TRY(nmdm_declarations_status_errors(ctx, &errors, id));
    i = ids->offset + ids->limit;
    for (i = i < errors->nelts ? i : errors->nelts; i > ids->offset; i--) {
        const nmdm_declarations_error_t *error = &APR_ARRAY_IDX(
            errors, i - 1, nmdm_declarations_error_t);

        begin(ids);
        nmdm_json_text_pair(text, "path", error->path);
        nmdm_json_text_pair_raw(text, "error", error->error);
        nmdm_json_text_pair(text, "timestamp",
                            time_text(ctx->pool, error->created_at));
        nmdm_json_text_pair(text, "status_id", error->status_id);
        nmdm_json_text_raw(text, "}");
    }
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_status_errors(
    nmdm_api_declarations_call_t *call)
{
    ids_t ids = { .call = call };

    NMDM_TRY(nmdm_api_declarations_number(call, &ids.offset, "offset", 0, 0,
                                          APR_INT32_MAX / 2));
    NMDM_TRY(nmdm_api_declarations_number(call, &ids.limit, "limit",
                                          USUAL_ERRORS, 1, MOST_ERRORS));
    return describe_all(&ids, describe_errors);
}

/* ---- A report itself ---- */

typedef struct {
    const char *id, *index, *status_id;
    int found;
    nmdm_declarations_report_t report;
} report_t;

static nmdm_err_t *do_report(nmdm_ctx_t *ctx, void *baton)
{
    report_t *report = baton;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    return nmdm_declarations_status_report(ctx, &report->found,
                                           &report->report, report->id,
                                           report->index, report->status_id);
}

/* As the database and the answer have it, NULL if it is no number. Where it is
 * longer than theirs, it is beyond all that is kept. */
static const char *index_of(const char *text)
{
    if (!*text || text[strspn(text, "0123456789")]) {
        return NULL;
    }
    text += strspn(text, "0");
    return !*text ? "0" : strlen(text) < strlen(NO_INDEX) ? text : NO_INDEX;
}

nmdm_err_t *nmdm_api_declaration_status_report(
    nmdm_api_declarations_call_t *call)
{
    apr_pool_t *p = call->ctx->pool;
    const char *index = nmdm_api_declarations_param(call, "index");
    report_t report = { call->rest, index ? index_of(index) : NULL,
                        nmdm_api_declarations_param(call, "status_id"), 0,
                        { NULL, NULL, NULL, 0, NULL } };
    apr_table_t *headers = apr_table_make(p, 3);
    char date[APR_RFC822_DATE_LEN];

    NMDM_TRY(nmdm_api_declarations_check_name(
        call->ctx, call->rest, "the enrollment id in the path"));
    if (index ? !report.index : !(report.status_id && *report.status_id)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(2570)
                        "write index=N, of which 0 is the newest, or"
                        " status_id=ID");
    }
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_report, &report));
    if (!report.found) {
        return nmdm_err(p, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(2571)
                        "%.255s: no such status report is kept", call->rest);
    }
    apr_rfc822_date(date, apr_time_from_sec(report.report.created_at));
    apr_table_set(headers, "Last-Modified", date);
    apr_table_setn(headers, "X-Status-Report-ID", report.report.status_id);
    apr_table_setn(headers, "X-Status-Report-Index", report.report.index);
    call->reply->headers = headers;
    call->reply->content_type = NMDM_TYPE_JSON;
    call->reply->body = (nmdm_bytes_t){ report.report.raw,
                                        strlen(report.report.raw) };
    return NULL;
}
