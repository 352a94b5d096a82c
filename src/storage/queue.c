/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c -- the command queue: the next command, a report (NotNow, too), and
 * what is put into it. */

#include "storage/cert_associations.h"
#include "storage/enrollment_queries.h"
#include "storage/queue.h"
#include "db/db.h"
#include "db/schema.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

/* For a poll without a report, the cheap question first: most often nothing
 * waits. The other databases keep their plans, so there it would cost more. */
static nmdm_err_t *look(nmdm_ctx_t *ctx, nmdm_next_e *next,
                        const nmdm_id_t *who)
{
    const char *args[5] = { who->id, who->device_id, ctx->cert->sha256 };
    const char *cols[2];
    int more, found;

    NMDM_TRY(nmdm_cert_associations_text(ctx, &more, args + 3));
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 2,
                         more ? STMT_QUEUE_WAITS_LATEST : STMT_QUEUE_WAITS,
                         args, 3 + more));
    *next = !found ? NMDM_NEXT_STRANGER
        : !cols[1] ? NMDM_NEXT_NOTHING : NMDM_NEXT_COMMAND;
    return NULL;
}

/* The columns after the first of a row about the next command. */
static nmdm_next_e next_of(nmdm_command_t *command, const char **cols)
{
    if (!cols[1]) {
        return NMDM_NEXT_NOTHING;
    }
    command->uuid = cols[1];
    command->request_type = cols[2];
    command->text = cols[3];
    return NMDM_NEXT_COMMAND;
}

/* The one status that does not keep a command back after a report of this
 * one. */
static const char *open_status(const char *status)
{
    return strcmp(status, "NotNow") ? "NotNow" : "";
}

static nmdm_err_t *fetch(nmdm_ctx_t *ctx, nmdm_next_e *next,
                         nmdm_command_t *command, const nmdm_id_t *who,
                         const char *status)
{
    const char *open = open_status(status), *cols[4];
    const char *args[7] = { who->id, open, open, who->device_id,
                            ctx->cert->sha256 };
    int more, found;

    NMDM_TRY(nmdm_cert_associations_text(ctx, &more, args + 5));
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 4,
                         more ? STMT_QUEUE_NEXT_LATEST
                         : nmdm_schema_is_complete(ctx)
                             ? STMT_QUEUE_NEXT : STMT_QUEUE_NEXT_SCAN,
                         args, 5 + more));
    *next = found ? next_of(command, cols) : NMDM_NEXT_STRANGER;
    return NULL;
}

nmdm_err_t *nmdm_queue_next(nmdm_ctx_t *ctx, nmdm_next_e *next,
                            nmdm_command_t *command, const nmdm_id_t *who,
                            const char *status)
{
    if (ctx->db->dialect->looks_first && nmdm_schema_is_complete(ctx)
        && !strcmp(status, "Idle") && *next != NMDM_NEXT_COMMAND) {
        NMDM_TRY(look(ctx, next, who));
        if (*next != NMDM_NEXT_COMMAND) {
            return NULL;
        }
    }
    return fetch(ctx, next, command, who, status);
}

/* PostgreSQL does both in one statement; the others cannot, and it does not
 * with NanoMDMAssociation latest. */
static nmdm_err_t *report_and_fetch(nmdm_ctx_t *ctx, int *stored,
                                    nmdm_next_e *next,
                                    nmdm_command_t *command,
                                    const nmdm_msg_t *msg)
{
    const nmdm_report_t *report = &msg->u.report;
    const char *open = open_status(report->status), *cols[4];
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 4,
                         strcmp(report->status, "NotNow")
                             ? STMT_RESULT_PUT_NEXT
                             : STMT_RESULT_NOT_NOW_NEXT,
                         NMDM_ARGS(report->status, report->stored,
                                   msg->who.id, report->command_uuid,
                                   msg->who.device_id, ctx->cert->sha256,
                                   msg->who.id, report->command_uuid, open,
                                   open, msg->who.device_id,
                                   ctx->cert->sha256)));
    *stored = found && strcmp(cols[0], "0");
    if (*stored) {
        *next = next_of(command, cols);
    }
    return NULL;
}

/* In bytes. Of a report that is this long memory counts more than the time of
 * one more statement. */
#define LONG_REPORT (1024 * 1024)

