/* SPDX-License-Identifier: Apache-2.0 */
/* push.c -- wakes devices up: looks them up, pushes, records refusals. */

#include "push/push.h"
#include "base/text.h"
#include "net/apns_client.h"
#include "net/circuit_breaker.h"
#include "net/waiters.h"
#include "base/counters.h"
#include "crypto/push_cert_pem.h"
#include "base/once_daily.h"
#include "db/db.h"
#include "push/apns_message.h"
#include "storage/last_seen.h"
#include "storage/push_state.h"
#include "base/time.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

/* How many devices are pushed to at once: enough to keep a connection busy,
 * few enough to know what it costs. */
#define SLICE 1000

/* How long a caller waits for one of the threads that may wait for APNs: more
 * than APNs takes, less than a device would notice. */
#define ROOM_WITHIN apr_time_from_msec(250)

#define LATER "; the device is pushed to again later if a command waits"

/* A push certificate that ends within this is worth a line a day. */
#define DAYS_OF_WARNING 30

/* A push certificate, if there is one of this topic. */
typedef struct {
    const char *topic;
    nmdm_stored_cert_t stored;
    const char *key_pem;                /* NULL: there is nothing to use */
    int is_open;                        /* not to be tried now */
    nmdm_push_topic_t requests;
} cert_t;

/* One slice, in memory of its own. */
typedef struct {
    const apr_array_header_t *ids;
    apr_array_header_t *infos;          /* of nmdm_push_info_t */
    apr_hash_t *certs;                  /* topic -> cert_t */
    const nmdm_push_info_t **pushed;    /* the device ... */
    nmdm_exchange_t **exchanges;        /* ... each of these goes */
    int n;
    apr_array_header_t *refusals;       /* of nmdm_refusal_t */
    apr_array_header_t *cleared;        /* ids: refused before, not now */
    nmdm_push_mode_e when;
    apr_time_t deadline;                /* of the caller */
    nmdm_push_done_fn on_result;
    void *baton;
    int successes, failures;
    int unanswered;                     /* failures that APNs had no part in */
    const char *first_id, *first_error; /* of these */
} batch_t;

/* ---- Looking up ---- */

/* Everything a push needs of the database, in one unit: nothing is held
 * while APNs is waited for. */
static nmdm_err_t *do_look_up(nmdm_ctx_t *ctx, void *baton)
{
    batch_t *batch = baton;
    int i;

    batch->infos = apr_array_make(ctx->pool, batch->ids->nelts,
                                  sizeof(nmdm_push_info_t));
    batch->certs = apr_hash_make(ctx->pool);
    NMDM_TRY(nmdm_push_state_info(ctx, batch->infos, batch->ids));
    for (i = 0; i < batch->infos->nelts; i++) {
        const char *topic = APR_ARRAY_IDX(batch->infos, i,
                                          nmdm_push_info_t).topic;
        cert_t *cert;

        if (apr_hash_get(batch->certs, topic, APR_HASH_KEY_STRING)) {
            continue;
        }
        cert = apr_pcalloc(ctx->pool, sizeof(*cert));
        cert->topic = topic;
        NMDM_TRY(nmdm_push_state_get_cert(ctx, &cert->stored, topic));
        apr_hash_set(batch->certs, topic, APR_HASH_KEY_STRING, cert);
    }
    return NULL;
}

static void report(batch_t *batch, const char *id, const char *apns_id,
                   const char *error, int is_refused)
{
    nmdm_push_result_t result = { id, apns_id, error, is_refused };

    if (id) {
        batch->successes += !error;
        batch->failures += error != NULL;
    }
    batch->on_result(batch->baton, &result);
}

static void report_missing(nmdm_ctx_t *ctx, batch_t *batch)
{
    apr_hash_t *known = apr_hash_make(ctx->pool);
    int i;

    for (i = 0; i < batch->infos->nelts; i++) {
        const char *id = APR_ARRAY_IDX(batch->infos, i, nmdm_push_info_t).id;

        apr_hash_set(known, id, APR_HASH_KEY_STRING, id);
    }
    for (i = 0; i < batch->ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(batch->ids, i, const char *);

        if (!apr_hash_get(known, id, APR_HASH_KEY_STRING)) {
            report(batch, id, NULL, "push data missing for id", 1);
        }
    }
}

