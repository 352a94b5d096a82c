/* SPDX-License-Identifier: Apache-2.0 */
/* backlog.h -- how much waits in the outbox for one receiver. What one device
 * may have of it, its budget, is decided in webhook/publish.c. */

#ifndef NMDM_BACKLOG_H
#define NMDM_BACKLOG_H

#include "base/context.h"

typedef struct {
    const char *target;         /* the receiver's, for the log; the caller's */
    apr_uint32_t is_full;       /* atomic */
    apr_uint32_t counted_kib;   /* atomic */
    apr_uint32_t kib;           /* atomic: counted, and added since */
    apr_int64_t warn_at;        /* events; the relay's thread alone */
} nmdm_backlog_t;

/* Empty; target outlives it. */
void nmdm_backlog_init(nmdm_backlog_t *backlog, const char *target);

/* Takes in what the outbox holds: events, and bytes of their bodies. Logs a
 * backlog that is full (NMDM_RELAY_BACKLOG) or has grown. For the relay's
 * thread alone. */
void nmdm_backlog_counted(nmdm_backlog_t *backlog, nmdm_ctx_t *ctx,
                          apr_int64_t number, apr_int64_t bytes);

/* Whether so much waits that an event of len bytes must not be added;
 * otherwise it is reckoned in. For any thread. */
int nmdm_backlog_is_full(nmdm_backlog_t *backlog, apr_size_t len);

/* Whether one device could have more of it than it may. For any thread. */
int nmdm_backlog_is_long(nmdm_backlog_t *backlog);

#endif /* NMDM_BACKLOG_H */
