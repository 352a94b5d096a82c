/* SPDX-License-Identifier: Apache-2.0 */
/* rekey.c -- seals what is stored otherwise than NanoMDMStorageKey says.
 *
 * A pass goes through the push certificates and then through the devices, in
 * the order of their ids. The row 'seal' of nanomdm_chores says whose pass it
 * is: "KEYS CHILD", or "KEYS" after the last one, where KEYS is the
 * fingerprint of all keys: with other keys a pass is due at once, to seal
 * anew, or to see that no key is missing. Where in the pass a child is, it
 * alone knows; a child that takes over begins anew, which costs little because
 * what is settled is only looked at. Each value is replaced if it is still
 * what was read, so nothing that a device sends meanwhile is lost. */

#include "jobs/rekey.h"
#include "crypto/digest.h"
#include "base/once_daily.h"
#include "db/db.h"
#include "db/schema.h"
#include "crypto/seal.h"
#include "storage/enrollments.h"
#include "storage/push_state.h"
#include "base/time.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include <string.h>

/* As STMT_CHORE_DONE names it. */
#define CHORE "seal"

/* Seconds until the next pass: one that changed something is looked over
 * soon, since a child from before the change may have written meanwhile. */
#define PAUSE_AFTER_CHANGES 15
#define PAUSE 21600

#define MAX_TIME apr_time_from_sec(2)

/* Ids have 255 characters. */
#define MAX_ID 1024

typedef enum { CERTS, DEVICES, DONE } phase_e;

typedef struct {
    int settled, changed, failed;
    const char *why;            /* the last one failed */
} counts_t;

struct nmdm_rekey_t {
    int is_running;
    char mine[64];              /* the chore's position while it is ours */
    phase_e phase;
    char after[MAX_ID];         /* the last row that is done with */
    counts_t counts;
};

/* Whether it is this child's turn. */
typedef struct {
    nmdm_rekey_t *rekey;
    const char *keys;           /* their fingerprint */
    const char *position;
    int found, is_due, is_mine;
} turn_t;

nmdm_rekey_t *nmdm_rekey_create(apr_pool_t *p)
{
    return apr_pcalloc(p, sizeof(nmdm_rekey_t));
}

/* ---- One value ---- */

/* Whether a value is to become another, in *value. It stays when it is settled
 * and when it cannot be opened, or is such that it can only be kept sealed:
 * one device must not keep the others from their turn. */
static int is_resealed(nmdm_ctx_t *ctx, counts_t *counts,
                       nmdm_bytes_t *value, const char *column,
                       const char *row)
{
    const nmdm_seal_t *keys = ctx->policy->seal;
    nmdm_bytes_t secret;
    nmdm_err_t *err;

    if (nmdm_seal_is_settled(keys, *value)) {
        counts->settled++;
        return 0;
    }
    err = nmdm_seal_open(&secret, ctx->pool, keys, column, row, *value);
    if (!err) {
        err = nmdm_seal_close(value, ctx->pool, keys, column, row, secret);
    }
    if (err) {
        counts->failed++;
        counts->why = nmdm_err_text(err);
        return 0;
    }
    counts->changed++;
    return 1;
}

static nmdm_bytes_t bytes_of(const char *text)
{
    return (nmdm_bytes_t){ text, text ? strlen(text) : 0 };
}

static nmdm_err_t *reseal_text(nmdm_ctx_t *ctx, counts_t *counts,
                               nmdm_stmt_e stmt, const char *stored,
                               const char *column, const char *row)
{
    nmdm_bytes_t value = bytes_of(stored);

    return !stored || !is_resealed(ctx, counts, &value, column, row) ? NULL
        : nmdm_db_exec(ctx, NULL, stmt, NMDM_ARGS(value.data, row, stored));
}

