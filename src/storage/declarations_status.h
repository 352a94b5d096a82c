/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_status.h -- what devices report of their declarations and of
 * themselves. Every call is to be made within a unit, one that changes
 * something within a transaction that nmdm_declarations_status_begin opens. */

#ifndef NMDM_DECLARATIONS_STATUS_H
#define NMDM_DECLARATIONS_STATUS_H

#include "base/context.h"

/* The state of a declaration. */
typedef struct {
    const char *identifier, *manifest;
    int is_active;
    const char *valid, *token;
    const char *reasons;        /* JSON, or NULL */
    const char *status_id;      /* of the report; not for what is put */
    apr_int64_t reported_at;    /* seconds since 1970; likewise */
} nmdm_declarations_state_t;

/* What the paths of values begin with. */
#define NMDM_DECLARATIONS_STATUS_ROOT ".StatusItems."

/* A leaf of a status item. */
typedef struct {
    const char *row_key;        /* digest of path, object and position */
    const char *path, *object;
    const char *value, *kind;
    const char *status_id;
    apr_int64_t reported_at;
} nmdm_declarations_value_t;

typedef struct {
    const char *seq, *path;
    const char *error;          /* JSON */
    const char *status_id;
    apr_int64_t created_at;
} nmdm_declarations_error_t;

typedef struct {
    const char *seq, *raw, *status_id;
    apr_int64_t created_at;
    const char *index;          /* 0 is the newest */
} nmdm_declarations_report_t;

/* Notes the time of a report; until the end of the transaction no other report
 * of this enrollment is taken. */
nmdm_err_t *nmdm_declarations_status_begin(nmdm_ctx_t *ctx, const char *id);

/* In the order of Identifiers. */
nmdm_err_t *nmdm_declarations_status_states(nmdm_ctx_t *ctx,
                                            apr_array_header_t **states,
                                            const char *id);
nmdm_err_t *nmdm_declarations_status_put_states(
    nmdm_ctx_t *ctx, const char *id, const apr_array_header_t *states);
nmdm_err_t *nmdm_declarations_status_drop_states(
    nmdm_ctx_t *ctx, const char *id, const apr_array_header_t *identifiers);

/* In no order; secret ones read "redacted". */
nmdm_err_t *nmdm_declarations_status_values(nmdm_ctx_t *ctx,
                                            apr_array_header_t **values,
                                            const char *id);
/* The same as they are stored. */
nmdm_err_t *nmdm_declarations_status_sealed_values(
    nmdm_ctx_t *ctx, apr_array_header_t **values, const char *id);
/* When the one was reported that was reported the longest time ago, in seconds
 * since 1970; 0 without values. */
nmdm_err_t *nmdm_declarations_status_oldest(nmdm_ctx_t *ctx,
                                            apr_int64_t *reported_at,
                                            const char *id);
/* At `now`, in seconds since 1970; is_new: none of them is there. */
nmdm_err_t *nmdm_declarations_status_put_values(
    nmdm_ctx_t *ctx, const char *id, const apr_array_header_t *values,
    int is_new, apr_int64_t now);
nmdm_err_t *nmdm_declarations_status_drop_values(
    nmdm_ctx_t *ctx, const char *id, const apr_array_header_t *row_keys);

/* The newest first. */
nmdm_err_t *nmdm_declarations_status_errors(nmdm_ctx_t *ctx,
                                            apr_array_header_t **errors,
                                            const char *id);
nmdm_err_t *nmdm_declarations_status_put_error(nmdm_ctx_t *ctx,
                                               const char *id,
                                               const char *path,
                                               const char *error);
/* It was reported again. */
nmdm_err_t *nmdm_declarations_status_error_again(nmdm_ctx_t *ctx,
                                                 const char *seq);
nmdm_err_t *nmdm_declarations_status_trim_errors(nmdm_ctx_t *ctx,
                                                 const char *id, int keep);

/* Keeps a report and the newest before it, `keep` in all. */
nmdm_err_t *nmdm_declarations_status_put_report(nmdm_ctx_t *ctx,
                                                const char *id,
                                                const char *raw, int keep);
/* By index, by status_id, or by both; either may be NULL. */
nmdm_err_t *nmdm_declarations_status_report(nmdm_ctx_t *ctx, int *found,
                                            nmdm_declarations_report_t *out,
                                            const char *id, const char *index,
                                            const char *status_id);

/* Enrollments of a set that have a declaration, and its state there: five
 * texts each, id, active, valid, outdated, manifest. At most 1000, by id. */
#define NMDM_DECLARATIONS_SUMMARY_COLUMNS 5
nmdm_err_t *nmdm_declarations_status_page(nmdm_ctx_t *ctx,
                                          apr_array_header_t *rows,
                                          const char *identifier,
                                          const char *set, const char *after);

#endif /* NMDM_DECLARATIONS_STATUS_H */
