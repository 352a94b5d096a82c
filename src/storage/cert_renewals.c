/* SPDX-License-Identifier: Apache-2.0 */
/* cert_renewals.c -- which certificates are in use and to be renewed. */

#include "storage/cert_renewals.h"
#include "base/time.h"
#include "storage/sender.h"
#include "db/db.h"
#include "db/schema.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* renew_asked_at as text, of a certificate that was never asked for. */
#define NEVER "-1"
/* Until a device is asked again whose new certificate is due at once, and how
 * many renewals a day come so soon after each other. */
#define SOON apr_time_from_sec(30)
#define MOST_A_DAY 3

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static const char *millis(nmdm_ctx_t *ctx, apr_time_t when)
{
    return apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT,
                        apr_time_as_msec(when));
}

static const char *asked_of(nmdm_ctx_t *ctx, const nmdm_cert_renewal_t *row)
{
    return row->has_asked ? millis(ctx, row->asked) : NEVER;
}

/* ---- Reading ---- */

enum { SHA256, ENROLLMENT, STATE, PROFILE, UDID, SERIAL_NUMBER, USER,
       NOT_AFTER, ASKED, TRIES, UUID, HASHES, ERROR, COLUMNS };

static nmdm_cert_renewal_t row_of(const char **cols)
{
    return (nmdm_cert_renewal_t){
        .found = 1,
        .sha256 = cols[SHA256], .enrollment_id = or_empty(cols[ENROLLMENT]),
        .state = or_empty(cols[STATE]), .profile = cols[PROFILE],
        .binding = { cols[UDID], cols[SERIAL_NUMBER], NULL, cols[USER] },
        .not_after = apr_time_from_msec(apr_atoi64(or_empty(
            cols[NOT_AFTER]))),
        .asked = cols[ASKED] ? apr_time_from_msec(apr_atoi64(cols[ASKED]))
                             : 0,
        .has_asked = cols[ASKED] != NULL,
        .tries = atoi(or_empty(cols[TRIES])), .uuid = cols[UUID],
        .hashes = cols[HASHES], .error = cols[ERROR] };
}

nmdm_err_t *nmdm_cert_renewals_due(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                                   const nmdm_cert_renewals_filter_t *filter)
{
    apr_array_header_t *values = apr_array_make(
        ctx->pool, COLUMNS * NMDM_SQL_IDS, sizeof(const char *));
    const char *ends = millis(ctx, filter->ends_before);
    const char *asked = millis(ctx, filter->asked_before);
    const char *often = millis(ctx, filter->asked_long_before);
    const char *other = filter->takes_other ? NMDM_RENEW_OTHER : "";
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, COLUMNS, STMT_RENEWALS_DUE,
                          NMDM_ARGS(NMDM_RENEW_OWN, ends, NMDM_RENEW_OWN,
                                    asked, often, other, ends, other, asked,
                                    often)));
    apr_array_clear(rows);
    for (i = 0; i < values->nelts; i += COLUMNS) {
        APR_ARRAY_PUSH(rows, nmdm_cert_renewal_t) = row_of(
            &APR_ARRAY_IDX(values, i, const char *));
    }
    return NULL;
}