static nmdm_err_t *reseal_unlock_token(nmdm_ctx_t *ctx, counts_t *counts,
                                       const char *hex, const char *row)
{
    nmdm_bytes_t value;

    if (!hex) {
        return NULL;
    }
    value = nmdm_hex_decode(ctx->pool, hex);
    return !is_resealed(ctx, counts, &value, NMDM_SEAL_UNLOCK_TOKEN, row)
        ? NULL
        : nmdm_db_exec(ctx, NULL, STMT_SEAL_UNLOCK_TOKEN,
                       NMDM_ARGS(value.data,
                                 apr_psprintf(ctx->pool, "%" APR_SIZE_T_FMT,
                                              value.len),
                                 "devices", "unlock_token", row, hex));
}

/* Text that does not change has the key's name elsewhere. */
static nmdm_err_t *thin_token_update(nmdm_ctx_t *ctx, counts_t *counts,
                                     const char *stored, const char *row)
{
    const char *text = stored ? nmdm_enrollments_token_update_text(ctx, stored)
                              : NULL;

    if (!text || strlen(text) >= strlen(stored)) {
        return NULL;
    }
    counts->changed++;
    return nmdm_db_exec(ctx, NULL, STMT_SEAL_TOKEN_UPDATE,
                        NMDM_ARGS(text, row, stored));
}

/* ---- One row ---- */

/* Counted from nothing, because a transaction may be done again. */
typedef struct {
    const char *row;
    counts_t counts;
} work_t;

static nmdm_err_t *do_seal_cert(nmdm_ctx_t *ctx, void *baton)
{
    work_t *work = baton;
    nmdm_stored_cert_t cert;

    memset(&work->counts, 0, sizeof(work->counts));
    NMDM_TRY(nmdm_push_state_get_cert(ctx, &cert, work->row));
    return !cert.found ? NULL
        : reseal_text(ctx, &work->counts, STMT_SEAL_PUSH_KEY,
                      cert.stored_key, NMDM_SEAL_PUSH_KEY, cert.topic);
}

static nmdm_err_t *do_seal_device(nmdm_ctx_t *ctx, void *baton)
{
    const char *cols[3] = { NULL };
    work_t *work = baton;
    int found;

    memset(&work->counts, 0, sizeof(work->counts));
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 3, STMT_SEAL_DEVICE,
                         NMDM_ARGS(work->row)));
    if (!found) {
        return NULL;
    }
    NMDM_TRY(reseal_text(ctx, &work->counts, STMT_SEAL_BOOTSTRAP_TOKEN,
                         cols[0], NMDM_SEAL_BOOTSTRAP_TOKEN, work->row));
    NMDM_TRY(reseal_unlock_token(ctx, &work->counts, cols[1], work->row));
    return thin_token_update(ctx, &work->counts, cols[2], work->row);
}

/* ---- One page ---- */

typedef struct {
    nmdm_stmt_e stmt;
    int columns;
    const char *after;
    apr_array_header_t *values;
} page_t;

static nmdm_err_t *do_read_page(nmdm_ctx_t *ctx, void *baton)
{
    page_t *page = baton;

    page->values = apr_array_make(ctx->pool, page->columns * NMDM_SQL_IDS,
                                  sizeof(const char *));
    return nmdm_db_rows(ctx, page->values, page->columns, page->stmt,
                        NMDM_ARGS(page->after));
}

/* Whether there is something to do in a row, whose values are cut short; what
 * is settled is counted. */
static int needs_work(nmdm_ctx_t *ctx, nmdm_rekey_t *rekey,
                      const char **row, int columns)
{
    const nmdm_seal_t *keys = ctx->policy->seal;
    nmdm_bytes_t heads[2] = { bytes_of(row[1]), { NULL, 0 } };
    int settled = 0, i;

    if (columns == 4) {
        heads[1] = row[2] ? nmdm_hex_decode(ctx->pool, row[2]) : heads[1];
        if (row[3] && nmdm_seal_is_on(keys)) {
            return 1;
        }
    }
    for (i = 0; i < 2; i++) {
        if (heads[i].data && !nmdm_seal_is_settled(keys, heads[i])) {
            return 1;
        }
        settled += heads[i].data != NULL;
    }
    rekey->counts.settled += settled;
    return 0;
}