/* ---- Push certificates ---- */

static void warn_of_expiry(nmdm_ctx_t *ctx, const cert_t *cert)
{
    nmdm_push_cert_t parsed;
    nmdm_bytes_t pem;
    apr_time_t left;

    if (!ctx->services->daily ||
        !nmdm_once_daily_is_due(ctx->services->daily, cert->topic, ctx->now)) {
        return;
    }
    pem.data = apr_pstrcat(ctx->pool, cert->stored.cert_pem, "\n",
                           cert->key_pem, NULL);
    pem.len = strlen(pem.data);
    if (nmdm_push_cert_pem_read(&parsed, ctx->pool, pem)) {
        return;                 /* the push itself will say what is wrong */
    }
    left = parsed.not_after - ctx->now;
    if (left < DAYS_OF_WARNING * NMDM_TIME_DAY) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0917)
                 "-: the push certificate of topic %s %s; renew it with the"
                 " same Apple account, which keeps the topic, and PUT it to"
                 " pushcert", cert->topic,
                 left < 0 ? "has expired"
                 : apr_psprintf(ctx->pool, "expires in %d %s",
                                (int)(left / NMDM_TIME_DAY),
                                nmdm_text_plural(left / NMDM_TIME_DAY, "day",
                                                 "days")));
    }
}

static void report_no_cert(nmdm_ctx_t *ctx, batch_t *batch, const cert_t *cert)
{
    const char *error = apr_psprintf(ctx->pool, "retrieving push cert for"
                                     " topic \"%s\": none is stored; PUT it"
                                     " to pushcert", cert->topic);

    nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0916) "-: not pushed: %s", error);
    report(batch, NULL, NULL, error, 0);
}

/* NULL means a certificate that cannot be used. */
static const char *open_key(nmdm_ctx_t *ctx, batch_t *batch,
                            const cert_t *cert)
{
    const char *key_pem = NULL;
    nmdm_err_t *err;

    if (!cert->stored.found) {
        report_no_cert(ctx, batch, cert);
        return NULL;
    }
    err = nmdm_push_state_open_key(ctx, &key_pem, &cert->stored);
    if (err) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0924) "-: not pushed: %s",
                 nmdm_err_text(err));
        report(batch, NULL, NULL, nmdm_err_text(err), 0);
    }
    return key_pem;
}

static void look_at_certs(nmdm_ctx_t *ctx, batch_t *batch)
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(ctx->pool, batch->certs); hi;
         hi = apr_hash_next(hi)) {
        cert_t *cert = apr_hash_this_val(hi);

        cert->key_pem = open_key(ctx, batch, cert);
        if (cert->key_pem) {
            nmdm_apns_message_topic(&cert->requests, ctx->pool,
                                    ctx->policy->push, ctx->now, cert->topic,
                                    cert->stored.cert_pem, cert->key_pem);
            warn_of_expiry(ctx, cert);
            cert->is_open = ctx->services->breaker
                && nmdm_circuit_breaker_is_open(ctx->services->breaker,
                                                cert->topic,
                                                nmdm_time_steady());
        }
    }
}

/* ---- Sending ---- */

static void report_not_tried(nmdm_ctx_t *ctx, batch_t *batch,
                             const nmdm_push_info_t *info, const char *why)
{
    nmdm_count(ctx->services->counters, NMDM_COUNT_PUSHES, "not tried", NULL,
               1);
    report(batch, info->id, NULL,
                apr_pstrcat(ctx->pool, why, "; not tried",
                            batch->when == NMDM_PUSH_NOW ? LATER : "", NULL),
                0);
}

