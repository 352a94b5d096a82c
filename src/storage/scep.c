/* SPDX-License-Identifier: Apache-2.0 */
/* scep.c -- one-time challenges, and the certificates issued for them. */

#include "storage/scep.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "db/schema.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define CHALLENGE_BYTES 32
#define FOR_EVER APR_INT64_C(9000000000000000)

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static const char *millis(nmdm_ctx_t *ctx, apr_time_t when)
{
    return apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT,
                        apr_time_as_msec(when));
}

static apr_time_t time_of(const char *text)
{
    return text ? apr_time_from_msec(apr_atoi64(text)) : 0;
}

nmdm_err_t *nmdm_scep_tables_check(nmdm_ctx_t *ctx)
{
    return nmdm_schema_has_scep(ctx) ? NULL
        : nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0510)
                   "-: SCEP needs the tables nanomdm_scep_..., which this"
                   " database lacks: run the scripts of schema/upgrade, or"
                   " write \"NanoMDMSchema auto\"");
}

static void add_part(apr_pool_t *p, const char **text, const char *what,
                     const char *value)
{
    if (value && *value) {
        *text = apr_pstrcat(p, *text, **text ? ", " : "", what, value, NULL);
    }
}

const char *nmdm_binding_text(apr_pool_t *p, const nmdm_binding_t *binding)
{
    const char *text = "";

    add_part(p, &text, "serial number ", binding->serial_number);
    add_part(p, &text, "UDID ", binding->udid);
    add_part(p, &text, "enrollment ", binding->enrollment_id);
    add_part(p, &text, "user ", binding->user_name);
    return *text ? text : "no device";
}

static int fits(const char *value, apr_size_t most)
{
    const char *c = or_empty(value);

    for (; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return 0;
        }
    }
    return nmdm_utf8_length(or_empty(value)) <= most;
}

const char *nmdm_binding_flaw(const nmdm_binding_t *binding)
{
    return !fits(binding->serial_number, 127)
        ? "serial is longer than 127 characters or has control characters"
        : !fits(binding->udid, 128)
        ? "udid is longer than 128 characters or has control characters"
        : !fits(binding->enrollment_id, 255)
        ? "enrollment_id is longer than 255 characters or has control"
          " characters"
        : !fits(binding->user_name, 255)
        ? "user is longer than 255 characters or has control characters"
        : NULL;
}

/* ---- Challenges ---- */

static const char *hash_of(nmdm_ctx_t *ctx, const char *challenge)
{
    nmdm_bytes_t bytes = { challenge, strlen(challenge) };

    return nmdm_digest_sha256(ctx->pool, bytes);
}

/* base64url without padding (RFC 4648 section 5), which neither XML nor a
 * shell has to escape. */
static const char *new_secret(nmdm_ctx_t *ctx)
{
    unsigned char bytes[CHALLENGE_BYTES];
    nmdm_bytes_t all = { (char *)bytes, sizeof(bytes) };
    char *text, *c;

    if (!nmdm_digest_random(bytes, sizeof(bytes))) {
        return NULL;
    }
    text = apr_pstrdup(ctx->pool, nmdm_base64_encode(ctx->pool, all));
    for (c = text; *c; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c;
    }
    return text;
}

nmdm_err_t *nmdm_challenge_new(nmdm_ctx_t *ctx, const char **challenge)
{
    *challenge = new_secret(ctx);
    return *challenge ? NULL
        : nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0511)
                   "-: no random numbers for a SCEP challenge");
}

nmdm_err_t *nmdm_challenge_make(nmdm_ctx_t *ctx, const char **challenge,
                                const char *purpose,
                                const nmdm_binding_t *binding,
                                apr_time_t expires)
{
    NMDM_TRY(nmdm_challenge_new(ctx, challenge));
    return nmdm_challenge_put(ctx, *challenge, purpose, binding, expires);
}

nmdm_err_t *nmdm_challenge_put(nmdm_ctx_t *ctx, const char *challenge,
                               const char *purpose,
                               const nmdm_binding_t *binding,
                               apr_time_t expires)
{
    return nmdm_db_exec(ctx, NULL, STMT_CHALLENGE_PUT,
                        NMDM_ARGS(hash_of(ctx, challenge), purpose,
                                  or_empty(binding->udid),
                                  or_empty(binding->serial_number),
                                  or_empty(binding->enrollment_id),
                                  or_empty(binding->user_name),
                                  millis(ctx, ctx->now),
                                  millis(ctx, expires)));
}

