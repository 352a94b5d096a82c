/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_sqlite3.c -- SQLite, a file that belongs to httpd alone: sessions,
 * errors, locks. What is asked of it is in db/statements.c, where SQLITE3 marks
 * the texts of its own. */

#include "db/db.h"
#include "db/db_error.h"
#include "db/session.h"

#include <apr_strings.h>

#include <string.h>

#define TAKE_OVER \
    "; the file of DBDParams and its folder must belong to httpd's User:" \
    " chown -R both to it, then restart httpd gracefully"

/* ---- Sessions ---- */

/* An answered report is on the disk, whatever happens next: either each commit
 * flushes the log, or nmdm_sqlite_wal_flush() does that for several. */
static nmdm_err_t *settle_durability(nmdm_ctx_t *ctx)
{
    nmdm_session_t *session = ctx->db->session;
    const char *mode, *file;

    NMDM_TRY(nmdm_db_ask_column(ctx, &mode, 0, "PRAGMA journal_mode"));
    /* Number, name and file; "main" is the first. */
    NMDM_TRY(nmdm_db_ask_column(ctx, &file, 2, "PRAGMA database_list"));
    if (!ctx->services->db_source->wal || strcmp(mode, "wal")) {
        session->wal_path = NULL;
        return nmdm_db_run(ctx, "PRAGMA synchronous = FULL");
    }
    session->wal_path = apr_pstrcat(session->pool, file, "-wal", NULL);
    return nmdm_db_run(ctx, "PRAGMA synchronous = NORMAL");
}

static nmdm_err_t *settle(nmdm_ctx_t *ctx)
{
    NMDM_TRY(nmdm_db_run(ctx, "PRAGMA foreign_keys = ON"));
    /* In KiB: of the usual 2 MB for each connection little would be used
     * twice, and the system keeps the file in memory as well. */
    NMDM_TRY(nmdm_db_run(ctx, "PRAGMA cache_size = -512"));
    /* Short: the driver sleeps with a lock of the whole process held. */
    NMDM_TRY(nmdm_db_run(ctx, "PRAGMA busy_timeout = 20"));
    return settle_durability(ctx);
}

/* ---- Errors ---- */

/* SQLite's file, or the folder in which it makes others, is not httpd's until
 * an administrator changes the owner. */
static int lacks_rights(const char *text)
{
    return strstr(text, "attempt to write a readonly database")
        || strstr(text, "unable to open database file");
}

/* The driver's number says no more than the text. */
static nmdm_retry_e classify(int rv, const char *text)
{
    (void)rv;
    if (lacks_rights(text)) {
        return NMDM_RETRY_LATER;
    }
    return strstr(text, "is locked") || strstr(text, "schema has changed")
        ? NMDM_RETRY_WAIT : NMDM_RETRY_FEW;
}

static const char *remedy(const char *text)
{
    return lacks_rights(text) ? TAKE_OVER : "";
}

/* ---- Schema ---- */

/* SQLite then writes ahead, which the file remembers: readers do not wait for
 * a writer. */
static nmdm_err_t *prepare(nmdm_ctx_t *ctx)
{
    NMDM_TRY(nmdm_db_run(ctx, "PRAGMA journal_mode = WAL"));
    return settle_durability(ctx);
}

static nmdm_err_t *lock_schema(nmdm_ctx_t *ctx)
{
    return nmdm_db_run(ctx, "BEGIN IMMEDIATE");
}

static nmdm_err_t *unlock_schema(nmdm_ctx_t *ctx, int has_failed)
{
    return nmdm_db_run(ctx, has_failed ? "ROLLBACK" : "COMMIT");
}

const nmdm_dialect_t nmdm_dialect_sqlite3 = {
    .id = NMDM_SQLITE3,
    .name = "sqlite3",
    .now = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
    .epoch_seconds = "CAST(strftime('%%s', 'now') AS INTEGER)",
    /* OCTET_LENGTH is new in SQLite 3.43, whose LENGTH counts characters: of
     * text in ASCII that is the same. */
    .byte_length = "LENGTH",
    .calls = {
        /* To the millisecond, which is what the tables hold: julianday is a
         * day and its fraction. */
        [NMDM_CALL_SECONDS] = { "ROUND((julianday(",
                                ") - 2440587.5) * 86400, 3)" },
        [NMDM_CALL_DIGITS] = { "(", ")" },
        [NMDM_CALL_INTEGER_OF] = { "CAST(", " AS INTEGER)" },
        [NMDM_CALL_TIME_OF] = { "strftime('%%Y-%%m-%%d %%H:%%M:%%f', CAST(",
                                " AS INTEGER), 'unixepoch')" },
        [NMDM_CALL_TEXT_OF_TIME] = { "(", ")" },
        [NMDM_CALL_TIME_OF_TEXT] = { "(", ")" },
    },
    .begin = "BEGIN IMMEDIATE",
    .count_table = { "SELECT COUNT(*) FROM sqlite_master WHERE name = ('",
                     "')" },
    .has_one_writer = 1,
    .is_ours_alone = 1,
    .repeats_uuid = 1,
    .upsert_copies = 1,
    .keeps_statements = 1,
    .settle = settle,
    .classify = classify,
    .remedy = remedy,
    .prepare = prepare,
    .lock_schema = lock_schema,
    .unlock_schema = unlock_schema,
};
