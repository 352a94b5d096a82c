/* SPDX-License-Identifier: Apache-2.0 */
/* scep.c -- challenges and issued certificates, for operators. */

#include "api/scep.h"
#include "api/answer.h"
#include "base/time.h"
#include "codec/json.h"
#include "db/db.h"
#include "storage/enroll_tokens.h"
#include "webhook/scep_event.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define MAX_LIFE 31536000
#define LINK_LIFE apr_time_from_sec(86400)

/* ---- POST scep-challenge ---- */

typedef struct {
    nmdm_binding_t binding;
    apr_time_t expires;
    const char *challenge;
} request_t;

static nmdm_err_t *wrong(nmdm_ctx_t *ctx, const char *what)
{
    return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1840)
                    "%s", what);
}

/* A key that is not known may be a binding that is misspelt. */
static nmdm_err_t *read_key(nmdm_ctx_t *ctx, request_t *request,
                            const nmdm_json_t *json, const char *key)
{
    static const struct {
        const char *key;
        apr_size_t slot;
    } BINDINGS[] = {
        { "serial", APR_OFFSETOF(nmdm_binding_t, serial_number) },
        { "udid", APR_OFFSETOF(nmdm_binding_t, udid) },
        { "enrollment_id", APR_OFFSETOF(nmdm_binding_t, enrollment_id) },
        { "user", APR_OFFSETOF(nmdm_binding_t, user_name) },
    };
    nmdm_json_t *value;
    apr_size_t i;

    for (i = 0; i < sizeof(BINDINGS) / sizeof(*BINDINGS); i++) {
        if (!strcmp(key, BINDINGS[i].key)) {
            NMDM_TRY(nmdm_json_typed(&value, json, key, NMDM_JSON_STRING));
            *(const char **)((char *)&request->binding + BINDINGS[i].slot)
                = value ? nmdm_json_text(value) : NULL;
            return NULL;
        }
    }
    if (strcmp(key, "seconds")) {
        return wrong(ctx, apr_psprintf(ctx->pool, "\"%s\" is not known here;"
                                       " there are serial, udid,"
                                       " enrollment_id, user and seconds",
                                       key));
    }
    NMDM_TRY(nmdm_json_typed(&value, json, key, NMDM_JSON_INTEGER));
    if (value && (nmdm_json_number(value) < 1
                  || nmdm_json_number(value) > MAX_LIFE)) {
        return wrong(ctx, "\"seconds\" is a number from 1 to 31536000");
    }
    if (value) {
        request->expires = ctx->now
            + apr_time_from_sec(nmdm_json_number(value));
    }
    return NULL;
}

static int is_blank(nmdm_bytes_t body)
{
    return strspn(body.data, " \t\r\n") == body.len;
}

static nmdm_err_t *read_request(nmdm_ctx_t *ctx, request_t *request,
                                nmdm_bytes_t body)
{
    apr_array_header_t *keys;
    nmdm_json_t *json;
    const char *flaw;
    int i;

    if (is_blank(body)) {
        return NULL;
    }
    NMDM_TRY(nmdm_json_read(&json, ctx->pool, body));
    keys = nmdm_json_keys(json);
    for (i = 0; i < keys->nelts; i++) {
        NMDM_TRY(read_key(ctx, request, json, APR_ARRAY_IDX(keys, i,
                                                         const char *)));
    }
    flaw = nmdm_binding_flaw(&request->binding);
    return flaw ? wrong(ctx, flaw) : NULL;
}

static nmdm_err_t *do_make(nmdm_ctx_t *ctx, void *baton)
{
    request_t *request = baton;

    NMDM_TRY(nmdm_scep_tables_check(ctx));
    return nmdm_challenge_make(ctx, &request->challenge, NMDM_PURPOSE_API,
                               &request->binding, request->expires);
}