nmdm_err_t *nmdm_challenge_extend(nmdm_ctx_t *ctx, const char *challenge,
                                  apr_time_t expires)
{
    return nmdm_db_exec(ctx, NULL, STMT_CHALLENGE_EXTEND,
                        NMDM_ARGS(millis(ctx, expires),
                                  hash_of(ctx, challenge)));
}

nmdm_err_t *nmdm_challenge_withdraw(nmdm_ctx_t *ctx, int *is_withdrawn,
                                    const char *challenge)
{
    return nmdm_db_exec(ctx, is_withdrawn, STMT_CHALLENGE_WITHDRAW,
                        NMDM_ARGS(hash_of(ctx, challenge)));
}

nmdm_err_t *nmdm_challenge_get(nmdm_ctx_t *ctx, nmdm_challenge_t *out,
                               const char *challenge)
{
    enum { PURPOSE, UDID, SERIAL, ENROLLMENT, USER, EXPIRES, USED, KEY, CERT,
           PROFILE, COLUMNS };
    const char *cols[COLUMNS] = { NULL };

    memset(out, 0, sizeof(*out));
    NMDM_TRY(nmdm_db_row(ctx, &out->found, cols, COLUMNS, STMT_CHALLENGE_GET,
                         NMDM_ARGS(hash_of(ctx, challenge))));
    out->purpose = or_empty(cols[PURPOSE]);
    out->binding = (nmdm_binding_t){ cols[UDID], cols[SERIAL],
                                     cols[ENROLLMENT], cols[USER] };
    out->expires = time_of(cols[EXPIRES]);
    out->used = time_of(cols[USED]);
    out->key_sha256 = cols[KEY];
    out->cert_sha256 = cols[CERT];
    out->profile = cols[PROFILE];
    return NULL;
}

nmdm_err_t *nmdm_challenge_use(nmdm_ctx_t *ctx, int *is_mine,
                               const char *challenge, const char *key_sha256,
                               const char *cert_sha256)
{
    const char *now = millis(ctx, ctx->now);

    return nmdm_db_exec(ctx, is_mine, STMT_CHALLENGE_USE,
                        NMDM_ARGS(now, key_sha256, cert_sha256,
                                  hash_of(ctx, challenge), now));
}

/* ---- Issued certificates ---- */

enum { SHA256, SERIAL, ISSUER, SUBJECT, NOT_AFTER, PURPOSE, UDID,
       SERIAL_NUMBER, ENROLLMENT, USER, REVOKED, PEM, PROFILE, COLUMNS };

static void read_row(nmdm_issued_row_t *out, const char **cols)
{
    memset(out, 0, sizeof(*out));
    out->found = 1;
    out->sha256 = cols[SHA256];
    out->serial = cols[SERIAL];
    out->issuer_sha256 = cols[ISSUER];
    out->subject = cols[SUBJECT];
    out->not_after = time_of(cols[NOT_AFTER]);
    out->purpose = cols[PURPOSE];
    out->binding = (nmdm_binding_t){ cols[UDID], cols[SERIAL_NUMBER],
                                     cols[ENROLLMENT], cols[USER] };
    out->revoked = time_of(cols[REVOKED]);
    out->pem = cols[PEM];
    out->profile = cols[PROFILE];
}

static nmdm_err_t *read_one(nmdm_ctx_t *ctx, nmdm_issued_row_t *out,
                            nmdm_stmt_e stmt, const char **args, int nargs)
{
    const char *cols[COLUMNS] = { NULL };
    int found;

    memset(out, 0, sizeof(*out));
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, COLUMNS, stmt, args, nargs));
    if (found) {
        read_row(out, cols);
    }
    return NULL;
}

nmdm_err_t *nmdm_issued_put(nmdm_ctx_t *ctx, const nmdm_issued_row_t *row)
{
    return nmdm_db_exec(
        ctx, NULL, STMT_ISSUED_PUT,
        NMDM_ARGS(row->sha256, row->serial, row->issuer_sha256,
                  nmdm_utf8_shortened(ctx->pool, row->subject, 1023),
                  row->pem, millis(ctx, row->not_after), row->purpose,
                  or_empty(row->binding.udid),
                  or_empty(row->binding.serial_number),
                  or_empty(row->binding.enrollment_id),
                  or_empty(row->binding.user_name), row->transaction,
                  row->signer_key, millis(ctx, ctx->now),
                  or_empty(row->profile)));
}

