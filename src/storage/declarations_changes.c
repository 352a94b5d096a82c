/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_changes.c -- who is still to be notified, and the command.
 *
 * A change is one row, however many enrollments it concerns. A worker goes
 * through them in pages, each a transaction that also stores its progress; the
 * row of nanomdm_chores says which worker. */

#include "storage/declarations_changes.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "storage/declarations.h"
#include "storage/declarations_tokens.h"
#include "storage/push_state.h"
#include "storage/queue.h"

#include <apr_strings.h>

#include <string.h>

#define CHORE "declarations"
#define REQUEST_TYPE "DeclarativeManagement"
/* What is waited for at most, in windows. */
#define WINDOWS 5
/* Seconds after which a worker that stored no page has lost its lease: another
 * goes on soon after a crash, and a page takes a fraction of a second. Whether
 * the lease was lost is decided in the transaction of each page. */
#define LEASE "10"
/* The position of a change whose enrollment has its command already. */
#define TO_PUSH "push"

/* ---- Noting a change ---- */

static nmdm_err_t *note(nmdm_ctx_t *ctx, const char *set, const char *id,
                        const char *position)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_CHANGE_PUT,
                        NMDM_ARGS(set, id, position));
}

/* An enrollment that gets the set later is not notified of earlier changes. */
nmdm_err_t *nmdm_declarations_changes_set(nmdm_ctx_t *ctx, const char *set)
{
    const char *cols[2];
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, cols, 2, STMT_DD_CHANGE_CONCERNS,
                         NMDM_ARGS(set)));
    return !strcmp(cols[1], "0")
               && apr_atoi64(cols[0]) < NMDM_DECLARATIONS_PAGE ? NULL
        : note(ctx, set, "", "");
}

nmdm_err_t *nmdm_declarations_changes_id(nmdm_ctx_t *ctx, const char *id)
{
    return note(ctx, "", id, "");
}

nmdm_err_t *nmdm_declarations_changes_ids(nmdm_ctx_t *ctx,
                                          const apr_array_header_t *ids)
{
    return nmdm_db_exec(ctx, NULL, STMT_DD_CHANGES_PUT, NMDM_ARGS(
        nmdm_declarations_tokens_list(ctx->pool, ids)));
}

nmdm_err_t *nmdm_declarations_changes_push(nmdm_ctx_t *ctx, const char *id)
{
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_CHANGE_DROP, NMDM_ARGS(id)));
    return note(ctx, "", id, TO_PUSH);
}

/* ---- The command ---- */

/* Without Data: that is put in when it is delivered, so one row serves all. */
static nmdm_err_t *make_command(nmdm_ctx_t *ctx, nmdm_command_t *command)
{
    command->uuid = nmdm_digest_uuid(ctx->pool);
    if (!command->uuid) {
        return nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(2511)
                        "-: no random numbers for a command's UUID");
    }
    command->request_type = REQUEST_TYPE;
    command->text = apr_pstrcat(
        ctx->pool,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\""
        " \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
        "<plist version=\"1.0\">\n<dict>\n\t<key>Command</key>\n\t<dict>\n"
        "\t\t<key>RequestType</key>\n\t\t<string>" REQUEST_TYPE "</string>\n"
        "\t</dict>\n\t<key>CommandUUID</key>\n\t<string>", command->uuid,
        "</string>\n</dict>\n</plist>\n", NULL);
    return NULL;
}

/* Queues one new command; args is for stmt, and has a place for its UUID. The
 * ids that got it are added to queued, which may be NULL. */
static nmdm_err_t *queue(nmdm_ctx_t *ctx, int *number,
                         apr_array_header_t *queued, nmdm_stmt_e stmt,
                         const char **args, int nargs, int uuid_at)
{
    apr_array_header_t *ids = apr_array_make(ctx->pool, 16,
                                             sizeof(const char *));
    nmdm_command_t command = { NULL, NULL, NULL };

    NMDM_TRY(make_command(ctx, &command));
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_COMMAND_PUT,
                          NMDM_ARGS(command.uuid, command.request_type,
                                    command.text)));
    args[uuid_at] = command.uuid;
    NMDM_TRY(nmdm_db_exec(ctx, NULL, stmt, args, nargs));
    NMDM_TRY(nmdm_db_rows(ctx, ids, 1, STMT_DD_QUEUED,
                          NMDM_ARGS(command.uuid)));
    *number = ids->nelts;
    if (!ids->nelts) {
        return nmdm_queue_take_back(ctx, command.uuid);
    }
    if (queued) {
        apr_array_cat(queued, ids);
    }
    return ctx->policy->declarations
        && ctx->policy->declarations->repeats_pushes
        ? nmdm_push_state_expect(ctx, ids,
                                 ctx->now + NMDM_PUSH_STATE_FIRST_CHECK)
        : NULL;
}

nmdm_err_t *nmdm_declarations_changes_queue(nmdm_ctx_t *ctx, int *queued,
                                            const apr_array_header_t *ids,
                                            apr_array_header_t *queued_ids)
{
    const char *args[2] = { nmdm_declarations_tokens_list(ctx->pool, ids) };

    return queue(ctx, queued, queued_ids, STMT_DD_QUEUE_IDS, args, 2, 1);
}

/* ---- The worker: enrollments one by one ---- */

static const char *number(apr_pool_t *p, int n)
{
    return apr_itoa(p, n);
}

