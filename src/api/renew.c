/* SPDX-License-Identifier: Apache-2.0 */
/* renew.c -- identities that an operator wants renewed at once. */

#include "api/renew.h"
#include "api/answer.h"
#include "base/text.h"
#include "codec/json.h"
#include "db/db.h"
#include "push/apns_message.h"
#include "push/push.h"
#include "storage/enrollment_queries.h"
#include "storage/renewal_command.h"

#include <apr_strings.h>

#include <string.h>

/* More are renewed by their issuer, which a rate bounds. */
#define MOST_IDS 1000

typedef struct {
    const char *id;
    int is_enrolled;
    nmdm_cert_renewal_t row;
    nmdm_renewal_outcome_t outcome;
} order_t;

typedef struct {
    nmdm_ctx_t *ctx;
    nmdm_json_t *per_id;
    apr_array_header_t *queued; /* ids to push to */
    int failures;
} call_t;

/* ---- Some ---- */

static nmdm_err_t *do_order(nmdm_ctx_t *ctx, void *baton)
{
    order_t *order = baton;

    NMDM_TRY(nmdm_scep_tables_check(ctx));
    NMDM_TRY(nmdm_enrollment_queries_is_enrolled(ctx, &order->is_enrolled,
                                                 order->id));
    NMDM_TRY(nmdm_cert_renewals_get(ctx, &order->row, order->id));
    return order->is_enrolled && order->row.found
        ? nmdm_renewal_command_queue(ctx, &order->outcome, &order->row,
                                     ctx->policy->push->repeats) : NULL;
}

static const char *flaw_of(const order_t *order)
{
    if (!order->is_enrolled) {
        return "not enrolled";
    }
    if (!order->row.found) {
        return "it uses no certificate that was issued here";
    }
    return order->outcome.what == NMDM_RENEWAL_UNFIT ? order->outcome.why
        : order->outcome.what == NMDM_RENEWAL_LEFT
        ? "the enrollment is disabled"
        : order->outcome.what == NMDM_RENEWAL_TAKEN
        ? "another server asks the device at this moment" : NULL;
}

static nmdm_err_t *order_one(call_t *call, const char *id)
{
    nmdm_json_t *entry = nmdm_json_child(call->per_id, id);
    order_t order = { .id = id };
    const char *flaw;

    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_TRANSACTION, do_order,
                          &order));
    flaw = flaw_of(&order);
    if (flaw) {
        nmdm_json_add_string(entry, "error", flaw);
        call->failures++;
        return NULL;
    }
    nmdm_json_add_string(entry, "command_uuid", order.outcome.uuid);
    if (order.outcome.what == NMDM_RENEWAL_WAITS) {
        nmdm_json_add_bool(entry, "waits", 1);
    }
    APR_ARRAY_PUSH(call->queued, const char *) = id;
    return NULL;
}

static void note_push(void *baton, const nmdm_push_result_t *result)
{
    call_t *call = baton;
    nmdm_json_t *entry;

    if (!result->id) {
        return;
    }
    entry = nmdm_json_child(call->per_id, result->id);
    if (result->error) {
        nmdm_json_add_string(entry, "push_error", result->error);
    }
    if (result->apns_id) {
        nmdm_json_add_string(entry, "push_result", result->apns_id);
    }
}

static nmdm_err_t *order_all(nmdm_ctx_t *ctx, call_t *call,
                             const apr_array_header_t *ids)
{
    int i;

    NMDM_TRY(nmdm_api_answer_check_ids(ctx->pool, ids));
    if (ids->nelts > MOST_IDS) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1848)
                        "more than %d ids; for all of an issuer write"
                        " renew?issuer=SHA256", MOST_IDS);
    }
    for (i = 0; i < ids->nelts; i++) {
        NMDM_TRY(order_one(call, APR_ARRAY_IDX(ids, i, const char *)));
    }
    nmdm_db_release(ctx);
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1844)
             "%s: an operator has the identities of %d of %d %s renewed"
             " [trace %s]", APR_ARRAY_IDX(ids, 0, const char *),
             call->queued->nelts, ids->nelts,
             nmdm_text_plural(ids->nelts, "device", "devices"),
             ctx->trace_id);
    return call->queued->nelts
        ? nmdm_push_send(ctx, call->queued, NMDM_PUSH_NOW, note_push, call)
        : NULL;
}

nmdm_err_t *nmdm_api_renew(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                           const apr_array_header_t *ids)
{
    call_t call = { .ctx = ctx, .per_id = nmdm_json_object(ctx->pool),
                    .queued = apr_array_make(ctx->pool, 8,
                                             sizeof(const char *)) };
    nmdm_json_t *json = nmdm_json_object(ctx->pool);
    nmdm_err_t *err;

    ids = nmdm_api_answer_distinct(ctx->pool, ids);
    err = order_all(ctx, &call, ids);
    nmdm_json_set_object(json, "status", nmdm_json_sorted(call.per_id));
    NMDM_TRY(nmdm_api_answer_send(ctx, reply, status, json, err));
    *status = !call.failures ? 200
        : call.failures < ids->nelts ? 207 : 404;
    return NULL;
}

/* ---- All of an issuer ---- */

typedef struct {
    const char *issuer, *from, *after;
    int ordered;
} page_t;

static nmdm_err_t *do_page(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;

    page->after = page->from;
    page->ordered = 0;
    NMDM_TRY(nmdm_scep_tables_check(ctx));
    return nmdm_cert_renewals_order_page(ctx, &page->ordered, &page->after,
                                         page->issuer);
}

static nmdm_err_t *order_pages(nmdm_ctx_t *ctx, int *all, const char *issuer)
{
    page_t page = { .issuer = issuer, .from = "" };

    if (!issuer || strlen(issuer) != 64
        || strspn(issuer, "0123456789abcdef") != 64) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1849)
                        "write renew/IDS, or renew?issuer=SHA256 with the"
                        " digest of the issuer's certificate, 64 digits in"
                        " lower case");
    }
    do {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_page, &page));
        nmdm_db_release(ctx);
        *all += page.ordered;
        page.from = page.after;
    } while (page.from);
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(1845)
             "-: an operator has %d %s of the issuer %.16s... renewed"
             " [trace %s]", *all,
             nmdm_text_plural(*all, "identity", "identities"), issuer,
             ctx->trace_id);
    return NULL;
}

nmdm_err_t *nmdm_api_renew_issuer(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *issuer)
{
    nmdm_json_t *json = nmdm_json_object(ctx->pool);
    int all = 0;
    nmdm_err_t *err = order_pages(ctx, &all, issuer);

    nmdm_json_add_integer(json, "ordered", all);
    return nmdm_api_answer_send(ctx, reply, status, json, err);
}