nmdm_err_t *nmdm_issued_get(nmdm_ctx_t *ctx, nmdm_issued_row_t *out,
                            const char *sha256)
{
    return read_one(ctx, out, STMT_ISSUED_GET, NMDM_ARGS(sha256));
}

nmdm_err_t *nmdm_issued_of_transaction(nmdm_ctx_t *ctx,
                                       nmdm_issued_row_t *out,
                                       const char *transaction,
                                       const char *signer_key,
                                       apr_time_t since)
{
    return read_one(ctx, out, STMT_ISSUED_OF_TRANSACTION,
                    NMDM_ARGS(transaction, signer_key, millis(ctx, since)));
}

nmdm_err_t *nmdm_issued_bind(nmdm_ctx_t *ctx, int *is_good,
                             const char *sha256, const char *enrollment_id)
{
    return nmdm_db_exec(ctx, is_good, STMT_ISSUED_BIND,
                        NMDM_ARGS(enrollment_id, sha256));
}

nmdm_err_t *nmdm_issued_revoke(nmdm_ctx_t *ctx, int *is_new,
                               const char *sha256)
{
    NMDM_TRY(nmdm_db_exec(ctx, is_new, STMT_ISSUED_REVOKE,
                          NMDM_ARGS(millis(ctx, ctx->now), sha256)));
    return *is_new ? nmdm_db_exec(ctx, NULL, STMT_ISSUED_DISSOCIATE,
                                  NMDM_ARGS(sha256)) : NULL;
}

nmdm_err_t *nmdm_issued_page(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                             const nmdm_issued_filter_t *filter)
{
    apr_array_header_t *values = apr_array_make(
        ctx->pool, COLUMNS * NMDM_SQL_IDS, sizeof(const char *));
    const char *after = millis(ctx, filter->after);
    const char *id = or_empty(filter->enrollment_id);
    const char *issuer = or_empty(filter->issuer_sha256);
    int i;

    NMDM_TRY(nmdm_db_rows(
        ctx, values, COLUMNS, STMT_ISSUED_PAGE,
        NMDM_ARGS(after, after, or_empty(filter->after_sha256),
                  filter->expires_before
                      ? millis(ctx, filter->expires_before)
                      : apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, FOR_EVER),
                  id, id, issuer, issuer)));
    apr_array_clear(rows);
    for (i = 0; i < values->nelts; i += COLUMNS) {
        read_row(apr_array_push(rows), &APR_ARRAY_IDX(values, i,
                                                      const char *));
    }
    return NULL;
}

/* ---- Retention ---- */

static nmdm_err_t *forget(nmdm_ctx_t *ctx, int *removed, nmdm_stmt_e look,
                          nmdm_stmt_e remove, apr_time_t before)
{
    apr_array_header_t *keys = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                              sizeof(const char *));
    const char *args[NMDM_SQL_IDS];

    NMDM_TRY(nmdm_db_rows(ctx, keys, 1, look, NMDM_ARGS(millis(ctx, before))));
    if (!keys->nelts) {
        return NULL;
    }
    nmdm_db_fill_ids(args, keys, 0);
    *removed += keys->nelts;
    return nmdm_db_exec(ctx, NULL, remove, args, NMDM_SQL_IDS);
}

nmdm_err_t *nmdm_scep_forget(nmdm_ctx_t *ctx, int *removed)
{
    *removed = 0;
    NMDM_TRY(forget(ctx, removed, STMT_CHALLENGE_EXPIRED,
                    STMT_CHALLENGE_FORGET, ctx->now - NMDM_TIME_DAY));
    NMDM_TRY(forget(ctx, removed, STMT_TOKEN_EXPIRED, STMT_TOKEN_FORGET,
                    ctx->now - NMDM_TIME_DAY));
    return forget(ctx, removed, STMT_ISSUED_OLD, STMT_ISSUED_FORGET,
                  ctx->now - 365 * NMDM_TIME_DAY);
}
