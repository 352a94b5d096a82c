/* SPDX-License-Identifier: Apache-2.0 */
/* push.c -- wakes devices up: looks them up, pushes, records refusals. */

#include "push/push.h"
#include "net/apns_client.h"
#include "net/circuit_breaker.h"
#include "net/waiters.h"
#include "base/counters.h"
#include "crypto/push_cert_pem.h"
#include "base/once_daily.h"
#include "db/db.h"
#include "push/apns_message.h"
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
#define A_DAY apr_time_from_sec(24 * 60 * 60)

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
    const nmdm_push_info_t **pushed;    /* to whom ... */
    nmdm_exchange_t **exchanges;        /* ... each of these goes */
    int n;
    apr_array_header_t *refusals;       /* of nmdm_refusal_t */
    apr_array_header_t *pardoned;       /* ids: refused before, not now */
    nmdm_push_mode_e when;
    apr_time_t deadline;                /* of the caller */
    nmdm_push_done_fn told;
    void *baton;
    int successes, failures;
    int unanswered;                     /* failures that APNs had no part in */
    const char *first_id, *first_error; /* of these */
} slice_t;

/* ---- Looking up ---- */

/* Everything a push needs of the database, in one unit: nothing is held
 * while APNs is waited for. */
static nmdm_err_t *do_look_up(nmdm_ctx_t *ctx, void *baton)
{
    slice_t *slice = baton;
    int i;

    slice->infos = apr_array_make(ctx->pool, slice->ids->nelts,
                                  sizeof(nmdm_push_info_t));
    slice->certs = apr_hash_make(ctx->pool);
    NMDM_TRY(nmdm_push_state_info(ctx, slice->infos, slice->ids));
    for (i = 0; i < slice->infos->nelts; i++) {
        const char *topic = APR_ARRAY_IDX(slice->infos, i,
                                          nmdm_push_info_t).topic;
        cert_t *cert;

        if (apr_hash_get(slice->certs, topic, APR_HASH_KEY_STRING)) {
            continue;
        }
        cert = apr_pcalloc(ctx->pool, sizeof(*cert));
        cert->topic = topic;
        NMDM_TRY(nmdm_push_state_get_cert(ctx, &cert->stored, topic));
        apr_hash_set(slice->certs, topic, APR_HASH_KEY_STRING, cert);
    }
    return NULL;
}

static void tell(slice_t *slice, const char *id, const char *apns_id,
                 const char *error, int is_refused)
{
    nmdm_push_result_t result = { id, apns_id, error, is_refused };

    if (id) {
        slice->successes += !error;
        slice->failures += error != NULL;
    }
    slice->told(slice->baton, &result);
}

static void tell_missing(nmdm_ctx_t *ctx, slice_t *slice)
{
    apr_hash_t *known = apr_hash_make(ctx->pool);
    int i;

    for (i = 0; i < slice->infos->nelts; i++) {
        const char *id = APR_ARRAY_IDX(slice->infos, i, nmdm_push_info_t).id;

        apr_hash_set(known, id, APR_HASH_KEY_STRING, id);
    }
    for (i = 0; i < slice->ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(slice->ids, i, const char *);

        if (!apr_hash_get(known, id, APR_HASH_KEY_STRING)) {
            tell(slice, id, NULL, "push data missing for id", 1);
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
    if (left < DAYS_OF_WARNING * A_DAY) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0917)
                 "-: the push certificate of topic %s %s; renew it with the"
                 " same Apple account, which keeps the topic, and PUT it to"
                 " pushcert", cert->topic,
                 left < 0 ? "has expired"
                 : apr_psprintf(ctx->pool, "expires in %d days",
                                (int)(left / A_DAY)));
    }
}

static void tell_no_cert(nmdm_ctx_t *ctx, slice_t *slice, const cert_t *cert)
{
    const char *error = apr_psprintf(ctx->pool, "retrieving push cert for"
                                     " topic \"%s\": none is stored; PUT it"
                                     " to pushcert", cert->topic);

    nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0916) "-: not pushed: %s", error);
    tell(slice, NULL, NULL, error, 0);
}

