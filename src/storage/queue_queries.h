/* SPDX-License-Identifier: Apache-2.0 */
/* queue_queries.h -- queues and results as operators see them; cancelling.
 *
 * Typed calls that read a page at a time, each within a unit of db/db.h. Times
 * are 0 and texts NULL where nothing is stored. */

#ifndef NMDM_QUEUE_QUERIES_H
#define NMDM_QUEUE_QUERIES_H

#include "storage/enrollment_queries.h"
#include "mdm/message.h"

typedef struct {
    const char *uuid, *request_type;
    const char *priority;
    const char *created_text;   /* as the database writes it, for cursors */
    const char *tie;            /* orders commands of one time */
    apr_time_t created, expires;
    const char *status;         /* NotNow, or NULL */
    const char *not_now_tally;
    apr_time_t not_now_at;
} nmdm_queued_t;

/* Where a page of a queue begins: the last entry before it. */
typedef struct {
    const char *priority, *created_text, *tie;
} nmdm_queue_place_t;

extern const nmdm_queue_place_t NMDM_QUEUE_START;

/* What waits for id, in the order of delivery, into an array of
 * nmdm_queued_t. */
nmdm_err_t *nmdm_queue_queries_list(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                                    const char *id,
                                    const nmdm_queue_place_t *after);

/* The command that a UUID names; the text is NULL when there is none. */
nmdm_err_t *nmdm_queue_queries_command(nmdm_ctx_t *ctx, nmdm_command_t *command,
                                       apr_time_t *created, const char *uuid);

/* ---- Results ---- */

typedef struct {
    const char *uuid, *request_type, *status;
    const char *updated_text;
    apr_time_t updated;
    const char *not_now_tally;
    apr_time_t not_now_at;
} nmdm_result_t;

typedef struct {
    const char *updated_text, *uuid;
} nmdm_result_place_t;

extern const nmdm_result_place_t NMDM_RESULT_START;

/* The results of id, the newest first, into an array of nmdm_result_t. */
nmdm_err_t *nmdm_queue_queries_results(nmdm_ctx_t *ctx,
                                       apr_array_header_t *rows,
                                       const char *id,
                                       const nmdm_result_place_t *after);

/* That of one command alone: one row or none. */
nmdm_err_t *nmdm_queue_queries_result_of(nmdm_ctx_t *ctx,
                                         apr_array_header_t *rows,
                                         const char *id, const char *uuid);

/* The report itself, or NULL. */
nmdm_err_t *nmdm_queue_queries_result_text(nmdm_ctx_t *ctx, const char **text,
                                           const char *id, const char *uuid);

/* ---- One command, many enrollments ---- */

typedef struct {
    const char *id;
    int active, is_expired;
    const char *priority;
    apr_time_t created, expires;
    const char *status;         /* NULL: no report */
    apr_time_t updated;
    const char *not_now_tally;
    apr_time_t not_now_at;
} nmdm_recipient_t;

/* Enrollments that have a command, beyond the id `after` and in the order of
 * ids, into an array of nmdm_recipient_t. */
nmdm_err_t *nmdm_queue_queries_recipients(nmdm_ctx_t *ctx,
                                          apr_array_header_t *rows,
                                          const char *uuid, const char *after);

/* ---- Cancelling: what waits is delivered no more ---- */

/* All that waits for an enrollment, one command of it, or one command of all
 * enrollments beyond the id `after` up to `last`. *cancelled is the number of
 * queue entries. */
nmdm_err_t *nmdm_queue_queries_cancel_all(nmdm_ctx_t *ctx, int *cancelled,
                                          const char *id);
nmdm_err_t *nmdm_queue_queries_cancel_one(nmdm_ctx_t *ctx, int *cancelled,
                                          const char *id, const char *uuid);
nmdm_err_t *nmdm_queue_queries_cancel_range(nmdm_ctx_t *ctx, int *cancelled,
                                            const char *uuid, const char *after,
                                            const char *last);

typedef struct {
    const char *uuid, *request_type;    /* request_type may be NULL */
    apr_time_t at;
} nmdm_cancelled_t;

/* The newest NMDM_QUERIES_PAGE commands of an enrollment that were cancelled,
 * by an operator or because the device enrolled anew. */
nmdm_err_t *nmdm_queue_queries_cancelled(nmdm_ctx_t *ctx,
                                         apr_array_header_t *rows,
                                         const char *id);

#endif /* NMDM_QUEUE_QUERIES_H */