nmdm_err_t *nmdm_api_scep_challenge(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                    nmdm_bytes_t body,
                                    apr_interval_time_t life)
{
    request_t request = { NMDM_BINDING_NONE, ctx->now + life, NULL };
    nmdm_json_t *json;

    NMDM_TRY(read_request(ctx, &request, body));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_make, &request));
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1841)
             "-: SCEP challenge made for %s, good until %s [trace %s]",
             nmdm_binding_text(ctx->pool, &request.binding),
             nmdm_time_rfc3339(ctx->pool, request.expires), ctx->trace_id);
    json = nmdm_json_object(ctx->pool);
    nmdm_json_add_string(json, "challenge", request.challenge);
    nmdm_json_add_string(json, "expires",
                         nmdm_time_rfc3339(ctx->pool, request.expires));
    nmdm_api_answer_object(reply, ctx->pool, json);
    return NULL;
}

/* ---- POST enroll-links ---- */

static nmdm_err_t *do_make_link(nmdm_ctx_t *ctx, void *baton)
{
    request_t *request = baton;

    NMDM_TRY(nmdm_scep_tables_check(ctx));
    return nmdm_enroll_tokens_put_link(ctx, request->challenge,
                                       &request->binding, request->expires);
}

nmdm_err_t *nmdm_api_scep_link(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                               nmdm_bytes_t body, const char *location)
{
    request_t request = { NMDM_BINDING_NONE, ctx->now + LINK_LIFE, NULL };
    nmdm_json_t *json;

    if (!location) {
        return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1846)
                        "no Location of this server makes enrollment profiles"
                        " for links; write SetHandler nanomdm-enroll, and"
                        " NanoMDMEnrollRequire with link in it");
    }
    NMDM_TRY(read_request(ctx, &request, body));
    NMDM_TRY(nmdm_challenge_new(ctx, &request.challenge));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_make_link, &request));
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1847)
             "-: enrollment link made for %s, good until %s [trace %s]",
             nmdm_binding_text(ctx->pool, &request.binding),
             nmdm_time_rfc3339(ctx->pool, request.expires), ctx->trace_id);
    json = nmdm_json_object(ctx->pool);
    nmdm_json_add_string(json, "url", apr_pstrcat(ctx->pool, location, "/",
                                                  request.challenge, NULL));
    nmdm_json_add_string(json, "expires",
                         nmdm_time_rfc3339(ctx->pool, request.expires));
    nmdm_api_answer_object(reply, ctx->pool, json);
    return NULL;
}

/* ---- GET certs ---- */

static void describe(apr_pool_t *p, nmdm_json_t *object,
                     const nmdm_issued_row_t *row)
{
    nmdm_json_add_text(object, "sha256", row->sha256);
    nmdm_json_add_text(object, "serial", row->serial);
    nmdm_json_add_text(object, "issuer", row->issuer_sha256);
    nmdm_json_add_text(object, "subject", row->subject);
    nmdm_json_add_string(object, "not_after",
                         nmdm_time_rfc3339(p, row->not_after));
    nmdm_json_add_text(object, "purpose", row->purpose);
    nmdm_json_add_text(object, "udid", row->binding.udid);
    nmdm_json_add_text(object, "serial_number", row->binding.serial_number);
    nmdm_json_add_text(object, "enrollment_id", row->binding.enrollment_id);
    nmdm_json_add_text(object, "user", row->binding.user_name);
    nmdm_json_add_time(object, "revoked_at", p, row->revoked);
}

typedef struct {
    nmdm_issued_filter_t filter;
    apr_array_header_t *rows;
} list_t;

static nmdm_err_t *do_page(nmdm_ctx_t *ctx, void *baton)
{
    list_t *list = baton;

    NMDM_TRY(nmdm_scep_tables_check(ctx));
    return nmdm_issued_page(ctx, list->rows, &list->filter);
}

static void go_on_after(apr_pool_t *p, nmdm_issued_filter_t *filter,
                        const nmdm_issued_row_t *row)
{
    filter->after = row->not_after;
    filter->after_sha256 = apr_pstrdup(p, row->sha256);
}

