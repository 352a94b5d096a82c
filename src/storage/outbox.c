/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.c -- the outbox of durable webhooks: put, lease, done, failed. */

#include "storage/outbox.h"
#include "base/time.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/outbox_payload.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Bytes around an event in a packet for MySQL. */
#define OVERHEAD 8192

/* Characters of nanomdm_events.last_error. */
#define LONGEST_ERROR 255

int nmdm_outbox_splits(const nmdm_ctx_t *ctx, apr_size_t len)
{
    return len > NMDM_OUTBOX_LONG && nmdm_outbox_payload_fits(ctx);
}

int nmdm_outbox_takes(const nmdm_ctx_t *ctx, apr_size_t len)
{
    apr_uint32_t most
        = apr_atomic_read32(&ctx->services->db_source->schema->max_packet);

    return nmdm_schema_is_complete(ctx) && len <= NMDM_OUTBOX_LONGEST
        && (!most || len + OVERHEAD <= most || nmdm_outbox_splits(ctx, len));
}

static nmdm_err_t *do_nothing(nmdm_ctx_t *ctx, void *baton)
{
    (void)ctx;
    (void)baton;
    return NULL;
}

/* Acquiring a connection checks the schema if that was not done. */
nmdm_err_t *nmdm_outbox_find(nmdm_ctx_t *ctx, int *found)
{
    if (!apr_atomic_read32(&ctx->services->db_source->schema->checked)) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_nothing, NULL));
    }
    *found = nmdm_outbox_takes(ctx, 0);
    return NULL;
}

static nmdm_err_t *put_long(nmdm_ctx_t *ctx, const char **seq,
                            const char **args, int nargs)
{
    int found;

    if (ctx->db->dialect->writes_return_rows) {
        NMDM_TRY(nmdm_db_row(ctx, &found, seq, 1, STMT_EVENT_PUT_LONG, args,
                             nargs));
    }
    else {
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_EVENT_PUT_LONG, args, nargs));
        NMDM_TRY(nmdm_db_row(ctx, &found, seq, 1, STMT_EVENT_LAST_PUT, NULL,
                             0));
    }
    return found && *seq ? NULL
        : nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(1825)
                   "-: the database does not say which number a long event"
                   " has in nanomdm_events");
}

nmdm_err_t *nmdm_outbox_put(nmdm_ctx_t *ctx, const nmdm_event_t *event)
{
    const char *args[] = {
        event->device_id, event->target, event->event_id, event->topic,
        event->body, event->traceparent ? event->traceparent : "",
        event->device_id, event->target,
        apr_psprintf(ctx->pool, "%" APR_SIZE_T_FMT,
                     nmdm_base64_length(event->payload.len))
    };
    int nargs = (int)(sizeof(args) / sizeof(*args));
    const char *seq;

    if (!event->payload.len) {
        return nmdm_db_exec(ctx, NULL, STMT_EVENT_PUT, args, nargs - 1);
    }
    NMDM_TRY(put_long(ctx, &seq, args, nargs));
    return nmdm_outbox_payload_put(ctx, seq, event->payload);
}

/* ---- Delivery ---- */

/* The statement for a database that may have parts. */
static nmdm_stmt_e of_schema(const nmdm_ctx_t *ctx, nmdm_stmt_e before,
                             nmdm_stmt_e with_parts)
{
    return nmdm_schema_has_event_parts(ctx) ? with_parts : before;
}

nmdm_err_t *nmdm_outbox_look(nmdm_ctx_t *ctx, apr_array_header_t *seqs,
                             const char *target, int most, int takes_long)
{
    apr_array_header_t *values = apr_array_make(ctx->pool,
                                                3 * NMDM_OUTBOX_MOST,
                                                sizeof(const char *));
    int has_parts = nmdm_schema_has_event_parts(ctx), i;
    const char *args[] = { target, takes_long ? "2147483647" : "0" };
    apr_int64_t bytes = 0;

    NMDM_TRY(nmdm_db_rows(ctx, values, 3,
                          of_schema(ctx, STMT_EVENT_LOOK,
                                    STMT_EVENT_LOOK_LONG),
                          args, has_parts ? 2 : 1));
    for (i = 0; i < values->nelts && seqs->nelts < most; i += 3) {
        const char **cols = &APR_ARRAY_IDX(values, i, const char *);

        if (strcmp(cols[2], "0")) {
            if (!takes_long) {
                continue;
            }
            takes_long = 0;
        }
        bytes += apr_atoi64(cols[1]);
        if (seqs->nelts && bytes > (apr_int64_t)NMDM_OUTBOX_BYTES) {
            break;
        }
        APR_ARRAY_PUSH(seqs, const char *) = cols[0];
    }
    return NULL;
}

/* Runs a statement whose list of numbers is first, or, when it sets something,
 * after that. */
