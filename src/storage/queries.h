/* SPDX-License-Identifier: Apache-2.0 */
/* queries.h -- enrollments, queues and results as operators see them: typed
 * calls that read a page at a time.
 *
 * Every call is to be made within a unit of db/db.h. Times are 0 and texts
 * NULL where nothing is stored. */

#ifndef NMDM_QUERIES_H
#define NMDM_QUERIES_H

#include "storage/enrollments.h"

/* How many entries a call reads: fewer mean that there are no more. */
#define NMDM_QUERIES_PAGE 100

/* ---- Enrollments ---- */

typedef struct {
    const char *id, *type;
    int enabled;
} nmdm_key_t;

/* Where keys come from. A list is of texts, at most NMDM_QUERIES_PAGE. */
typedef enum {
    NMDM_KEYS_ALL,              /* of every enrollment */
    NMDM_KEYS_OF_IDS,           /* of a list */
    NMDM_KEYS_OF_SERIALS,       /* of these devices and their users */
    NMDM_KEYS_OF_NAME,          /* of users with this one short name */
    NMDM_KEYS_OF_TYPE           /* of this one type */
} nmdm_keys_e;

/* The keys of enrollments beyond the id `after`, in the order of ids, into an
 * array of nmdm_key_t. */
nmdm_err_t *nmdm_enrollment_queries_keys(nmdm_ctx_t *ctx,
                                         apr_array_header_t *keys,
                                         nmdm_keys_e from,
                                         const apr_array_header_t *list,
                                         const char *after);

/* The id that is NMDM_QUERIES_BATCH enrollments beyond `after`; NULL when there
 * are fewer. */
#define NMDM_QUERIES_BATCH 1000
nmdm_err_t *nmdm_enrollment_queries_skip(nmdm_ctx_t *ctx, const char **id,
                                         const char *after);

typedef struct {
    const char *id, *type;
    int enabled;
    const char *tally;
    apr_time_t last_seen;
    const char *device_id;
    const char *user_id;        /* NULL on a device channel */
    const char *topic;
    const char *serial_number;
    const char *cert_pem;       /* of the device; NULL unless wanted */
    nmdm_bytes_t unlock_token;  /* data is NULL unless wanted */
    apr_time_t device_token_at;
    const char *user_short_name, *user_long_name;
    apr_time_t user_token_at;
} nmdm_enrollment_t;

/* The enrollments of at most NMDM_QUERIES_PAGE ids, in no order, into an array
 * of nmdm_enrollment_t; unlock tokens up to so many bytes. */
nmdm_err_t *nmdm_enrollment_queries_enrollments(nmdm_ctx_t *ctx,
                                                apr_array_header_t *rows,
                                                const apr_array_header_t *ids,
                                                int with_cert,
                                                apr_size_t unlock_token_most);

/* What waits for an enrollment, counted up to NMDM_QUERIES_MOST. */
#define NMDM_QUERIES_MOST 1000
typedef struct {
    int pending;
    int not_now;                /* of these, put off by the device */
    apr_time_t not_now_since;
} nmdm_pending_t;

nmdm_err_t *nmdm_enrollment_queries_pending(nmdm_ctx_t *ctx,
                                            nmdm_pending_t *out,
                                            const char *id);

typedef struct {
    const char *uuid;           /* NULL: there is no report */
    const char *status;
    apr_time_t at;
} nmdm_last_report_t;

nmdm_err_t *nmdm_enrollment_queries_last_report(nmdm_ctx_t *ctx,
                                                nmdm_last_report_t *out,
                                                const char *id);

typedef struct {
    int found;
    const char *status, *reason, *tries;
    apr_time_t next_at, pushed_at;
} nmdm_last_push_t;

/* Nothing is found without the additive part of the schema. */
nmdm_err_t *nmdm_enrollment_queries_last_push(nmdm_ctx_t *ctx,
                                              nmdm_last_push_t *out,
                                              const char *id);

typedef struct {
    const char *sha256;
    apr_time_t at;
} nmdm_association_t;

/* The newest NMDM_QUERIES_PAGE certificate associations of a device. */
nmdm_err_t *nmdm_enrollment_queries_associations(nmdm_ctx_t *ctx,
                                                 apr_array_header_t *rows,
                                                 const char *device_id);

/* ---- Queues ---- */

typedef struct {
    const char *uuid, *request_type;
    const char *priority;
    const char *created_text;   /* as the database writes it, for cursors */
    const char *tie;            /* tells commands of one time apart */
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

nmdm_err_t *nmdm_queue_queries_recipients(nmdm_ctx_t *ctx,
                                          apr_array_header_t *rows,
                                          const char *uuid, const char *after);

/* ---- Cancelling: what waits is delivered no more ---- */

nmdm_err_t *nmdm_enrollment_queries_is_enrolled(nmdm_ctx_t *ctx, int *yes,
                                                const char *id);
/* The id in capitals or in small letters, if that one is enrolled; or NULL. */
nmdm_err_t *nmdm_enrollment_queries_other_case(nmdm_ctx_t *ctx,
                                               const char **other,
                                               const char *id);
nmdm_err_t *nmdm_queue_queries_cancel_all(nmdm_ctx_t *ctx, int *cancelled,
                                          const char *id);
nmdm_err_t *nmdm_queue_queries_cancel_one(nmdm_ctx_t *ctx, int *cancelled,
                                          const char *id, const char *uuid);

/* The last of the next NMDM_QUERIES_BATCH enrollments that have a command, or
 * NULL; and the cancelling of it up to there. */
nmdm_err_t *nmdm_enrollment_queries_batch(nmdm_ctx_t *ctx, const char **last,
                                          const char *uuid, const char *after);
nmdm_err_t *nmdm_queue_queries_cancel_range(nmdm_ctx_t *ctx, int *cancelled,
                                            const char *uuid, const char *after,
                                            const char *last);

#endif /* NMDM_QUERIES_H */