/* Adds up to `limit` rows; *more is whether there may be others. */
static nmdm_err_t *list_rows(nmdm_ctx_t *ctx, nmdm_json_t *certs, list_t *list,
                             int limit, int *more)
{
    int left = limit, i;

    do {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_page, list));
        for (i = 0; i < list->rows->nelts && left; i++, left--) {
            const nmdm_issued_row_t *row = &APR_ARRAY_IDX(
                list->rows, i, nmdm_issued_row_t);

            describe(ctx->pool, nmdm_json_add_object(certs, NULL), row);
            go_on_after(ctx->pool, &list->filter, row);
        }
        *more = i < list->rows->nelts || list->rows->nelts == NMDM_SQL_IDS;
    } while (*more && left);
    return NULL;
}

nmdm_err_t *nmdm_api_scep_certs(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                const nmdm_api_certs_filter_t *filter,
                                const nmdm_api_paging_query_t *query)
{
    list_t list = { .filter = { .enrollment_id = filter->id,
                                .issuer_sha256 = filter->issuer } };
    nmdm_json_t *json = nmdm_json_object(ctx->pool), *certs;
    nmdm_api_paging_t page;
    int more;

    NMDM_TRY(nmdm_api_paging_read(&page, ctx->pool, query, 'c', 2));
    if (filter->expires_before && *filter->expires_before
        && !nmdm_time_read(&list.filter.expires_before,
                           filter->expires_before)) {
        return wrong(ctx, "\"expires_before\" is a time such as"
                          " 2027-01-31T00:00:00Z");
    }
    if (page.has_cursor) {
        list.filter.after = apr_time_from_msec(apr_atoi64(page.parts[0]));
        list.filter.after_sha256 = page.parts[1];
    }
    list.rows = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                               sizeof(nmdm_issued_row_t));
    certs = nmdm_json_add_array(json, "certs");
    NMDM_TRY(list_rows(ctx, certs, &list, page.limit, &more));
    if (more) {
        const char *parts[2] = {
            apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT,
                         apr_time_as_msec(list.filter.after)),
            list.filter.after_sha256 };

        nmdm_json_add_string(json, "next_cursor",
                             nmdm_api_paging_cursor(ctx->pool, 'c', parts, 2));
    }
    nmdm_api_answer_object(reply, ctx->pool, json);
    return NULL;
}

/* ---- DELETE certs/SHA256 ---- */

typedef struct {
    const char *sha256;
    nmdm_issued_row_t row;
    nmdm_scep_event_t event;
    int is_new;
} revocation_t;

static nmdm_err_t *do_revoke(nmdm_ctx_t *ctx, void *baton)
{
    revocation_t *in = baton;

    NMDM_TRY(nmdm_scep_tables_check(ctx));
    NMDM_TRY(nmdm_issued_revoke(ctx, &in->is_new, in->sha256));
    NMDM_TRY(nmdm_issued_get(ctx, &in->row, in->sha256));
    if (!in->is_new) {
        return NULL;
    }
    in->event = (nmdm_scep_event_t){
        .status = "revoked", .purpose = in->row.purpose,
        .binding = in->row.binding, .cert_sha256 = in->sha256,
        .subject = in->row.subject, .not_after = in->row.not_after };
    return nmdm_scep_event_write(ctx, &in->event);
}

nmdm_err_t *nmdm_api_scep_revoke(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 const char *sha256)
{
    revocation_t in = { .sha256 = sha256 };
    nmdm_json_t *json = nmdm_json_object(ctx->pool);

    if (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64) {
        return wrong(ctx, "a certificate is named by its SHA-256, 64 digits"
                          " in lower case");
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_revoke, &in));
    if (!in.row.found) {
        return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1842)
                        "no certificate %s was issued here", sha256);
    }
    if (in.is_new) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1843)
                 "-: certificate %s (%s) is revoked [trace %s]", sha256,
                 nmdm_binding_text(ctx->pool, &in.row.binding),
                 ctx->trace_id);
        nmdm_scep_event_written(ctx, &in.event);
    }
    describe(ctx->pool, json, &in.row);
    nmdm_api_answer_object(reply, ctx->pool, json);
    return NULL;
}
