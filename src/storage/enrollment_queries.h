/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_queries.h -- enrollments as operators see them.
 *
 * Typed calls that read a page at a time, each within a unit of db/db.h. Times
 * are 0 and texts NULL where nothing is stored. */

#ifndef NMDM_ENROLLMENT_QUERIES_H
#define NMDM_ENROLLMENT_QUERIES_H

#include "base/context.h"

/* How many entries a call reads: fewer mean that there are no more. */
#define NMDM_QUERIES_PAGE 100

typedef struct {
    const char *id, *type;
    int enabled;
} nmdm_key_t;

/* The source of keys. A list is of texts, at most NMDM_QUERIES_PAGE. */
typedef enum {
    NMDM_KEYS_ALL,              /* of every enrollment */
    NMDM_KEYS_OF_IDS,           /* of a list */
    NMDM_KEYS_OF_SERIALS,       /* of these devices and their users */
    NMDM_KEYS_OF_NAME,          /* of users with this one short name */
    NMDM_KEYS_OF_TYPE,          /* of this one type */
    NMDM_KEYS_DISABLED,         /* of all where no index has these */
    /* Of devices that sent Authenticate and no TokenUpdate yet: their type is
     * "". */
    NMDM_KEYS_BEGUN, NMDM_KEYS_BEGUN_OF_IDS, NMDM_KEYS_BEGUN_OF_SERIALS
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
    apr_time_t begun_at;        /* Authenticate without a TokenUpdate yet; only
                                 * id, device_id and serial_number are there
                                 * then. Else 0 */
} nmdm_enrollment_t;

/* The enrollments of at most NMDM_QUERIES_PAGE ids, in no order, into an array
 * of nmdm_enrollment_t; unlock tokens up to so many bytes. */
nmdm_err_t *nmdm_enrollment_queries_enrollments(nmdm_ctx_t *ctx,
                                                apr_array_header_t *rows,
                                                const apr_array_header_t *ids,
                                                int with_cert,
                                                apr_size_t unlock_token_most);

/* The same of devices that sent Authenticate and no TokenUpdate yet. */
nmdm_err_t *nmdm_enrollment_queries_begun(nmdm_ctx_t *ctx,
                                          apr_array_header_t *rows,
                                          const apr_array_header_t *ids);

/* What waits for an enrollment, counted up to NMDM_QUERIES_MOST. */
#define NMDM_QUERIES_MOST 1000
typedef struct {
    int pending;
    int not_now;                /* of these, put off by the device */
    apr_time_t not_now_since;
} nmdm_pending_t;

/* What waits for an enrollment; all 0 for an unknown id. */
nmdm_err_t *nmdm_enrollment_queries_pending(nmdm_ctx_t *ctx,
                                            nmdm_pending_t *out,
                                            const char *id);

typedef struct {
    const char *uuid;           /* NULL: there is no report */
    const char *status;
    apr_time_t at;
} nmdm_last_report_t;

/* The newest report of an enrollment. */
nmdm_err_t *nmdm_enrollment_queries_last_report(nmdm_ctx_t *ctx,
                                                nmdm_last_report_t *out,
                                                const char *id);

typedef struct {
    int found;
    const char *status, *reason, *tries;
    apr_time_t next_at, pushed_at;
    int has_taken;              /* is taken_at known? */
    apr_time_t taken_at;        /* when APNs last took one, within a second of
                                 * it; 0: never */
} nmdm_last_push_t;

/* Nothing is found without the additive part of the schema. */
nmdm_err_t *nmdm_enrollment_queries_last_push(nmdm_ctx_t *ctx,
                                              nmdm_last_push_t *out,
                                              const char *id);

/* When a device last sent Authenticate, and TokenUpdate; 0 for never. */
nmdm_err_t *nmdm_enrollment_queries_authenticated(nmdm_ctx_t *ctx,
                                                  apr_time_t *authenticate_at,
                                                  apr_time_t *token_at,
                                                  const char *device_id);

typedef struct {
    const char *sha256;
    apr_time_t at;
    /* Of a certificate that was issued here, else NULL and 0. */
    const char *issuer_sha256, *purpose;
    apr_time_t not_after;
    int is_revoked;
} nmdm_association_t;

/* The newest NMDM_QUERIES_PAGE certificate associations of a device. */
nmdm_err_t *nmdm_enrollment_queries_associations(nmdm_ctx_t *ctx,
                                                 apr_array_header_t *rows,
                                                 const char *device_id);

/* Whether there is such an enrollment. */
nmdm_err_t *nmdm_enrollment_queries_is_enrolled(nmdm_ctx_t *ctx, int *yes,
                                                const char *id);
/* The id in capitals or in small letters, if that one is enrolled; or NULL. */
nmdm_err_t *nmdm_enrollment_queries_other_case(nmdm_ctx_t *ctx,
                                               const char **other,
                                               const char *id);
/* The last of the next NMDM_QUERIES_BATCH enrollments that have a command, in
 * the order of ids and beyond `after`; NULL when there is none. */
nmdm_err_t *nmdm_enrollment_queries_batch(nmdm_ctx_t *ctx, const char **last,
                                          const char *uuid, const char *after);

#endif /* NMDM_ENROLLMENT_QUERIES_H */