static nmdm_err_t *seal_row(nmdm_ctx_t *ctx, nmdm_rekey_t *rekey,
                            const char *id)
{
    counts_t *sum = &rekey->counts;
    work_t work = { .row = id };

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION,
                          rekey->phase == CERTS ? do_seal_cert
                                                 : do_seal_device, &work));
    if (work.counts.failed && !sum->failed) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0952) "%s", work.counts.why);
    }
    sum->settled += work.counts.settled;
    sum->changed += work.counts.changed;
    sum->failed += work.counts.failed;
    return NULL;
}

/* Up to a page of rows, until time is up. */
static nmdm_err_t *seal_page(nmdm_ctx_t *ctx, nmdm_rekey_t *rekey,
                             apr_time_t until)
{
    page_t page = { .after = rekey->after,
                    .stmt = rekey->phase == CERTS ? STMT_SEAL_CERTS
                                                   : STMT_SEAL_DEVICES,
                    .columns = rekey->phase == CERTS ? 2 : 4 };
    const char *id;
    int i;

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read_page, &page));
    for (i = 0; i < page.values->nelts; i += page.columns) {
        const char **row = &APR_ARRAY_IDX(page.values, i, const char *);

        id = row[0];
        if (needs_work(ctx, rekey, row, page.columns)) {
            NMDM_TRY(seal_row(ctx, rekey, id));
        }
        apr_cpystrn(rekey->after, id, sizeof(rekey->after));
        if (nmdm_time_steady() > until) {
            return NULL;
        }
    }
    if (page.values->nelts < page.columns * NMDM_SQL_IDS) {
        rekey->phase++;
        *rekey->after = '\0';
    }
    return NULL;
}

/* A page has memory of its own. */
static nmdm_err_t *seal_some(nmdm_ctx_t *ctx, nmdm_rekey_t *rekey)
{
    apr_time_t until = nmdm_time_steady() + MAX_TIME;
    nmdm_ctx_t part = *ctx;
    nmdm_err_t *err = NULL;

    nmdm_db_release(ctx);
    part.db = NULL;
    apr_pool_create(&part.pool, ctx->pool);
    while (!err && rekey->phase != DONE && nmdm_time_steady() < until) {
        err = seal_page(&part, rekey, until);
        nmdm_db_release(&part);
        err = err ? nmdm_err_copy(ctx->pool, err) : NULL;
        apr_pool_clear(part.pool);
    }
    apr_pool_destroy(part.pool);
    return err;
}

/* ---- Whose turn it is ---- */

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    const char *cols[2] = { NULL };
    turn_t *turn = baton;

    NMDM_TRY(nmdm_db_row(ctx, &turn->found, cols, 2, STMT_SEAL_CHORE_LOOK,
                         NULL, 0));
    turn->position = cols[0] ? cols[0] : "";
    turn->is_due = cols[1] != NULL;
    return NULL;
}

static nmdm_err_t *do_add(nmdm_ctx_t *ctx, void *baton)
{
    (void)baton;
    return nmdm_db_exec(ctx, NULL, STMT_SEAL_CHORE_ADD, NULL, 0);
}

static nmdm_err_t *do_take(nmdm_ctx_t *ctx, void *baton)
{
    turn_t *turn = baton;
    int rows;

    NMDM_TRY(nmdm_db_exec(ctx, &rows, STMT_SEAL_CHORE_TAKE,
                          NMDM_ARGS(turn->rekey->mine, turn->position)));
    turn->is_mine = rows > 0;
    return NULL;
}

