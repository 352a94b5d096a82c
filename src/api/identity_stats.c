/* SPDX-License-Identifier: Apache-2.0 */
/* identity_stats.c -- identities issued here, their renewals and challenges, in
 * numbers. */

#include "api/identity_stats.h"
#include "base/time.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/cert_renewals.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Bounds, as in db/statements.c. */
#define MOST 10000
#define MOST_RENEWALS 1000

const int NMDM_IDENTITY_STATS_DAYS[NMDM_IDENTITY_STATS_ENDS] = { 7, 30, 90 };

static const char *in_days(nmdm_ctx_t *ctx, int days)
{
    return apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT,
                        apr_time_as_msec(ctx->now + days * NMDM_TIME_DAY));
}

/* `looked` is how many rows were looked at for it. */
static nmdm_amount_t amount_of(const char *digits, const char *looked,
                               int most)
{
    return (nmdm_amount_t){ digits ? apr_atoi64(digits) : 0,
                            looked && atoi(looked) >= most };
}

static void add(nmdm_amount_t *sum, nmdm_amount_t amount)
{
    sum->number += amount.number;
    sum->is_least |= amount.is_least;
}

/* In the order of their ends, so that those that end soon are all counted. */
static nmdm_err_t *count_ends(nmdm_ctx_t *ctx, nmdm_identity_stats_t *out)
{
    const char *cols[NMDM_IDENTITY_STATS_ENDS + 2] = { NULL };
    int i, found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, NMDM_IDENTITY_STATS_ENDS + 2,
                         STMT_STATS_IDENTITIES,
                         NMDM_ARGS(in_days(ctx, NMDM_IDENTITY_STATS_DAYS[0]),
                                   in_days(ctx, NMDM_IDENTITY_STATS_DAYS[1]),
                                   in_days(ctx, NMDM_IDENTITY_STATS_DAYS[2]),
                                   in_days(ctx, 0))));
    for (i = 0; i < NMDM_IDENTITY_STATS_ENDS; i++) {
        out->ending[i] = amount_of(cols[i], NULL, MOST);
    }
    out->in_use = amount_of(cols[i], cols[i + 1], MOST);
    if (out->in_use.is_least
        && out->ending[NMDM_IDENTITY_STATS_ENDS - 1].number
               == out->in_use.number) {
        out->ending[NMDM_IDENTITY_STATS_ENDS - 1].is_least = 1;
    }
    return NULL;
}

static nmdm_err_t *count_issuers(nmdm_ctx_t *ctx, nmdm_identity_stats_t *out)
{
    const char *cols[2] = { NULL }, *issuer = "";
    int found;

    out->nissuers = 0;
    while (out->nissuers < NMDM_IDENTITY_STATS_ISSUERS) {
        nmdm_issuer_stats_t *one = &out->issuers[out->nissuers];

        NMDM_TRY(nmdm_db_row(ctx, &found, cols, 1, STMT_STATS_ISSUER_NEXT,
                             NMDM_ARGS(issuer)));
        if (!found || !cols[0]) {
            return NULL;
        }
        issuer = cols[0];
        apr_cpystrn(one->sha256, issuer, sizeof(one->sha256));
        NMDM_TRY(nmdm_db_row(ctx, &found, cols, 2, STMT_STATS_ISSUER,
                             NMDM_ARGS(in_days(ctx, 0), issuer)));
        one->live = amount_of(cols[0], cols[1], MOST);
        out->nissuers++;
    }
    return NULL;
}

static nmdm_err_t *count_challenges(nmdm_ctx_t *ctx,
                                    nmdm_identity_stats_t *out)
{
    const char *cols[4] = { NULL }, *now = in_days(ctx, 0);
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 4, STMT_STATS_CHALLENGES,
                         NMDM_ARGS(now, now)));
    out->open = amount_of(cols[0], cols[3], MOST);
    out->used = amount_of(cols[1], cols[3], MOST);
    out->expired = amount_of(cols[2], cols[3], MOST);
    return NULL;
}

static nmdm_err_t *count_renewals_of(nmdm_ctx_t *ctx,
                                     nmdm_identity_stats_t *out,
                                     const char *state)
{
    const char *cols[3] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3, STMT_STATS_RENEWALS,
                         NMDM_ARGS(state)));
    add(&out->asked, amount_of(cols[0], cols[2], MOST_RENEWALS));
    add(&out->stuck, amount_of(cols[1], cols[2], MOST_RENEWALS));
    return NULL;
}

static nmdm_err_t *count_foreign(nmdm_ctx_t *ctx, nmdm_identity_stats_t *out)
{
    const nmdm_renewals_conf_t *conf = ctx->policy->renewals;
    const char *cols[1] = { NULL };
    int found;

    if (!conf || !conf->days || ctx->policy->renew_identifier) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 1, STMT_STATS_FOREIGN,
                         NMDM_ARGS(NMDM_RENEW_OTHER,
                                   in_days(ctx, conf->days))));
    out->foreign = amount_of(cols[0], cols[0], MOST_RENEWALS);
    return NULL;
}

nmdm_err_t *nmdm_api_identity_stats(nmdm_identity_stats_t *out,
                                    nmdm_ctx_t *ctx)
{
    memset(out, 0, sizeof(*out));
    out->is_known = nmdm_schema_has_scep(ctx);
    if (!out->is_known) {
        return NULL;
    }
    NMDM_TRY(count_ends(ctx, out));
    NMDM_TRY(count_issuers(ctx, out));
    NMDM_TRY(count_challenges(ctx, out));
    NMDM_TRY(count_renewals_of(ctx, out, NMDM_RENEW_OWN));
    NMDM_TRY(count_renewals_of(ctx, out, NMDM_RENEW_OTHER));
    return count_foreign(ctx, out);
}

nmdm_err_t *nmdm_api_identity_stats_stuck(apr_array_header_t *out,
                                          nmdm_ctx_t *ctx)
{
    static const char *const STATES[] = { NMDM_RENEW_OWN, NMDM_RENEW_OTHER };
    apr_array_header_t *values = apr_array_make(ctx->pool, 40,
                                                sizeof(const char *));
    int i, k;

    apr_array_clear(out);
    for (k = 0; k < 2 && nmdm_schema_has_scep(ctx); k++) {
        apr_array_clear(values);
        NMDM_TRY(nmdm_db_rows(ctx, values, 4, STMT_STATS_STUCK,
                              NMDM_ARGS(STATES[k])));
        for (i = 0; i < values->nelts; i += 4) {
            const char **row = &APR_ARRAY_IDX(values, i, const char *);

            APR_ARRAY_PUSH(out, nmdm_stuck_t) = (nmdm_stuck_t){
                row[0], row[1] ? atoi(row[1]) : 0, row[2] ? row[2] : "",
                apr_time_from_msec(row[3] ? apr_atoi64(row[3]) : 0) };
        }
    }
    return NULL;
}