/* By whether it is NotNow, and whether LATEST has parameters. */
static nmdm_err_t *store(nmdm_ctx_t *ctx, int *stored,
                         const nmdm_report_t *report, int is_latest,
                         const char **args, int nargs)
{
    static const nmdm_stmt_e PUT[2][2] = {
        { STMT_RESULT_PUT, STMT_RESULT_PUT_LATEST },
        { STMT_RESULT_NOT_NOW, STMT_RESULT_NOT_NOW_LATEST },
    }, REPLACE[2][2] = {
        { STMT_RESULT_REPLACE, STMT_RESULT_REPLACE_LATEST },
        { STMT_RESULT_DEFER_AGAIN, STMT_RESULT_DEFER_AGAIN_LATEST },
    };
    int is_not_now = !strcmp(report->status, "NotNow");

    *stored = 0;
    if (ctx->db->dialect->upsert_copies
        && strlen(report->stored) >= LONG_REPORT) {
        NMDM_TRY(nmdm_db_exec(ctx, stored, REPLACE[is_not_now][is_latest],
                              args, nargs));
    }
    return *stored ? NULL
        : nmdm_db_exec(ctx, stored, PUT[is_not_now][is_latest], args, nargs);
}

nmdm_err_t *nmdm_queue_report(nmdm_ctx_t *ctx, int *stored,
                              nmdm_next_e *next, nmdm_command_t *command,
                              const nmdm_msg_t *msg)
{
    const nmdm_report_t *report = &msg->u.report;
    const char *args[9] = { report->status,
                            nmdm_schema_xml(ctx, report->stored), msg->who.id,
                            report->command_uuid, msg->who.device_id,
                            ctx->cert->sha256 };
    int more, n;

    *next = NMDM_NEXT_UNKNOWN;
    NMDM_TRY(nmdm_cert_associations_text(ctx, &more, args + 6));
    if (ctx->db->dialect->writes_return_rows && nmdm_schema_is_complete(ctx)
        && !more) {
        return report_and_fetch(ctx, stored, next, command, msg);
    }
    n = 6 + more;
    if (ctx->db->dialect->repeats_uuid) {
        args[n++] = report->command_uuid;
    }
    return store(ctx, stored, report, more != 0, args, n);
}

nmdm_err_t *nmdm_queue_remove(nmdm_ctx_t *ctx, int *was_queued,
                              const nmdm_msg_t *msg)
{
    const char *uuid = msg->u.report.command_uuid;

    NMDM_TRY(nmdm_db_exec(ctx, was_queued, STMT_QUEUE_REMOVE,
                          NMDM_ARGS(msg->who.id, uuid)));
    return nmdm_db_exec(ctx, NULL, STMT_RESULT_REMOVE,
                        NMDM_ARGS(msg->who.id, uuid));
}

nmdm_err_t *nmdm_queue_remove_command(nmdm_ctx_t *ctx, const char *uuid)
{
    return nmdm_db_exec(ctx, NULL, STMT_COMMAND_REMOVE, NMDM_ARGS(uuid));
}

nmdm_err_t *nmdm_queue_clear(nmdm_ctx_t *ctx, const char *device_id)
{
    return nmdm_db_exec(ctx, NULL,
                        nmdm_schema_is_complete(ctx) ? STMT_QUEUE_CLEAR
                                           : STMT_QUEUE_CLEAR_SCAN,
                        NMDM_ARGS(device_id));
}

/* ---- Enqueue ---- */

/* The first of n ids that is no enrollment, or NULL. */
static nmdm_err_t *find_unknown(nmdm_ctx_t *ctx, const char **unknown,
                                const char **places, int n)
{
    apr_array_header_t *known = apr_array_make(ctx->pool, n,
                                               sizeof(const char *));
    apr_hash_t *set = apr_hash_make(ctx->pool);
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, known, 1, STMT_ENROLLED_IDS, places,
                          NMDM_SQL_IDS));
    for (i = 0; i < known->nelts; i++) {
        const char *id = APR_ARRAY_IDX(known, i, const char *);

        apr_hash_set(set, id, APR_HASH_KEY_STRING, id);
    }
    *unknown = NULL;
    for (i = 0; i < n && !*unknown; i++) {
        if (!apr_hash_get(set, places[i], APR_HASH_KEY_STRING)) {
            *unknown = places[i];
        }
    }
    return NULL;
}

static nmdm_err_t *not_enrolled(nmdm_ctx_t *ctx, const char *id)
{
    const char *other;

    NMDM_TRY(nmdm_enrollment_queries_other_case(ctx, &other, id));
    return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0601)
                    "%s is not enrolled; nothing was queued%s%s", id, other
                    ? "; an enrollment of this id in other letter case exists:"
                      " " : "", other ? other : "");
}

