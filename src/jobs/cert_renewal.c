/* SPDX-License-Identifier: Apache-2.0 */
/* cert_renewal.c -- has devices renew their identities before they end.
 *
 * A device never renews by itself. It is sent the enrollment profile again,
 * asks for a new certificate and enrolls with it; the certificate counts as
 * renewed once a TokenUpdate was signed with the new one. Until then its
 * device is asked a day apart, and weekly in the end. */

#include "jobs/cert_renewal.h"
#include "base/once_daily.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "db/schema.h"
#include "push/apns_message.h"
#include "push/push.h"
#include "storage/renewal_command.h"

#include <apr_strings.h>

#include <stdlib.h>

#define CHORE "renewal"
/* Seconds from one look to the next. */
#define PAUSE 5
#define DEFAULT_PER_HOUR 3600

typedef struct {
    const char *position;       /* seconds since 1970, by the database's clock:
                                 * no device is asked before */
    apr_int64_t now;            /* by the same clock */
    int is_mine;
    apr_array_header_t *due;    /* nmdm_cert_renewal_t */
    int asked;
} run_t;

typedef struct {
    const nmdm_cert_renewal_t *row;
    nmdm_renewal_outcome_t outcome;
} one_t;

static int has_days(const nmdm_ctx_t *ctx)
{
    return ctx->policy->renewals && ctx->policy->renewals->days;
}

static int per_hour_of(const nmdm_ctx_t *ctx)
{
    const nmdm_renewals_conf_t *conf = ctx->policy->renewals;

    return conf && conf->per_hour ? conf->per_hour : DEFAULT_PER_HOUR;
}

/* ---- One server at a time ---- */

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    const char *cols[2] = { NULL };
    run_t *run = baton;

    run->is_mine = 0;
    if (!nmdm_schema_has_scep(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &run->is_mine, cols, 2, STMT_CHORE_DUE,
                         NMDM_ARGS(CHORE)));
    run->position = cols[0] ? cols[0] : "";
    run->now = cols[1] ? apr_atoi64(cols[1]) : 0;
    return NULL;
}

static nmdm_err_t *do_take(nmdm_ctx_t *ctx, void *baton)
{
    run_t *run = baton;

    return nmdm_db_exec(ctx, &run->is_mine, STMT_CHORE_TAKE,
                        NMDM_ARGS(CHORE, run->position));
}

static nmdm_err_t *do_end(nmdm_ctx_t *ctx, void *baton)
{
    int per_hour = per_hour_of(ctx);
    run_t *run = baton;

    if (run->asked) {
        run->position = apr_psprintf(
            ctx->pool, "%" APR_INT64_T_FMT,
            run->now + ((apr_int64_t)run->asked * 3600 + per_hour - 1)
                / per_hour);
    }
    return nmdm_db_exec(ctx, NULL, STMT_CHORE_DONE,
                        NMDM_ARGS(APR_STRINGIFY(PAUSE), run->position,
                                  CHORE));
}

/* ---- Who is due ---- */

static nmdm_err_t *do_due(nmdm_ctx_t *ctx, void *baton)
{
    run_t *run = baton;
    nmdm_cert_renewals_filter_t filter = {
        .takes_other = ctx->policy->renew_identifier != NULL };

    /* Without the directive an operator's orders are left, each once. */
    if (has_days(ctx)) {
        filter.ends_before = ctx->now
            + ctx->policy->renewals->days * NMDM_TIME_DAY;
        filter.asked_before = ctx->now - NMDM_TIME_DAY;
        filter.asked_long_before = ctx->now - 7 * NMDM_TIME_DAY;
    }
    return nmdm_cert_renewals_due(ctx, run->due, &filter);
}

static nmdm_err_t *do_one(nmdm_ctx_t *ctx, void *baton)
{
    one_t *one = baton;

    return nmdm_renewal_command_queue(ctx, &one->outcome, one->row,
                                      ctx->policy->push->repeats);
}

static const char *ends(nmdm_ctx_t *ctx, const nmdm_cert_renewal_t *row)
{
    return apr_pstrcat(ctx->pool, row->not_after < ctx->now ? "ended on "
                                                            : "ends on ",
                       nmdm_time_rfc3339(ctx->pool, row->not_after), NULL);
}

