/* SPDX-License-Identifier: Apache-2.0 */
/* timeline.h -- one enrollment with what happened to it. */

#ifndef NMDM_API_TIMELINE_H
#define NMDM_API_TIMELINE_H

#include "storage/enrollment_queries.h"
#include "storage/queue_queries.h"
#include "storage/declarations_status.h"

typedef struct {
    apr_time_t at;
    const char *what, *about;   /* about may be "" */
    const char *answered;       /* UUID of a command with a result, or NULL */
} nmdm_timeline_entry_t;

typedef struct {
    const nmdm_enrollment_t *who;       /* without its secrets */
    apr_time_t cert_not_after;  /* 0: none */
    nmdm_pending_t pending;
    nmdm_last_push_t push;
    apr_array_header_t *queue;  /* of nmdm_queued_t, a page */
    apr_array_header_t *entries;        /* the newest first */
    int has_push_cert;          /* of its topic? */
    apr_time_t push_cert_not_after;     /* 0: it cannot be read */
    /* Of NanoMDMDeclarativeManagement builtin; else NULL and 0. */
    apr_array_header_t *sets;   /* names that it has, const char * */
    apr_array_header_t *declarations;   /* as it reported them,
                                         * nmdm_declarations_state_t */
    apr_time_t declared_at;     /* the last report; 0: none */
} nmdm_timeline_t;

/* NMDM_NOT_FOUND for an id that is not enrolled and has not begun to be. */
nmdm_err_t *nmdm_api_timeline(nmdm_timeline_t *out, nmdm_ctx_t *ctx,
                              const char *id);

#endif /* NMDM_API_TIMELINE_H */
