/* SPDX-License-Identifier: Apache-2.0 */
/* backlog.c -- how much waits in the outbox for one receiver. */

#include "webhook/backlog.h"
#include "webhook/relay.h"

#include <apr_atomic.h>

/* A backlog from which on it is worth a warning; then at each doubling. */
#define WORTH_A_WARNING 100
/* KiB that one child adds within a minute although the receiver takes all. */
#define MUCH (4 * (apr_uint32_t)(NMDM_RELAY_BUDGET / 1024))

void nmdm_backlog_init(nmdm_backlog_t *backlog, const char *target)
{
    backlog->target = target;
    backlog->is_full = backlog->kib = backlog->counted_kib = 0;
    backlog->warn_at = WORTH_A_WARNING;
}

void nmdm_backlog_counted(nmdm_backlog_t *backlog, nmdm_ctx_t *ctx,
                          apr_int64_t number, apr_int64_t bytes)
{
    int is_full = number >= NMDM_RELAY_BACKLOG
        || bytes >= NMDM_RELAY_BACKLOG_BYTES;

    if (is_full && !apr_atomic_read32(&backlog->is_full)) {
        nmdm_log(ctx, NMDM_LOG_ERROR, NMDMNO(1815)
                 "%" APR_INT64_T_FMT " events of %" APR_INT64_T_FMT " MiB wait"
                 " for webhook %s: no more are written, and so lost, until"
                 " there are fewer", number, bytes / 1048576,
                 backlog->target);
    }
    else if (number >= backlog->warn_at) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(1816)
                 "%" APR_INT64_T_FMT " events wait for webhook %s", number,
                 backlog->target);
    }
    apr_atomic_set32(&backlog->is_full, (apr_uint32_t)is_full);
    apr_atomic_set32(&backlog->counted_kib, (apr_uint32_t)(bytes / 1024));
    apr_atomic_set32(&backlog->kib, (apr_uint32_t)(bytes / 1024));
    if (number < WORTH_A_WARNING) {
        backlog->warn_at = WORTH_A_WARNING;
    }
    else if (number >= backlog->warn_at) {
        backlog->warn_at = 2 * number;
    }
}

/* Between two counts by what this child adds: a minute is long. */
int nmdm_backlog_is_full(nmdm_backlog_t *backlog, apr_size_t len)
{
    apr_uint32_t most = (apr_uint32_t)(NMDM_RELAY_BACKLOG_BYTES / 1024);
    apr_uint32_t added = (apr_uint32_t)(len / 1024 + 1);

    if (apr_atomic_read32(&backlog->is_full)
        || apr_atomic_read32(&backlog->kib) + added > most) {
        return 1;
    }
    apr_atomic_add32(&backlog->kib, added);
    return 0;
}

int nmdm_backlog_is_long(nmdm_backlog_t *backlog)
{
    return apr_atomic_read32(&backlog->counted_kib)
               >= (apr_uint32_t)(NMDM_RELAY_BUDGET / 1024)
        || apr_atomic_read32(&backlog->kib) >= MUCH;
}