static void log_unfit(nmdm_ctx_t *ctx, const one_t *one)
{
    int is_first = !ctx->services->daily
        || nmdm_once_daily_is_due(ctx->services->daily, one->outcome.why,
                                  ctx->now);

    nmdm_log(ctx, is_first ? NMDM_LOG_ERROR : NMDM_LOG_INFO, NMDMNO(0971)
             "%s: its identity certificate %s and is not renewed: %s",
             one->row->enrollment_id, ends(ctx, one->row), one->outcome.why);
}

static void log_one(nmdm_ctx_t *ctx, const one_t *one)
{
    const nmdm_cert_renewal_t *row = one->row;

    switch (one->outcome.what) {
    case NMDM_RENEWAL_QUEUED:
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0970)
                 "%s: its identity certificate %s; renewal is queued (try"
                 " %d%s%s) as %s", row->enrollment_id, ends(ctx, row),
                 row->tries + 1, row->error ? ", after: " : "",
                 row->error ? row->error : "", one->outcome.uuid);
        break;
    case NMDM_RENEWAL_WAITS:
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0972)
                 "%s: its identity certificate %s; the device has not"
                 " answered the renewal %s yet%s", row->enrollment_id,
                 ends(ctx, row), one->outcome.uuid,
                 row->not_after >= ctx->now ? ""
                     : "; unless NanoMDMIdentityGrace lets it connect, it has"
                       " to enroll again");
        break;
    case NMDM_RENEWAL_UNFIT:
        log_unfit(ctx, one);
        break;
    case NMDM_RENEWAL_LEFT:
    case NMDM_RENEWAL_TAKEN:
        break;
    }
}

static void ignore_result(void *baton, const nmdm_push_result_t *result)
{
    (void)baton;
    (void)result;               /* nanomdm_pushes has it */
}

/* How many may be asked now. */
static int most(const nmdm_ctx_t *ctx, const run_t *run)
{
    apr_int64_t next = *run->position ? apr_atoi64(run->position) : 0;
    int number = per_hour_of(ctx) * PAUSE / 3600;

    /* Not by a clock that was ahead. */
    if (next > run->now && next < run->now + 86400) {
        return 0;
    }
    return number ? number : 1;
}

/* Each in a transaction of its own. */
static nmdm_err_t *ask(nmdm_ctx_t *ctx, run_t *run, apr_array_header_t *ids)
{
    int i, limit = most(ctx, run);

    for (i = 0; i < run->due->nelts && run->asked < limit; i++) {
        one_t one = { .row = &APR_ARRAY_IDX(run->due, i,
                                            nmdm_cert_renewal_t) };

        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_one, &one));
        nmdm_db_release(ctx);
        log_one(ctx, &one);
        if (one.outcome.what == NMDM_RENEWAL_QUEUED) {
            APR_ARRAY_PUSH(ids, const char *) = one.row->enrollment_id;
            run->asked++;
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_cert_renewal_run(nmdm_ctx_t *ctx)
{
    run_t run = { .due = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                        sizeof(nmdm_cert_renewal_t)) };
    apr_array_header_t *ids = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                             sizeof(const char *));
    nmdm_err_t *err, *end;

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, &run));
    if (run.is_mine && !has_days(ctx)) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_due, &run));
        run.is_mine = run.due->nelts;
    }
    if (run.is_mine) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_take, &run));
    }
    if (!run.is_mine) {
        return NULL;
    }
    err = nmdm_db_unit(ctx, NMDM_UNIT_READ, do_due, &run);
    nmdm_db_release(ctx);
    if (!err) {
        err = ask(ctx, &run, ids);
    }
    /* Before the pushes: a slow APNs keeps no other server from its turn. */
    end = nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_end, &run);
    nmdm_db_release(ctx);
    err = err ? err : end;
    end = !ids->nelts ? NULL
        : nmdm_push_send(ctx, ids, NMDM_PUSH_AGAIN, ignore_result, NULL);
    return err ? err : end;
}
