/* SPDX-License-Identifier: Apache-2.0 */
/* enrollments.h -- what is kept: certificates, enrollments, tokens, queue.
 *
 * Every call is to be made within a unit of db/db.h. */

#ifndef NMDM_ENROLLMENTS_H
#define NMDM_ENROLLMENTS_H

#include "base/context.h"
#include "crypto/identity_cert.h"
#include "mdm/message.h"

/* ---- storage/enrollments.c: certificate associations ---- */

/* Is the request's certificate one that counts for this device, as
 * NanoMDMAssociation has it? */
nmdm_err_t *nmdm_cert_associations_counts(nmdm_ctx_t *ctx, int *yes,
                                          const char *device_id);
/* Is it associated with this device at all? */
nmdm_err_t *nmdm_cert_associations_has(nmdm_ctx_t *ctx, int *yes,
                                       const char *device_id);
/* What a statement of the name ..._LATEST is to be asked behind the digest:
 * *nargs is 2 with NanoMDMAssociation latest, else 0. */
nmdm_err_t *nmdm_cert_associations_text(nmdm_ctx_t *ctx, int *nargs,
                                        const char **args);
/* Has until the end of the transaction every other that decides about this
 * certificate wait, and then about this device where that is not NULL. Call it
 * before what decides is read, the certificate first: in this order nobody
 * waits for each other. */
nmdm_err_t *nmdm_cert_associations_lock(nmdm_ctx_t *ctx,
                                        const char *device_id);
/* Where the request's certificate is not associated with any device, but is in
 * its other encoding: puts that into its place, in ctx->cert. */
nmdm_err_t *nmdm_cert_associations_use_known(nmdm_ctx_t *ctx);
/* Is the request's certificate associated with anybody? */
nmdm_err_t *nmdm_cert_associations_knows(nmdm_ctx_t *ctx, int *yes);
nmdm_err_t *nmdm_cert_associations_device_has(nmdm_ctx_t *ctx, int *yes,
                                              const char *device_id);
nmdm_err_t *nmdm_cert_associations_add(nmdm_ctx_t *ctx, const char *device_id);
/* The same for a device that did not send Authenticate with it. */
nmdm_err_t *nmdm_cert_associations_add_late(nmdm_ctx_t *ctx,
                                            const char *device_id);
/* The device that the certificate was associated with last, or NULL. */
nmdm_err_t *nmdm_cert_associations_device_of(nmdm_ctx_t *ctx,
                                             const char **device_id);

/* ---- storage/enrollments.c: enrollments ---- */

/* A new or renewed device: forgets its tokens, disables it and its users and
 * empties their queues (behaviour specification 2.4). */
nmdm_err_t *nmdm_enrollments_authenticate(nmdm_ctx_t *ctx,
                                          const nmdm_msg_t *msg);

/* A property list as the database can hold it: with character references where
 * its tables do not have all characters. */
const char *nmdm_schema_xml(const nmdm_ctx_t *ctx, const char *text);

/* A TokenUpdate likewise; where secrets are sealed, without the unlock token:
 * that has a column of its own. */
const char *nmdm_enrollments_token_update_text(const nmdm_ctx_t *ctx,
                                               const char *text);

/* NMDM_REFUSED when the device was never seen. */
nmdm_err_t *nmdm_enrollments_token_update(nmdm_ctx_t *ctx,
                                          const nmdm_msg_t *msg);

/* How many TokenUpdates since the last enrollment; -1 when unknown. */
nmdm_err_t *nmdm_enrollments_tally(nmdm_ctx_t *ctx, long *tally,
                                   const char *id);

/* A device leaves with all its users, a user alone. */
nmdm_err_t *nmdm_enrollments_check_out(nmdm_ctx_t *ctx, const nmdm_id_t *who);

/* The first message of the digest protocol or, with a DigestResponse, the
 * second; each has its own column. */
nmdm_err_t *nmdm_enrollments_user_authenticate(nmdm_ctx_t *ctx,
                                               const nmdm_msg_t *msg);

/* NMDM_REFUSED when the device was never seen. "" removes the token. */
nmdm_err_t *nmdm_enrollments_set_bootstrap_token(nmdm_ctx_t *ctx,
                                                 const nmdm_id_t *who,
                                                 const char *token_b64);
/* *token_b64 is NULL when there is none. */
nmdm_err_t *nmdm_enrollments_get_bootstrap_token(nmdm_ctx_t *ctx,
                                                 const char **token_b64,
                                                 const nmdm_id_t *who);

/* Sets last_seen_at of this enrollment, or of all these, to now. */
nmdm_err_t *nmdm_enrollments_seen_now(nmdm_ctx_t *ctx, const char *id);
nmdm_err_t *nmdm_enrollments_seen(nmdm_ctx_t *ctx,
                                  const apr_array_header_t *ids);

/* ---- storage/enrollments.c: push ---- */

