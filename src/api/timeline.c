/* SPDX-License-Identifier: Apache-2.0 */
/* timeline.c -- one enrollment with what happened to it. */

#include "api/timeline.h"
#include "api/answer.h"
#include "crypto/x509.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/declarations.h"
#include "storage/declarations_given.h"
#include "storage/push_state.h"

#include <apr_strings.h>

#include <stdlib.h>

typedef struct {
    nmdm_timeline_t *out;
    const char *id;
} question_t;

static void add(nmdm_timeline_t *out, apr_time_t at, const char *what,
                const char *about)
{
    if (at) {
        APR_ARRAY_PUSH(out->entries, nmdm_timeline_entry_t)
            = (nmdm_timeline_entry_t){ at, what, about ? about : "", NULL };
    }
}

static nmdm_err_t *add_associations(nmdm_ctx_t *ctx, nmdm_timeline_t *out)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, 4,
                                              sizeof(nmdm_association_t));
    int i;

    NMDM_TRY(
        nmdm_enrollment_queries_associations(ctx, rows, out->who->device_id));
    for (i = 0; i < rows->nelts; i++) {
        const nmdm_association_t *a = &APR_ARRAY_IDX(rows, i,
                                                     nmdm_association_t);

        add(out, a->at, "identity certificate associated",
            apr_psprintf(ctx->pool, "%.16s...", a->sha256));
    }
    return NULL;
}

static nmdm_err_t *add_results(nmdm_ctx_t *ctx, nmdm_timeline_t *out)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, NMDM_QUERIES_PAGE,
                                              sizeof(nmdm_result_t));
    int i;

    NMDM_TRY(nmdm_queue_queries_results(ctx, rows, out->who->id,
                                        &NMDM_RESULT_START));
    for (i = 0; i < rows->nelts; i++) {
        const nmdm_result_t *r = &APR_ARRAY_IDX(rows, i, nmdm_result_t);

        add(out, r->updated, apr_pstrcat(ctx->pool, "answered ", r->status,
                                         NULL),
            apr_pstrcat(ctx->pool, r->request_type ? r->request_type : "",
                        " ", r->uuid, NULL));
        if (r->updated) {
            APR_ARRAY_IDX(out->entries, out->entries->nelts - 1,
                          nmdm_timeline_entry_t).answered = r->uuid;
        }
    }
    return NULL;
}

static nmdm_err_t *add_queue(nmdm_ctx_t *ctx, nmdm_timeline_t *out)
{
    int i;

    NMDM_TRY(nmdm_queue_queries_list(ctx, out->queue, out->who->id,
                                     &NMDM_QUEUE_START));
    for (i = 0; i < out->queue->nelts; i++) {
        const nmdm_queued_t *q = &APR_ARRAY_IDX(out->queue, i,
                                                nmdm_queued_t);

        add(out, q->created, "queued",
            apr_pstrcat(ctx->pool, q->request_type ? q->request_type : "",
                        " ", q->uuid, NULL));
    }
    return NULL;
}

static nmdm_err_t *add_cancelled(nmdm_ctx_t *ctx, nmdm_timeline_t *out)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, 4,
                                              sizeof(nmdm_cancelled_t));
    int i;

    NMDM_TRY(nmdm_queue_queries_cancelled(ctx, rows, out->who->id));
    for (i = 0; i < rows->nelts; i++) {
        const nmdm_cancelled_t *c = &APR_ARRAY_IDX(rows, i,
                                                   nmdm_cancelled_t);

        add(out, c->at, "cancelled",
            apr_pstrcat(ctx->pool, c->request_type ? c->request_type : "",
                        " ", c->uuid, NULL));
    }
    return NULL;
}

/* What disables an enrollment is CheckOut, at which it was last seen, or the
 * Authenticate of a device whose TokenUpdate has not come yet. */
static nmdm_err_t *add_check_ins(nmdm_ctx_t *ctx, nmdm_timeline_t *out)
{
    const nmdm_enrollment_t *who = out->who;
    apr_time_t authenticated, token;

    NMDM_TRY(nmdm_enrollment_queries_authenticated(ctx, &authenticated, &token,
                                                   who->device_id));
    add(out, authenticated, "Authenticate",
        who->user_id ? "of the device" : NULL);
    add(out, who->user_id ? who->user_token_at : who->device_token_at,
        "TokenUpdate", NULL);
    if (!who->enabled && !who->begun_at && authenticated <= token) {
        add(out, who->last_seen, "CheckOut", NULL);
        return NULL;
    }
    add(out, who->last_seen, "last seen", NULL);
    return NULL;
}

/* A push is noted when a command is queued; that APNs took it, afterwards. */
static int is_taken(const nmdm_last_push_t *push)
{
    return !push->has_taken || push->taken_at >= push->pushed_at;
}