/* The sweep has a thread of its own. */
static int may_wait(nmdm_ctx_t *ctx, const batch_t *batch)
{
    return batch->when == NMDM_PUSH_AGAIN || !ctx->services->waiters
        || (nmdm_time_steady() < batch->deadline
            && nmdm_waiters_enter(ctx->services->waiters, ROOM_WITHIN));
}

static void stop_waiting(nmdm_ctx_t *ctx, const batch_t *batch)
{
    if (batch->when == NMDM_PUSH_NOW && ctx->services->waiters) {
        nmdm_waiters_leave(ctx->services->waiters);
    }
}

/* Threads are for devices. */
static void give_up(nmdm_ctx_t *ctx, batch_t *batch)
{
    int i;

    for (i = 0; i < batch->n; i++) {
        report_not_tried(ctx, batch, batch->pushed[i],
                      "too many calls wait for APNs");
    }
    if (batch->n) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0926)
                 "%s: %d %s not tried: too many calls wait for APNs",
                 batch->pushed[0]->id, batch->n,
                 nmdm_text_plural(batch->n, "push", "pushes"));
    }
    batch->n = 0;
}

static void send_all(nmdm_ctx_t *ctx, batch_t *batch)
{
    apr_size_t most = (apr_size_t)batch->infos->nelts + 1;
    apr_time_t deadline = nmdm_time_steady() + ctx->policy->push->timeout;
    int i;

    if (batch->when == NMDM_PUSH_NOW && batch->deadline < deadline) {
        deadline = batch->deadline;
    }

    batch->exchanges = apr_palloc(ctx->pool,
                                  most * sizeof(*batch->exchanges));
    batch->pushed = apr_palloc(ctx->pool, most * sizeof(*batch->pushed));
    for (i = 0; i < batch->infos->nelts; i++) {
        const nmdm_push_info_t *info = &APR_ARRAY_IDX(batch->infos, i,
                                                      nmdm_push_info_t);
        const cert_t *cert = apr_hash_get(batch->certs, info->topic,
                                          APR_HASH_KEY_STRING);
        nmdm_exchange_t *x;

        if (cert->is_open) {
            report_not_tried(ctx, batch, info, "APNs does not answer");
        }
        else if (cert->key_pem) {
            x = apr_palloc(ctx->pool, sizeof(*x));
            nmdm_apns_message_request(x, ctx->pool, ctx->policy->push,
                                      &cert->requests, info);
            x->deadline = deadline;
            batch->pushed[batch->n] = info;
            batch->exchanges[batch->n++] = x;
        }
    }
    if (batch->n && may_wait(ctx, batch)) {
        nmdm_apns_client_run(ctx->services->apns, batch->exchanges, batch->n,
                             ctx->pool);
        stop_waiting(ctx, batch);
    }
    else {
        give_up(ctx, batch);
    }
}

/* ---- Outcomes ---- */

static void note_outcome(nmdm_ctx_t *ctx, batch_t *batch,
                         const nmdm_push_info_t *info,
                         const nmdm_exchange_t *x)
{
    nmdm_push_outcome_t outcome;

    nmdm_apns_message_outcome(&outcome, ctx->pool, x);
    nmdm_count(ctx->services->counters, NMDM_COUNT_PUSHES,
               !outcome.error ? "ok" : !x->status ? "no answer"
               : outcome.reason, NULL, 1);
    if (outcome.is_refusal) {
        nmdm_refusal_t *refusal = &APR_ARRAY_PUSH(batch->refusals,
                                                  nmdm_refusal_t);

        refusal->id = info->id;
        refusal->token_hex = info->token_hex;
        refusal->status = x->status;
        refusal->reason = outcome.reason;
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0909)
                 "%s: push failed: %s", info->id, outcome.error);
    }
    else if (outcome.error && !batch->unanswered++) {
        batch->first_id = info->id;
        batch->first_error = outcome.error;
    }
    else if (!outcome.error && info->was_refused) {
        APR_ARRAY_PUSH(batch->cleared, const char *) = info->id;
    }
    if (!outcome.error && ctx->services->pushed) {
        nmdm_last_seen_note(ctx->services->pushed, info->id);
    }
    if (ctx->services->breaker) {
        nmdm_circuit_breaker_note(ctx->services->breaker, info->topic,
                                  x->status && x->status < 500 &&
                                      x->status != 429,
                                  nmdm_time_steady());
    }
    if (outcome.error && !x->status && batch->when == NMDM_PUSH_NOW) {
        outcome.error = apr_pstrcat(ctx->pool, outcome.error, LATER, NULL);
    }
    report(batch, info->id, outcome.apns_id, outcome.error,
                outcome.is_refusal);
}