nmdm_err_t *nmdm_cert_renewals_profiles(nmdm_ctx_t *ctx,
                                        apr_array_header_t *rows)
{
    apr_array_header_t *values = apr_array_make(ctx->pool, 20,
                                                sizeof(const char *));
    int i;

    apr_array_clear(rows);
    if (!nmdm_schema_has_scep(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_rows(ctx, values, 2, STMT_RENEWAL_PROFILES,
                          NMDM_ARGS(NMDM_RENEW_OWN)));
    for (i = 0; i < values->nelts; i += 2) {
        const char **row = &APR_ARRAY_IDX(values, i, const char *);

        APR_ARRAY_PUSH(rows, nmdm_cert_profile_t)
            = (nmdm_cert_profile_t){ row[0], apr_atoi64(row[1]) };
    }
    return NULL;
}

nmdm_err_t *nmdm_cert_renewals_get(nmdm_ctx_t *ctx, nmdm_cert_renewal_t *out,
                                   const char *enrollment_id)
{
    const char *cols[COLUMNS] = { NULL };
    int found;

    memset(out, 0, sizeof(*out));
    if (!nmdm_schema_has_scep(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, COLUMNS, STMT_RENEWAL_OF,
                         NMDM_ARGS(enrollment_id)));
    if (found) {
        *out = row_of(cols);
    }
    return NULL;
}

nmdm_err_t *nmdm_cert_renewals_standing(nmdm_ctx_t *ctx,
                                        nmdm_renewal_standing_t *out,
                                        const nmdm_cert_renewal_t *row)
{
    const char *cols[3] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3, STMT_RENEWAL_STANDING,
                         NMDM_ARGS(or_empty(row->uuid), row->enrollment_id)));
    *out = (nmdm_renewal_standing_t){
        .is_enabled = found, .topic = or_empty(cols[0]),
        .is_waiting = cols[1] != NULL, .status = cols[2] };
    return NULL;
}

/* ---- The state of a renewal ---- */

nmdm_err_t *nmdm_cert_renewals_ask(nmdm_ctx_t *ctx, int *is_mine,
                                   const nmdm_cert_renewal_t *row,
                                   const char *uuid, int counts,
                                   apr_time_t asked, const char *error)
{
    return nmdm_db_exec(
        ctx, is_mine, STMT_RENEWAL_ASK,
        NMDM_ARGS(millis(ctx, asked), counts ? "1" : "0", or_empty(uuid),
                  nmdm_utf8_shortened(ctx->pool, or_empty(error), 255),
                  row->sha256, asked_of(ctx, row), asked_of(ctx, row),
                  apr_itoa(ctx->pool, row->tries)));
}

nmdm_err_t *nmdm_cert_renewals_leave(nmdm_ctx_t *ctx,
                                     const char *enrollment_id)
{
    return nmdm_schema_has_scep(ctx)
        && !nmdm_sender_lacks(ctx, NMDM_SENDER_RENEWING_CERT)
        ? nmdm_db_exec(ctx, NULL, STMT_RENEWAL_LEAVE,
                       NMDM_ARGS(enrollment_id, "")) : NULL;
}

nmdm_err_t *nmdm_cert_renewals_failed(nmdm_ctx_t *ctx, const char *id,
                                      const char *uuid, const char *error)
{
    return nmdm_db_exec(ctx, NULL, STMT_RENEWAL_FAILED,
                        NMDM_ARGS(nmdm_utf8_shortened(ctx->pool, error, 255),
                                  id, uuid));
}

nmdm_err_t *nmdm_cert_renewals_sent(nmdm_ctx_t *ctx,
                                    const nmdm_cert_renewal_t *row,
                                    const char *hashes)
{
    return nmdm_db_exec(ctx, NULL, STMT_RENEWAL_SENT,
                        NMDM_ARGS(hashes, row->sha256));
}

/* ---- By hand ---- */

nmdm_err_t *nmdm_cert_renewals_order_page(nmdm_ctx_t *ctx, int *ordered,
                                          const char **after,
                                          const char *issuer_sha256)
{
    apr_array_header_t *values = apr_array_make(ctx->pool, 2 * NMDM_SQL_IDS,
                                                sizeof(const char *));
    apr_array_header_t *keys = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                              sizeof(const char *));
    const char *args[NMDM_SQL_IDS];
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, 2, STMT_RENEWAL_ORDER_PAGE,
                          NMDM_ARGS(issuer_sha256, *after)));
    *after = NULL;
    for (i = 0; i < values->nelts; i += 2) {
        APR_ARRAY_PUSH(keys, const char *) = APR_ARRAY_IDX(values, i,
                                                           const char *);
        *after = APR_ARRAY_IDX(values, i + 1, const char *);
    }
    if (keys->nelts < NMDM_SQL_IDS) {
        *after = NULL;
    }
    if (!keys->nelts) {
        return NULL;
    }
    nmdm_db_fill_ids(args, keys, 0);
    *ordered += keys->nelts;
    return nmdm_db_exec(ctx, NULL, STMT_RENEWAL_ORDER_MANY, args,
                        NMDM_SQL_IDS);
}

