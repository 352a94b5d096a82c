/* SPDX-License-Identifier: Apache-2.0 */
/* push.h -- wakes devices up: looks them up, pushes, records refusals. */

#ifndef NMDM_PUSH_H
#define NMDM_PUSH_H

#include "base/context.h"

/* What became of the push to one enrollment. */
typedef struct {
    const char *id;             /* NULL: the error is of a whole topic */
    const char *apns_id;        /* or NULL */
    const char *error;          /* for the operator; NULL: APNs took it */
    int is_refused;             /* the error is APNs' and a repetition would
                                 * meet it again */
} nmdm_push_result_t;
typedef void (*nmdm_push_done_fn)(void *baton,
                                  const nmdm_push_result_t *result);

typedef enum {
    NMDM_PUSH_NOW,              /* a thread of requests waits: within the
                                 * `wait` of the policy, and only while few
                                 * others do */
    NMDM_PUSH_AGAIN             /* a thread of its own: within `timeout` */
} nmdm_push_mode_e;

/* Pushes to all ids, a thousand at a time, and calls on_result for each of
 * them; its argument lives until on_result returns. Holds no connection to the
 * database while it waits. Nothing is tried while APNs does not answer for a
 * topic. A refusal by APNs is kept in nanomdm_pushes until the device sends a
 * new token or is pushed to with success. Errors are the database's. */
nmdm_err_t *nmdm_push_send(nmdm_ctx_t *ctx, const apr_array_header_t *ids,
                           nmdm_push_mode_e when, nmdm_push_done_fn on_result,
                           void *baton);

#endif /* NMDM_PUSH_H */