/* NULL stands for a certificate that cannot be used. */
static const char *open_key(nmdm_ctx_t *ctx, slice_t *slice,
                            const cert_t *cert)
{
    const char *key_pem = NULL;
    nmdm_err_t *err;

    if (!cert->stored.found) {
        tell_no_cert(ctx, slice, cert);
        return NULL;
    }
    err = nmdm_push_state_open_key(ctx, &key_pem, &cert->stored);
    if (err) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0924) "-: not pushed: %s",
                 nmdm_err_text(err));
        tell(slice, NULL, NULL, nmdm_err_text(err), 0);
    }
    return key_pem;
}

static void look_at_certs(nmdm_ctx_t *ctx, slice_t *slice)
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(ctx->pool, slice->certs); hi;
         hi = apr_hash_next(hi)) {
        cert_t *cert = apr_hash_this_val(hi);

        cert->key_pem = open_key(ctx, slice, cert);
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

static void tell_not_tried(nmdm_ctx_t *ctx, slice_t *slice,
                           const nmdm_push_info_t *info, const char *why)
{
    nmdm_count(ctx->services->counters, NMDM_COUNT_PUSHES, "not tried", NULL,
               1);
    tell(slice, info->id, NULL,
         apr_pstrcat(ctx->pool, why, "; not tried",
                     slice->when == NMDM_PUSH_NOW ? LATER : "", NULL), 0);
}

/* The sweep has a thread of its own. */
static int may_wait(nmdm_ctx_t *ctx, const slice_t *slice)
{
    return slice->when == NMDM_PUSH_AGAIN || !ctx->services->waiters
        || (nmdm_time_steady() < slice->deadline
            && nmdm_waiters_enter(ctx->services->waiters, ROOM_WITHIN));
}

static void stop_waiting(nmdm_ctx_t *ctx, const slice_t *slice)
{
    if (slice->when == NMDM_PUSH_NOW && ctx->services->waiters) {
        nmdm_waiters_leave(ctx->services->waiters);
    }
}

/* Threads are for devices. */
static void give_up(nmdm_ctx_t *ctx, slice_t *slice)
{
    int i;

    for (i = 0; i < slice->n; i++) {
        tell_not_tried(ctx, slice, slice->pushed[i],
                       "too many calls wait for APNs");
    }
    if (slice->n) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0926)
                 "%s: %d pushes not tried: too many calls wait for APNs",
                 slice->pushed[0]->id, slice->n);
    }
    slice->n = 0;
}

static void send_all(nmdm_ctx_t *ctx, slice_t *slice)
{
    apr_size_t most = (apr_size_t)slice->infos->nelts + 1;
    apr_time_t deadline = nmdm_time_steady() + ctx->policy->push->timeout;
    int i;

    if (slice->when == NMDM_PUSH_NOW && slice->deadline < deadline) {
        deadline = slice->deadline;
    }

    slice->exchanges = apr_palloc(ctx->pool,
                                  most * sizeof(*slice->exchanges));
    slice->pushed = apr_palloc(ctx->pool, most * sizeof(*slice->pushed));
    for (i = 0; i < slice->infos->nelts; i++) {
        const nmdm_push_info_t *info = &APR_ARRAY_IDX(slice->infos, i,
                                                      nmdm_push_info_t);
        const cert_t *cert = apr_hash_get(slice->certs, info->topic,
                                          APR_HASH_KEY_STRING);
        nmdm_exchange_t *x;

        if (cert->is_open) {
            tell_not_tried(ctx, slice, info, "APNs does not answer");
        }
        else if (cert->key_pem) {
            x = apr_palloc(ctx->pool, sizeof(*x));
            nmdm_apns_message_request(x, ctx->pool, ctx->policy->push,
                                      &cert->requests, info);
            x->deadline = deadline;
            slice->pushed[slice->n] = info;
            slice->exchanges[slice->n++] = x;
        }
    }
    if (slice->n && may_wait(ctx, slice)) {
        nmdm_apns_client_run(ctx->services->apns, slice->exchanges, slice->n,
                             ctx->pool);
        stop_waiting(ctx, slice);
    }
    else {
        give_up(ctx, slice);
    }
}

/* ---- Outcomes ---- */