/* ---- What a device uses ---- */

enum { USED_SHA256, USED_PURPOSE, USED_STATE, USED_PROFILE, USED_CREATED,
       USED_COLUMNS };

/* By either form of an ECDSA signature, as it was associated. */
static nmdm_err_t *find_used(nmdm_ctx_t *ctx, int *found, const char **cols)
{
    const nmdm_cert_t *cert = ctx->cert;

    *found = 0;
    return !cert || !nmdm_schema_has_scep(ctx)
        || nmdm_sender_lacks(ctx, NMDM_SENDER_ISSUED_CERT) ? NULL
        : nmdm_db_row(ctx, found, cols, USED_COLUMNS, STMT_RENEWAL_USED,
                      NMDM_ARGS(cert->sha256, cert->other_sha256
                                    ? cert->other_sha256 : cert->sha256));
}

nmdm_err_t *nmdm_cert_renewals_used(nmdm_ctx_t *ctx, nmdm_used_cert_t *out)
{
    const char *cols[USED_COLUMNS] = { NULL };

    memset(out, 0, sizeof(*out));
    NMDM_TRY(find_used(ctx, &out->found, cols));
    out->purpose = or_empty(cols[USED_PURPOSE]);
    out->is_in_use = cols[USED_STATE] != NULL;
    return NULL;
}

/* With more days than a certificate lasts, the one that a renewal brings is due
 * at once. */
static int is_due_at_once(const nmdm_ctx_t *ctx, const char **cols)
{
    const nmdm_renewals_conf_t *conf = ctx->policy->renewals;

    return conf && conf->days
        && ctx->cert_ends <= ctx->now + conf->days * NMDM_TIME_DAY
        && !strcmp(or_empty(cols[USED_PURPOSE]), NMDM_PURPOSE_RENEWAL);
}

/* When a device counts as asked, in text, "" for never. One whose new
 * certificate is due at once is asked again soon, so that renewals can be
 * tried out; from the third of a day on a day later, or it would renew without
 * end. */
static nmdm_err_t *asked_at_use(nmdm_ctx_t *ctx, const char **asked,
                                const char **cols, const char *device_id)
{
    const char *lately[1] = { NULL };
    int found;

    *asked = "";
    if (!is_due_at_once(ctx, cols)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &found, lately, 1, STMT_RENEWALS_LATELY,
                         NMDM_ARGS(device_id, NMDM_PURPOSE_RENEWAL,
                                   millis(ctx, ctx->now - NMDM_TIME_DAY))));
    *asked = millis(ctx, ctx->now - (atoi(or_empty(lately[0])) < MOST_A_DAY
                                     ? NMDM_TIME_DAY - SOON : 0));
    return NULL;
}

nmdm_err_t *nmdm_cert_renewals_use(nmdm_ctx_t *ctx, int *is_new,
                                   const char *device_id)
{
    const char *cols[USED_COLUMNS] = { NULL };
    int found, has_newer;
    const char *asked;

    *is_new = 0;
    if (!ctx->cert || !nmdm_schema_has_scep(ctx)) {
        return NULL;
    }
    NMDM_TRY(find_used(ctx, &found, cols));
    if (!found) {
        return nmdm_cert_renewals_leave(ctx, device_id);
    }
    if (cols[USED_STATE]) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &has_newer, NULL, 0, STMT_RENEWAL_NEWER,
                         NMDM_ARGS(device_id, cols[USED_CREATED])));
    if (has_newer) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_RENEWAL_LEAVE,
                          NMDM_ARGS(device_id, cols[USED_SHA256])));
    NMDM_TRY(asked_at_use(ctx, &asked, cols, device_id));
    return nmdm_db_exec(ctx, is_new, STMT_RENEWAL_USE,
                        NMDM_ARGS(cols[USED_PROFILE] ? NMDM_RENEW_OWN
                                                     : NMDM_RENEW_OTHER,
                                  asked, *asked ? asked : "0", device_id,
                                  cols[USED_SHA256]));
}