typedef struct {
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
/* Notes that these enrollments are pushed to and when to see what came of it.
 * Nothing, as above, without the additive part. */
nmdm_err_t *nmdm_push_state_expect(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids,
                                   apr_time_t look_at);
/* The ids whose time has come, NMDM_SQL_IDS at most; nobody else gets them
 * while the transaction lasts. */
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
/* What was not carried has one try less. */
nmdm_err_t *nmdm_push_state_postpone(nmdm_ctx_t *ctx,
                                     const apr_array_header_t *ids,
                                     apr_time_t next);
/* What is put off until after `last` is due now. */
nmdm_err_t *nmdm_push_state_recall(nmdm_ctx_t *ctx, apr_time_t last);
nmdm_err_t *nmdm_push_state_forget(nmdm_ctx_t *ctx,
                                   const apr_array_header_t *ids);

/* Why a new push certificate is probably a mistake: a topic that enabled
 * enrollments use, when none uses this one and none of it was stored before;
 * else NULL. */
nmdm_err_t *nmdm_push_state_topic_in_use(nmdm_ctx_t *ctx, const char **other,
                                         const char *topic);
nmdm_err_t *nmdm_push_state_put_cert(nmdm_ctx_t *ctx,
                                     const nmdm_push_cert_t *cert);

typedef struct {
    int found;
    const char *topic;
    const char *cert_pem;
    const char *stored_key;     /* nmdm_push_state_open_key opens it */
} nmdm_stored_cert_t;
nmdm_err_t *nmdm_push_state_get_cert(nmdm_ctx_t *ctx,
                                     nmdm_stored_cert_t *out,
                                     const char *topic);
/* Needs no database: a key that cannot be opened is no failure of it, and
 * none of other topics. */
nmdm_err_t *nmdm_push_state_open_key(nmdm_ctx_t *ctx, const char **key_pem,
                                     const nmdm_stored_cert_t *cert);

/* ---- storage/queue.c ---- */

/* What nmdm_queue_next found. */
typedef enum {
    NMDM_NEXT_UNKNOWN,          /* not asked yet */
    NMDM_NEXT_STRANGER,         /* the certificate is not this device's */
    NMDM_NEXT_NOTHING,
    NMDM_NEXT_COMMAND
} nmdm_next_e;

/* The first command that waits for an enrollment after a report of this
 * status, and whether the request's certificate may have it, in one statement
 * where something is likely to wait. */
nmdm_err_t *nmdm_queue_next(nmdm_ctx_t *ctx, nmdm_next_e *next,
                            nmdm_command_t *command, const nmdm_id_t *who,
                            const char *status);

/* Stores a report. *stored is 0 when nothing was written: because the
 * certificate is not this device's, or because the command or the enrollment
 * is unknown, or because the same report was stored before. Where one statement
 * does both, it finds the next command as well; else *next is
 * NMDM_NEXT_UNKNOWN. */
nmdm_err_t *nmdm_queue_report(nmdm_ctx_t *ctx, int *stored,
                              nmdm_next_e *next, nmdm_command_t *command,
                              const nmdm_msg_t *msg);

/* Instead of storing a final report: removes queue row and result of this
 * enrollment; and, once that is committed, the command nobody needs. */
nmdm_err_t *nmdm_queue_remove(nmdm_ctx_t *ctx, const nmdm_msg_t *msg);
nmdm_err_t *nmdm_queue_remove_command(nmdm_ctx_t *ctx, const char *uuid);

/* What waits for a device and its users is delivered no more. */
nmdm_err_t *nmdm_queue_clear(nmdm_ctx_t *ctx, const char *device_id);

/* How a command is queued. */
typedef struct {
    int priority;               /* higher is delivered earlier */
    apr_time_t expires;         /* not delivered from then on; 0: never */
} nmdm_enqueue_options_t;

/* Stores a command; NMDM_INVALID when its UUID is known. */
nmdm_err_t *nmdm_queue_put_command(nmdm_ctx_t *ctx,
                                   const nmdm_command_t *command);
/* Puts it into the queues of all ids, none of which may occur twice, or into
 * none: NMDM_INVALID names what stands against it. */
nmdm_err_t *nmdm_queue_put(nmdm_ctx_t *ctx, const char *uuid,
                           const apr_array_header_t *ids,
                           const nmdm_enqueue_options_t *terms);
/* Whether it is in the queue of an id, in whatever state. */
nmdm_err_t *nmdm_queue_has(nmdm_ctx_t *ctx, int *yes, const char *id,
                           const char *uuid);
/* NMDM_INVALID names the first id that is not enrolled. */
nmdm_err_t *nmdm_queue_check_ids(nmdm_ctx_t *ctx,
                                 const apr_array_header_t *ids);
/* Removes a command and, by cascade, everything about it. */
nmdm_err_t *nmdm_queue_take_back(nmdm_ctx_t *ctx, const char *uuid);

#endif /* NMDM_ENROLLMENTS_H */