static nmdm_err_t *run_for(nmdm_ctx_t *ctx, int *affected, nmdm_stmt_e stmt,
                           const char *before,
                           const apr_array_header_t *seqs,
                           const char *after)
{
    const char *args[NMDM_SQL_IDS + 2];
    int at = 0, done, n, rows;

    if (affected) {
        *affected = 0;
    }
    for (done = 0; done < seqs->nelts; done += n) {
        at = 0;
        if (before) {
            args[at++] = before;
        }
        n = nmdm_db_fill_ids(args + at, seqs, done);
        at += NMDM_SQL_IDS;
        if (after) {
            args[at++] = after;
        }
        NMDM_TRY(nmdm_db_exec(ctx, &rows, stmt, args, at));
        if (affected) {
            *affected += rows;
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_outbox_lease(nmdm_ctx_t *ctx, const apr_array_header_t *seqs,
                              const char *lease)
{
    return run_for(ctx, NULL, STMT_EVENT_LEASE, lease, seqs, NULL);
}

/* A database may be upgraded while it is in use. What another server has stored
 * in parts since then is not to be sent without them. */
static nmdm_err_t *look_for_parts(nmdm_ctx_t *ctx,
                                  const apr_array_header_t *events)
{
    int i;

    for (i = 0; i < events->nelts; i++) {
        if (strstr(APR_ARRAY_IDX(events, i, nmdm_event_t *)->body,
                   "\"raw_payload\":\"\"")) {
            return nmdm_schema_look_again(ctx);
        }
    }
    return NULL;
}

static nmdm_event_t *event_of(apr_pool_t *p, const char *const *cols,
                              const char *target)
{
    nmdm_event_t *event = apr_pcalloc(p, sizeof(*event));

    event->seq = cols[0];
    event->device_id = cols[1];
    event->event_id = cols[2];
    event->topic = cols[3];
    event->traceparent = cols[4] && *cols[4] ? cols[4] : NULL;
    event->tries = atoi(cols[5]);
    event->is_last_try = atoi(cols[6]);
    event->body = cols[7];
    event->payload_size = (apr_size_t)apr_atoi64(cols[8]);
    event->target = target;
    return event;
}

nmdm_err_t *nmdm_outbox_read(nmdm_ctx_t *ctx, apr_array_header_t *events,
                             const apr_array_header_t *seqs,
                             const char *target, const char *lease)
{
    apr_array_header_t *values = apr_array_make(ctx->pool,
                                                9 * seqs->nelts + 1,
                                                sizeof(const char *));
    const char *args[NMDM_SQL_IDS + 1];
    int i;

    (void)nmdm_db_fill_ids(args, seqs, 0);
    args[NMDM_SQL_IDS] = lease;
    NMDM_TRY(nmdm_db_rows(ctx, values, 9,
                          of_schema(ctx, STMT_EVENT_READ,
                                    STMT_EVENT_READ_LONG),
                          args, NMDM_SQL_IDS + 1));
    for (i = 0; i < values->nelts; i += 9) {
        APR_ARRAY_PUSH(events, nmdm_event_t *)
            = event_of(ctx->pool, &APR_ARRAY_IDX(values, i, const char *),
                       target);
    }
    return nmdm_schema_has_event_parts(ctx) ? NULL
                                            : look_for_parts(ctx, events);
}

nmdm_err_t *nmdm_outbox_renew(nmdm_ctx_t *ctx, const apr_array_header_t *seqs,
                              const char *lease)
{
    return run_for(ctx, NULL, STMT_EVENT_RENEW, NULL, seqs, lease);
}

nmdm_err_t *nmdm_outbox_done(nmdm_ctx_t *ctx, const apr_array_header_t *seqs,
                             const char *lease)
{
    return run_for(ctx, NULL, STMT_EVENT_DONE, NULL, seqs, lease);
}

/* Whole characters, as many as the column holds. */
static const char *shortened(apr_pool_t *p, const char *why)
{
    apr_size_t len = strlen(why);

    if (!nmdm_utf8_valid(why, len)) {
        return "(the reason is not UTF-8)";
    }
    if (len > LONGEST_ERROR) {
        len = LONGEST_ERROR;
        while (((unsigned char)why[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    return apr_pstrmemdup(p, why, len);
}

nmdm_err_t *nmdm_outbox_failed(nmdm_ctx_t *ctx, const nmdm_event_t *event,
                               const char *why, int delay,
                               const char *lease)
{
    const char *seconds = apr_itoa(ctx->pool, delay);
    int held;

    why = shortened(ctx->pool, why);
    if (event->is_last_try) {
        return nmdm_db_exec(ctx, NULL, STMT_EVENT_DEAD,
                            NMDM_ARGS(why, event->seq, lease));
    }
    NMDM_TRY(nmdm_db_exec(ctx, &held, STMT_EVENT_FAILED,
                          NMDM_ARGS(why, seconds, seconds, event->seq,
                                    lease)));
    if (!held) {
        return NULL;
    }
    return nmdm_db_exec(ctx, NULL, STMT_EVENT_PUT_OFF,
                        NMDM_ARGS(seconds, event->device_id, event->target,
                                  event->seq));
}

nmdm_err_t *nmdm_outbox_make_due(nmdm_ctx_t *ctx, const char *target)
{
    return nmdm_db_exec(ctx, NULL, STMT_EVENT_DUE_NOW, NMDM_ARGS(target));
}

nmdm_err_t *nmdm_outbox_backlog(nmdm_ctx_t *ctx, apr_int64_t *number,
                                apr_int64_t *bytes, int *is_overdue,
                                const char *target)
{
    const char *counts[3] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, counts, 3,
                         of_schema(ctx, STMT_EVENT_BACKLOG,
                                   STMT_EVENT_BACKLOG_LONG),
                         NMDM_ARGS(target)));
    *bytes = found && counts[2] ? apr_atoi64(counts[2]) : 0;
    *number = found && counts[0] ? apr_atoi64(counts[0]) : 0;
    *is_overdue = found && counts[1] && apr_atoi64(counts[1]) > 0;
    return NULL;
}

nmdm_err_t *nmdm_outbox_bytes(nmdm_ctx_t *ctx, apr_int64_t *bytes,
                              const char *device_id, const char *target)
{
    const char *sum = NULL;
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, &sum, 1,
                         of_schema(ctx, STMT_EVENT_BYTES,
                                   STMT_EVENT_BYTES_LONG),
                         NMDM_ARGS(device_id, target)));
    *bytes = found && sum ? apr_atoi64(sum) : 0;
    return NULL;
}

int nmdm_outbox_delay(int tries, unsigned char chance)
{
    static const int STEPS[] = { 1, 5, 30, 120, 600, 3600 };
    int last = (int)(sizeof(STEPS) / sizeof(*STEPS)) - 1;
    int step = STEPS[tries < last ? tries : last];

    return step + step * (chance - 128) / (5 * 128);
}

/* ---- For operators ---- */

nmdm_err_t *nmdm_outbox_list(nmdm_ctx_t *ctx, apr_array_header_t *events,
                             int dead, const char *after)
{
    apr_array_header_t *values = apr_array_make(ctx->pool, 9 * NMDM_SQL_IDS,
                                                sizeof(const char *));
    int i;

    NMDM_TRY(nmdm_db_rows(ctx, values, 9, dead ? STMT_EVENT_LIST_DEAD
                                               : STMT_EVENT_LIST_PENDING,
                          NMDM_ARGS(after)));
    for (i = 0; i < values->nelts; i += 9) {
        const char **cols = &APR_ARRAY_IDX(values, i, const char *);
        nmdm_listed_event_t event = {
            .seq = cols[0], .event_id = cols[1], .topic = cols[2],
            .device_id = cols[3], .target = cols[4],
            .last_error = cols[7] && *cols[7] ? cols[7] : NULL,
            .tries = apr_atoi64(cols[5]), .next_at = apr_atoi64(cols[6]),
            .created_at = apr_atoi64(cols[8]),
        };

        APR_ARRAY_PUSH(events, nmdm_listed_event_t) = event;
    }
    return NULL;
}

nmdm_err_t *nmdm_outbox_state(nmdm_ctx_t *ctx, nmdm_outbox_state_t *state)
{
    const char *waiting[2] = { NULL }, *dead[2] = { NULL };
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, waiting, 2, STMT_EVENT_STATE_WAITING,
                         NMDM_ARGS(state->target)));
    NMDM_TRY(nmdm_db_row(ctx, &found, dead, 2, STMT_EVENT_STATE_DEAD,
                         NMDM_ARGS(state->target)));
    state->waiting = waiting[0] ? atoi(waiting[0]) : 0;
    state->oldest = nmdm_time_of_seconds(waiting[1]);
    state->dead = dead[0] ? atoi(dead[0]) : 0;
    return NULL;
}

nmdm_err_t *nmdm_outbox_replay(nmdm_ctx_t *ctx, int *number,
                               const apr_array_header_t *seqs)
{
    return run_for(ctx, number, STMT_EVENT_REPLAY, NULL, seqs, NULL);
}

nmdm_err_t *nmdm_outbox_replay_target(nmdm_ctx_t *ctx, int *number,
                                      const char *target)
{
    return nmdm_db_exec(ctx, number, STMT_EVENT_REPLAY_TARGET,
                        NMDM_ARGS(target));
}

nmdm_err_t *nmdm_outbox_drop(nmdm_ctx_t *ctx, int *number, const char *seq)
{
    return nmdm_db_exec(ctx, number, STMT_EVENT_DROP, NMDM_ARGS(seq));
}
