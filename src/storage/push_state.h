/* SPDX-License-Identifier: Apache-2.0 */
/* push_state.h -- pushes and push certificates in the database.
 *
 * Every call is to be made within a unit of db/db.h. */

#ifndef NMDM_PUSH_STATE_H
#define NMDM_PUSH_STATE_H

#include "base/context.h"

struct nmdm_push_cert_t;

typedef struct nmdm_push_info_t {
    const char *id;
    const char *topic, *push_magic, *token_hex;
    int was_refused;            /* APNs' last answer is kept */
} nmdm_push_info_t;

/* Of those ids that are enrolled, in no order. */
nmdm_err_t *nmdm_push_state_info(nmdm_ctx_t *ctx, apr_array_header_t *infos,
                                 const apr_array_header_t *ids);

/* What APNs said against a push. */
typedef struct {
    const char *id, *token_hex;
    int status;                 /* of HTTP */
    const char *reason;
} nmdm_refusal_t;

/* Keeps a refusal, unless the device has sent another token meanwhile; without
 * the additive part of the schema there is no place for it. */
nmdm_err_t *nmdm_push_state_refused(nmdm_ctx_t *ctx,
                                    const nmdm_refusal_t *refusal);
/* Notes that these enrollments are pushed to and when to check the result, the
 * first time NMDM_PUSH_STATE_FIRST_CHECK from now. Nothing, as above, without
 * the additive part. */
#define NMDM_PUSH_STATE_FIRST_CHECK apr_time_from_sec(30)
nmdm_err_t *nmdm_push_state_expect(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids,
                                   apr_time_t look_at);
/* The ids that are due, NMDM_SQL_IDS at most; no other child gets them while
 * the transaction lasts. */
nmdm_err_t *nmdm_push_state_due(nmdm_ctx_t *ctx, apr_array_header_t **ids);

typedef struct {
    const char *id;
    int tries;
    int is_waiting;             /* does a command wait for it? */
    int is_seen;                /* since the last push? */
} nmdm_pending_push_t;
/* Of those ids that are enrolled. */
nmdm_err_t *nmdm_push_state_pending(nmdm_ctx_t *ctx,
                                    apr_array_header_t *pending,
                                    const apr_array_header_t *ids);
nmdm_err_t *nmdm_push_state_again(nmdm_ctx_t *ctx, const char *id, int tries,
                                  apr_time_t next, int is_pushed);
/* What was not sent has one try less. */
nmdm_err_t *nmdm_push_state_postpone(nmdm_ctx_t *ctx,
                                     const apr_array_header_t *ids,
                                     apr_time_t next);
/* What is put off until after `last` is due now. */
nmdm_err_t *nmdm_push_state_recall(nmdm_ctx_t *ctx, apr_time_t last);
nmdm_err_t *nmdm_push_state_forget(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids);

/* Notes that APNs took a push to each of these ids now. Nothing without the
 * column for it. */
nmdm_err_t *nmdm_push_state_taken(nmdm_ctx_t *ctx,
                                  const apr_array_header_t *ids);

/* Why a new push certificate is probably a mistake: a topic that enabled
 * enrollments use, when none uses this one and none of it was stored before;
 * else NULL. */
nmdm_err_t *nmdm_push_state_topic_in_use(nmdm_ctx_t *ctx, const char **other,
                                         const char *topic);
nmdm_err_t *nmdm_push_state_put_cert(nmdm_ctx_t *ctx,
                                     const struct nmdm_push_cert_t *cert);

typedef struct {
    int found;
    const char *topic;
    const char *cert_pem;
    const char *stored_key;     /* nmdm_push_state_open_key opens it */
} nmdm_stored_cert_t;
nmdm_err_t *nmdm_push_state_get_cert(nmdm_ctx_t *ctx,
                                     nmdm_stored_cert_t *out,
                                     const char *topic);
/* The topic of the only one, or NULL; *are_several where there are more. */
nmdm_err_t *nmdm_push_state_only_topic(nmdm_ctx_t *ctx, const char **topic,
                                       int *are_several);
/* Needs no database: a key that cannot be opened is no failure of it, and
 * none of other topics. */
nmdm_err_t *nmdm_push_state_open_key(nmdm_ctx_t *ctx, const char **key_pem,
                                     const nmdm_stored_cert_t *cert);

#endif /* NMDM_PUSH_STATE_H */
