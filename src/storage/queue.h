/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h -- the command queue: next, report, put.
 *
 * Every call is to be made within a unit of db/db.h. */

#ifndef NMDM_QUEUE_H
#define NMDM_QUEUE_H

#include "base/context.h"
#include "mdm/message.h"

/* What nmdm_queue_next found. */
typedef enum {
    NMDM_NEXT_UNKNOWN,          /* not asked yet */
    NMDM_NEXT_STRANGER,         /* the certificate is not this device's */
    NMDM_NEXT_NOTHING,
    NMDM_NEXT_COMMAND
} nmdm_next_e;

/* *next is NMDM_NEXT_COMMAND where one is known to wait, which saves a
 * question, else NMDM_NEXT_UNKNOWN. The first command that waits for an
 * enrollment after a report of this status, and whether the request's
 * certificate may have it, in one statement where something is likely to
 * wait. */
nmdm_err_t *nmdm_queue_next(nmdm_ctx_t *ctx, nmdm_next_e *next,
                            nmdm_command_t *command, const nmdm_id_t *who,
                            const char *status);

/* Stores a report. *stored is 0 when nothing was written: because the
 * certificate is not this device's, or because the command or the enrollment
 * is unknown, or because the same report was stored before. Where one
 * statement does both, it finds the next command as well; else *next is
 * NMDM_NEXT_UNKNOWN. */
nmdm_err_t *nmdm_queue_report(nmdm_ctx_t *ctx, int *stored,
                              nmdm_next_e *next, nmdm_command_t *command,
                              const nmdm_msg_t *msg);

/* Instead of storing a final report: removes queue row and result of this
 * enrollment; and, once that is committed, the command that no queue has any
 * more. */
nmdm_err_t *nmdm_queue_remove(nmdm_ctx_t *ctx, int *was_queued,
                              const nmdm_msg_t *msg);
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
 * none: NMDM_INVALID names the obstacle. */
nmdm_err_t *nmdm_queue_put(nmdm_ctx_t *ctx, const char *uuid,
                           const apr_array_header_t *ids,
                           const nmdm_enqueue_options_t *options);
/* Whether it is in the queue of an id, in whatever state. */
nmdm_err_t *nmdm_queue_has(nmdm_ctx_t *ctx, int *yes, const char *id,
                           const char *uuid);
/* NMDM_INVALID names the first id that is not enrolled. */
nmdm_err_t *nmdm_queue_check_ids(nmdm_ctx_t *ctx,
                                 const apr_array_header_t *ids);
/* Removes a command and, by cascade, everything about it. */
nmdm_err_t *nmdm_queue_take_back(nmdm_ctx_t *ctx, const char *uuid);

#endif /* NMDM_QUEUE_H */