static void add_push(nmdm_ctx_t *ctx, nmdm_timeline_t *out)
{
    const nmdm_last_push_t *push = &out->push;
    int is_refused = push->found && atoi(push->status) >= 400;
    const char *outcome = out->who->last_seen > push->pushed_at
        ? "taken by APNs" : "taken by APNs, not heard of since";

    if (push->taken_at && (is_refused || !push->found || !is_taken(push))) {
        add(out, push->taken_at, "pushed to", "taken by APNs");
    }
    if (is_refused) {
        add(out, push->pushed_at, "push refused",
            apr_pstrcat(ctx->pool, push->status, " ", push->reason, NULL));
    }
    else if (push->found && is_taken(push)) {
        add(out, push->pushed_at, "pushed to", outcome);
    }
    else if (push->found) {
        add(out, push->pushed_at, "push tried", "without an answer of APNs");
    }
}

/* Of the topic that the device enrolled with. */
static nmdm_err_t *find_push_cert(nmdm_ctx_t *ctx, nmdm_timeline_t *out)
{
    nmdm_stored_cert_t cert;

    out->has_push_cert = 0;
    if (!out->who->topic) {
        return NULL;
    }
    NMDM_TRY(nmdm_push_state_get_cert(ctx, &cert, out->who->topic));
    out->has_push_cert = cert.found;
    if (!cert.found
        || !nmdm_x509_not_after(&out->push_cert_not_after, cert.cert_pem)) {
        out->push_cert_not_after = 0;
    }
    return NULL;
}

static nmdm_err_t *find_declarations(nmdm_ctx_t *ctx, nmdm_timeline_t *out)
{
    nmdm_declarations_given_t given;

    if (!ctx->policy->declarations || !nmdm_schema_has_declarations(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_declarations_list_all(ctx, &out->sets,
                                        NMDM_LIST_ENROLLMENT_SETS,
                                        out->who->id));
    NMDM_TRY(nmdm_declarations_given_get(ctx, &given, out->who->id));
    out->declared_at = apr_time_from_sec(given.status_at);
    return nmdm_declarations_status_states(ctx, &out->declarations,
                                           out->who->id);
}

static int newest_first(const void *a, const void *b)
{
    apr_time_t x = ((const nmdm_timeline_entry_t *)a)->at;
    apr_time_t y = ((const nmdm_timeline_entry_t *)b)->at;

    return (x < y) - (x > y);
}

/* The row of an enrollment, or of a device that only began to enroll. */
static nmdm_err_t *find(nmdm_ctx_t *ctx, nmdm_timeline_t *out, const char *id)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, 1,
                                              sizeof(nmdm_enrollment_t));
    apr_array_header_t *ids = apr_array_make(ctx->pool, 1,
                                             sizeof(const char *));

    APR_ARRAY_PUSH(ids, const char *) = id;
    NMDM_TRY(nmdm_enrollment_queries_enrollments(ctx, rows, ids, 1, 0));
    if (!rows->nelts) {
        NMDM_TRY(nmdm_enrollment_queries_begun(ctx, rows, ids));
    }
    if (!rows->nelts) {
        return nmdm_api_answer_unknown_id(ctx, id);
    }
    out->who = &APR_ARRAY_IDX(rows, 0, nmdm_enrollment_t);
    return NULL;
}

static nmdm_err_t *do_read(nmdm_ctx_t *ctx, void *baton)
{
    const question_t *in = baton;
    nmdm_timeline_t *out = in->out;

    apr_array_clear(out->queue);
    apr_array_clear(out->entries);
    NMDM_TRY(find(ctx, out, in->id));
    NMDM_TRY(nmdm_enrollment_queries_pending(ctx, &out->pending, in->id));
    NMDM_TRY(nmdm_enrollment_queries_last_push(ctx, &out->push, in->id));
    NMDM_TRY(add_check_ins(ctx, out));
    NMDM_TRY(find_push_cert(ctx, out));
    NMDM_TRY(find_declarations(ctx, out));
    add_push(ctx, out);
    NMDM_TRY(add_associations(ctx, out));
    NMDM_TRY(add_queue(ctx, out));
    NMDM_TRY(add_cancelled(ctx, out));
    return add_results(ctx, out);
}

nmdm_err_t *nmdm_api_timeline(nmdm_timeline_t *out, nmdm_ctx_t *ctx,
                              const char *id)
{
    question_t in = { out, id };

    *out = (nmdm_timeline_t){
        .queue = apr_array_make(ctx->pool, NMDM_QUERIES_PAGE,
                                sizeof(nmdm_queued_t)),
        .entries = apr_array_make(ctx->pool, NMDM_QUERIES_PAGE,
                                  sizeof(nmdm_timeline_entry_t)),
    };
    NMDM_TRY(nmdm_api_answer_check_id(ctx, id));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read, &in));
    if (out->who->cert_pem
        && !nmdm_x509_not_after(&out->cert_not_after,
                                out->who->cert_pem)) {
        out->cert_not_after = 0;
    }
    qsort(out->entries->elts, (size_t)out->entries->nelts,
          sizeof(nmdm_timeline_entry_t), newest_first);
    return NULL;
}