static void note_outcome(nmdm_ctx_t *ctx, slice_t *slice,
                         const nmdm_push_info_t *info,
                         const nmdm_exchange_t *x)
{
    nmdm_push_outcome_t outcome;

    nmdm_apns_message_outcome(&outcome, ctx->pool, x);
    nmdm_count(ctx->services->counters, NMDM_COUNT_PUSHES,
               !outcome.error ? "ok" : !x->status ? "no answer"
               : outcome.reason, NULL, 1);
    if (outcome.is_refusal) {
        nmdm_refusal_t *refusal = &APR_ARRAY_PUSH(slice->refusals,
                                                  nmdm_refusal_t);

        refusal->id = info->id;
        refusal->token_hex = info->token_hex;
        refusal->status = x->status;
        refusal->reason = outcome.reason;
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0909)
                 "%s: push failed: %s", info->id, outcome.error);
    }
    else if (outcome.error && !slice->unanswered++) {
        slice->first_id = info->id;
        slice->first_error = outcome.error;
    }
    else if (!outcome.error && info->was_refused) {
        APR_ARRAY_PUSH(slice->pardoned, const char *) = info->id;
    }
    if (ctx->services->breaker) {
        nmdm_circuit_breaker_note(ctx->services->breaker, info->topic,
                                  x->status && x->status < 500 &&
                                      x->status != 429,
                                  nmdm_time_steady());
    }
    if (outcome.error && !x->status && slice->when == NMDM_PUSH_NOW) {
        outcome.error = apr_pstrcat(ctx->pool, outcome.error, LATER, NULL);
    }
    tell(slice, info->id, outcome.apns_id, outcome.error,
         outcome.is_refusal);
}

/* One line for all that failed, such as when APNs is out of reach. */
static void warn_of_failures(nmdm_ctx_t *ctx, const slice_t *slice)
{
    if (slice->unanswered) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(0918)
                 "%s: %d of %d pushes failed, this one: %s",
                 slice->first_id, slice->unanswered, slice->n,
                 slice->first_error);
    }
}

static nmdm_err_t *do_record(nmdm_ctx_t *ctx, void *baton)
{
    const slice_t *slice = baton;
    int i;

    for (i = 0; i < slice->refusals->nelts; i++) {
        NMDM_TRY(nmdm_push_state_refused(ctx, &APR_ARRAY_IDX(
            slice->refusals, i, nmdm_refusal_t)));
    }
    return nmdm_push_state_forget(ctx, slice->pardoned);
}

/* What cannot be recorded now is refused again at the next push. */
static void record(nmdm_ctx_t *ctx, slice_t *slice)
{
    nmdm_err_t *err = NULL;

    if (slice->refusals->nelts + slice->pardoned->nelts) {
        err = nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_record, slice);
        nmdm_db_release(ctx);
    }
    if (err) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0919)
                 "-: %d refusals of pushes are not recorded: %s",
                 slice->refusals->nelts, nmdm_err_text(err));
    }
}

/* ---- All of it ---- */

typedef struct {
    nmdm_push_mode_e when;
    apr_time_t deadline;
    nmdm_push_done_fn told;
    void *baton;
    int all, successes, failures;
    const char *first_id;
} wake_t;

static nmdm_err_t *wake_slice(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                              int done, void *baton)
{
    wake_t *wake = baton;
    slice_t slice = { .ids = ids, .when = wake->when,
                      .deadline = wake->deadline, .told = wake->told,
                      .baton = wake->baton };
    int i;

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look_up, &slice));
    nmdm_db_release(ctx);
    slice.refusals = apr_array_make(ctx->pool, 4, sizeof(nmdm_refusal_t));
    slice.pardoned = apr_array_make(ctx->pool, 4, sizeof(const char *));
    tell_missing(ctx, &slice);
    look_at_certs(ctx, &slice);
    send_all(ctx, &slice);
    for (i = 0; i < slice.n; i++) {
        note_outcome(ctx, &slice, slice.pushed[i], slice.exchanges[i]);
    }
    warn_of_failures(ctx, &slice);
    record(ctx, &slice);
    wake->successes += slice.successes;
    wake->failures += slice.failures;
    nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0910)
             "%s: %d of %d enrollments done: %d pushed, %d failed"
             " [trace %s]", wake->first_id, done + ids->nelts, wake->all,
             wake->successes, wake->failures, ctx->trace_id);
    return NULL;
}

nmdm_err_t *nmdm_push_send(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                           nmdm_push_mode_e when, nmdm_push_done_fn told,
                           void *baton)
{
    wake_t wake = { .when = when, .told = told, .baton = baton,
                    .deadline = nmdm_time_steady() + ctx->policy->push->wait,
                    .all = ids->nelts,
                    .first_id = APR_ARRAY_IDX(ids, 0, const char *) };

    return nmdm_db_in_parts(ctx, ids, SLICE, wake_slice, &wake);
}