/* One line for all that failed, such as when APNs is out of reach. */
static void warn_of_failures(nmdm_ctx_t *ctx, const batch_t *batch)
{
    if (batch->unanswered) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0918)
                 "%s: %d of %d pushes failed, this one: %s",
                 batch->first_id, batch->unanswered, batch->n,
                 batch->first_error);
    }
}

static nmdm_err_t *do_record(nmdm_ctx_t *ctx, void *baton)
{
    const batch_t *batch = baton;
    int i;

    for (i = 0; i < batch->refusals->nelts; i++) {
        NMDM_TRY(nmdm_push_state_refused(ctx, &APR_ARRAY_IDX(
            batch->refusals, i, nmdm_refusal_t)));
    }
    return nmdm_push_state_forget(ctx, batch->cleared);
}

/* What cannot be recorded now is refused again at the next push. */
static void record(nmdm_ctx_t *ctx, batch_t *batch)
{
    nmdm_err_t *err = NULL;

    if (batch->refusals->nelts + batch->cleared->nelts) {
        err = nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_record, batch);
        nmdm_db_release(ctx);
    }
    if (err) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0919)
                 "-: %d %s not recorded: %s", batch->refusals->nelts,
                 nmdm_text_plural(batch->refusals->nelts,
                                  "refusal of a push is",
                                  "refusals of pushes are"),
                 nmdm_err_text(err));
    }
}

/* ---- All of it ---- */

typedef struct {
    nmdm_push_mode_e when;
    apr_time_t deadline;
    nmdm_push_done_fn on_result;
    void *baton;
    int all, successes, failures;
    const char *first_id;
} wake_t;

static nmdm_err_t *wake_slice(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                              int done, void *baton)
{
    wake_t *wake = baton;
    batch_t batch = { .ids = ids, .when = wake->when,
                      .deadline = wake->deadline, .on_result = wake->on_result,
                      .baton = wake->baton };
    int i;

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look_up, &batch));
    nmdm_db_release(ctx);
    batch.refusals = apr_array_make(ctx->pool, 4, sizeof(nmdm_refusal_t));
    batch.cleared = apr_array_make(ctx->pool, 4, sizeof(const char *));
    report_missing(ctx, &batch);
    look_at_certs(ctx, &batch);
    send_all(ctx, &batch);
    for (i = 0; i < batch.n; i++) {
        note_outcome(ctx, &batch, batch.pushed[i], batch.exchanges[i]);
    }
    warn_of_failures(ctx, &batch);
    record(ctx, &batch);
    wake->successes += batch.successes;
    wake->failures += batch.failures;
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0910)
             "%s: %d of %d %s done: %d pushed, %d failed"
             " [trace %s]", wake->first_id, done + ids->nelts, wake->all,
             nmdm_text_plural(wake->all, "enrollment", "enrollments"),
             wake->successes, wake->failures, ctx->trace_id);
    return NULL;
}

nmdm_err_t *nmdm_push_send(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                           nmdm_push_mode_e when, nmdm_push_done_fn on_result,
                           void *baton)
{
    wake_t wake = { .when = when, .on_result = on_result, .baton = baton,
                    .deadline = nmdm_time_steady() + ctx->policy->push->wait,
                    .all = ids->nelts,
                    .first_id = APR_ARRAY_IDX(ids, 0, const char *) };

    return nmdm_db_in_parts(ctx, ids, SLICE, wake_slice, &wake);
}