nmdm_err_t *nmdm_queue_check_ids(nmdm_ctx_t *ctx,
                                 const apr_array_header_t *ids)
{
    const char *places[NMDM_SQL_IDS], *unknown;
    int done, n;

    for (done = 0; done < ids->nelts; done += n) {
        n = nmdm_db_fill_ids(places, ids, done);
        NMDM_TRY(find_unknown(ctx, &unknown, places, n));
        if (unknown) {
            return not_enrolled(ctx, unknown);
        }
    }
    return NULL;
}

/* Why fewer rows were written than there are ids. */
static nmdm_err_t *explain_count(nmdm_ctx_t *ctx,
                                 const apr_array_header_t *ids)
{
    NMDM_TRY(nmdm_queue_check_ids(ctx, ids));
    return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0602)
                    "the ids differ only in ways that the database's"
                    " collation ignores; nothing was queued");
}

/* Where there is no column for it, a command would be delivered without
 * end. */
static nmdm_err_t *cannot_expire(nmdm_ctx_t *ctx)
{
    return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0604)
                    "\"expires\" needs the additive part of the schema, which"
                    " this database lacks: run the scripts of schema/upgrade,"
                    " or write \"NanoMDMSchema auto\"; nothing was queued");
}

nmdm_err_t *nmdm_queue_put_command(nmdm_ctx_t *ctx,
                                   const nmdm_command_t *command)
{
    int exists;

    NMDM_TRY(nmdm_db_row(ctx, &exists, NULL, 0, STMT_COMMAND_EXISTS,
                         NMDM_ARGS(command->uuid)));
    if (exists) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(0603)
                        "command already exists: %s; nothing was queued",
                        command->uuid);
    }
    return nmdm_db_exec(ctx, NULL, STMT_COMMAND_PUT,
                        NMDM_ARGS(command->uuid, command->request_type,
                                  command->text));
}

/* A statement's worth of ids from the one at `done` on; *n is how many. args
 * begin with the time, the priority and the UUID, of which the first is only
 * for commands that expire. */
static nmdm_err_t *put_some(nmdm_ctx_t *ctx, int *n, int *rows,
                            const char **args, const apr_array_header_t *ids,
                            int done, int expires)
{
    const int is_many = ids->nelts - done >= NMDM_SQL_MANY;
    int i;

    if (is_many) {
        for (i = 0; i < NMDM_SQL_MANY; i++) {
            args[3 + i] = APR_ARRAY_IDX(ids, done + i, const char *);
        }
        *n = NMDM_SQL_MANY;
    }
    else {
        *n = nmdm_db_fill_ids(args + 3, ids, done);
    }
    return nmdm_db_exec(ctx, rows,
                        expires ? is_many ? STMT_QUEUE_PUT_EXPIRING_MANY
                                          : STMT_QUEUE_PUT_EXPIRING
                                : is_many ? STMT_QUEUE_PUT_MANY
                                          : STMT_QUEUE_PUT,
                        args + !expires, 2 + expires
                        + (is_many ? NMDM_SQL_MANY : NMDM_SQL_IDS));
}

nmdm_err_t *nmdm_queue_put(nmdm_ctx_t *ctx, const char *uuid,
                           const apr_array_header_t *ids,
                           const nmdm_enqueue_options_t *options)
{
    const char *args[3 + NMDM_SQL_MANY];
    int expires = options->expires != 0, done, n, rows;

    if (expires && !nmdm_schema_is_complete(ctx)) {
        return cannot_expire(ctx);
    }
    args[0] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                           (apr_int64_t)apr_time_sec(options->expires));
    args[1] = apr_itoa(ctx->pool, options->priority);
    args[2] = uuid;
    for (done = 0; done < ids->nelts; done += n) {
        NMDM_TRY(put_some(ctx, &n, &rows, args, ids, done, expires));
        if (rows != n) {
            return explain_count(ctx, ids);
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_queue_has(nmdm_ctx_t *ctx, int *yes, const char *id,
                           const char *uuid)
{
    return nmdm_db_row(ctx, yes, NULL, 0, STMT_QUEUE_HAS,
                       NMDM_ARGS(id, uuid));
}

nmdm_err_t *nmdm_queue_take_back(nmdm_ctx_t *ctx, const char *uuid)
{
    return nmdm_db_exec(ctx, NULL, STMT_COMMAND_TAKE_BACK, NMDM_ARGS(uuid));
}