/* A name for this child, after that of the keys. */
static nmdm_err_t *begin(nmdm_ctx_t *ctx, turn_t *turn)
{
    nmdm_rekey_t *rekey = turn->rekey;
    unsigned char name[8];

    if (!nmdm_digest_random(name, sizeof(name))) {
        return nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0955)
                        "-: no random numbers");
    }
    memset(rekey, 0, sizeof(*rekey));
    apr_snprintf(rekey->mine, sizeof(rekey->mine), "%s %s", turn->keys,
                 nmdm_hex(ctx->pool, (nmdm_bytes_t){ (const char *)name,
                                                     sizeof(name) }));
    rekey->is_running = 1;
    return NULL;
}

static nmdm_err_t *take_turn(nmdm_ctx_t *ctx, turn_t *turn)
{
    nmdm_rekey_t *rekey = turn->rekey;

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, turn));
    if (!turn->found) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_add, NULL));
    }
    if (!rekey->is_running || strcmp(rekey->mine, turn->position)) {
        rekey->is_running = 0;
        if (!turn->is_due && !strncmp(turn->position, turn->keys,
                                      strlen(turn->keys))) {
            return NULL;
        }
        NMDM_TRY(begin(ctx, turn));
    }
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_take, turn));
    rekey->is_running = turn->is_mine;
    return NULL;
}

/* ---- The end of a pass ---- */

static nmdm_err_t *do_finish(nmdm_ctx_t *ctx, void *baton)
{
    const turn_t *turn = baton;
    int is_clean = !turn->rekey->counts.changed;

    return nmdm_db_exec(ctx, NULL, STMT_CHORE_DONE,
                        NMDM_ARGS(apr_itoa(ctx->pool, is_clean
                                           ? PAUSE : PAUSE_AFTER_CHANGES),
                                  turn->keys, CHORE));
}

static void log_progress(nmdm_ctx_t *ctx, const counts_t *counts)
{
    const nmdm_seal_t *keys = ctx->policy->seal;

    if (counts->failed) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0953)
                 "-: %d stored secrets cannot be opened and stay as they are;"
                 " NanoMDMStorageKey must go on naming every key that has"
                 " sealed one", counts->failed);
    }
    else if (counts->changed) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0950)
                 "-: %d stored secrets were %s; another look follows",
                 counts->changed, nmdm_seal_is_on(keys) ? "sealed"
                                                        : "unsealed");
    }
    else if (nmdm_seal_is_on(keys)) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0951)
                 "-: %d stored secrets are sealed with the key %s; keys after"
                 " it are no longer needed", counts->settled,
                 nmdm_seal_id(keys));
    }
    else {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0956)
                 "-: %d stored secrets are in the clear; NanoMDMStorageKey is"
                 " not needed any more", counts->settled);
    }
}

static void log_that_nothing_is_sealed(nmdm_ctx_t *ctx)
{
    if (!ctx->services->daily
        || nmdm_once_daily_is_due(ctx->services->daily, "NanoMDMStorageKey",
                                  ctx->now)) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(0954)
                 "-: NanoMDMStorageKey needs the additive part of the schema,"
                 " which this database lacks, to seal what is stored already."
                 " Run the scripts of schema/upgrade, or write"
                 " \"NanoMDMSchema auto\"");
    }
}

nmdm_err_t *nmdm_rekey_run(nmdm_ctx_t *ctx, nmdm_rekey_t *rekey)
{
    turn_t turn = { .rekey = rekey,
                    .keys = nmdm_seal_fingerprint(ctx->pool,
                                                  ctx->policy->seal) };

    if (!nmdm_schema_is_complete(ctx)) {
        /* Not before the schema was checked. */
        if (apr_atomic_read32(&ctx->services->db_source->schema->checked)) {
            log_that_nothing_is_sealed(ctx);
        }
        return NULL;
    }
    NMDM_TRY(take_turn(ctx, &turn));
    if (!turn.is_mine) {
        return NULL;
    }
    NMDM_TRY(seal_some(ctx, rekey));
    if (rekey->phase == DONE) {
        rekey->is_running = 0;
        log_progress(ctx, &rekey->counts);
        return nmdm_db_unit(ctx, NMDM_UNIT_WRITE, do_finish, &turn);
    }
    return NULL;
}