static nmdm_err_t *run_ids(nmdm_ctx_t *ctx, nmdm_declarations_run_t *run)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, 64,
                                              sizeof(const char *));
    apr_array_header_t *ids = apr_array_make(ctx->pool, 64,
                                             sizeof(const char *));
    int i, queued;

    NMDM_TRY(nmdm_db_rows(ctx, rows, 3, STMT_DD_CHANGE_DUE_IDS, NMDM_ARGS(
        number(ctx->pool, run->window),
        number(ctx->pool, run->window * WINDOWS))));
    for (i = 0; i < rows->nelts; i += 3) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);

        APR_ARRAY_PUSH(strcmp(row[1], TO_PUSH) ? ids : run->ids, const char *)
            = row[0];
    }
    if (ids->nelts) {
        NMDM_TRY(nmdm_declarations_changes_queue(ctx, &queued, ids,
                                                 run->ids));
    }
    for (i = 0; i < rows->nelts; i += 3) {
        const char **row = &APR_ARRAY_IDX(rows, i, const char *);

        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_CHANGE_SEEN,
                              NMDM_ARGS(row[0], row[2])));
    }
    run->is_done = rows->nelts < 3 * NMDM_DECLARATIONS_PAGE;
    return NULL;
}

/* ---- The worker: all enrollments of a set ---- */

typedef struct {
    const char *seq, *set, *position;
    int has_begun;
} change_t;

static nmdm_err_t *end_of_set(nmdm_ctx_t *ctx, const change_t *change)
{
    int ended;

    NMDM_TRY(nmdm_db_exec(ctx, &ended, STMT_DD_CHANGE_END,
                          NMDM_ARGS(change->seq)));
    return ended ? NULL
        : nmdm_db_exec(ctx, NULL, STMT_DD_CHANGE_AGAIN,
                       NMDM_ARGS(change->seq));
}

static nmdm_err_t *run_set(nmdm_ctx_t *ctx, nmdm_declarations_run_t *run,
                           const change_t *change)
{
    apr_array_header_t *ids = apr_array_make(
        ctx->pool, NMDM_DECLARATIONS_PAGE, sizeof(const char *));
    const char *args[4] = { NULL, change->set, change->position }, *last;
    int queued;

    if (!change->has_begun) {
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_CHANGE_BEGIN,
                              NMDM_ARGS(change->seq)));
        args[2] = "";
    }
    NMDM_TRY(nmdm_declarations_list(ctx, ids, NMDM_LIST_SET_ENROLLMENTS,
                                    change->set, args[2]));
    if (ids->nelts) {
        last = APR_ARRAY_IDX(ids, ids->nelts - 1, const char *);
        args[3] = last;
        NMDM_TRY(queue(ctx, &queued, run->ids, STMT_DD_QUEUE_SET, args, 4,
                       0));
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_DD_CHANGE_POSITION,
                              NMDM_ARGS(last, change->seq)));
    }
    return ids->nelts < NMDM_DECLARATIONS_PAGE ? end_of_set(ctx, change)
                                               : NULL;
}

static nmdm_err_t *due_set(nmdm_ctx_t *ctx, int *found, change_t *change,
                           int window)
{
    const char *cols[4];

    NMDM_TRY(nmdm_db_row(ctx, found, cols, 4, STMT_DD_CHANGE_DUE, NMDM_ARGS(
        number(ctx->pool, window), number(ctx->pool, window * WINDOWS))));
    if (*found) {
        *change = (change_t){ cols[0], cols[1], cols[2],
                              strcmp(cols[3], "0") != 0 };
    }
    return NULL;
}

nmdm_err_t *nmdm_declarations_changes_run(nmdm_ctx_t *ctx,
                                          nmdm_declarations_run_t *run)
{
    change_t change;
    int found;

    apr_array_clear(run->ids);
    run->is_done = 0;
    NMDM_TRY(nmdm_db_exec(ctx, &run->is_owner, STMT_DD_LEASE,
                          NMDM_ARGS(LEASE, run->owner)));
    if (!run->is_owner) {
        return NULL;
    }
    NMDM_TRY(due_set(ctx, &found, &change, run->window));
    return found ? run_set(ctx, run, &change) : run_ids(ctx, run);
}

nmdm_err_t *nmdm_declarations_changes_due(nmdm_ctx_t *ctx, int *yes,
                                          int window)
{
    apr_array_header_t *rows = apr_array_make(ctx->pool, 8,
                                              sizeof(const char *));
    change_t change;

    NMDM_TRY(due_set(ctx, yes, &change, window));
    if (*yes) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_rows(ctx, rows, 1, STMT_DD_CHANGE_DUE_IDS, NMDM_ARGS(
        number(ctx->pool, window), number(ctx->pool, window * WINDOWS))));
    *yes = rows->nelts > 0;
    return NULL;
}

/* ---- The lease ---- */

nmdm_err_t *nmdm_declarations_changes_take(nmdm_ctx_t *ctx, int *taken,
                                           const char *owner)
{
    const char *cols[1];
    int due;

    *taken = 0;
    NMDM_TRY(nmdm_db_row(ctx, &due, cols, 1, STMT_CHORE_DUE,
                         NMDM_ARGS(CHORE)));
    if (!due) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_exec(ctx, taken, STMT_CHORE_TAKE,
                          NMDM_ARGS(CHORE, cols[0])));
    return *taken ? nmdm_db_exec(ctx, NULL, STMT_CHORE_DONE,
                                 NMDM_ARGS(LEASE, owner, CHORE)) : NULL;
}

nmdm_err_t *nmdm_declarations_changes_give_back(nmdm_ctx_t *ctx)
{
    return nmdm_db_exec(ctx, NULL, STMT_CHORE_DONE, NMDM_ARGS("0", "",
                                                              CHORE));
}
