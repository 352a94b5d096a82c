/* SPDX-License-Identifier: Apache-2.0 */
/* error.h -- errors as values. src/base knows APR and nothing else. */

#ifndef NMDM_ERROR_H
#define NMDM_ERROR_H

#include <apr_pools.h>

/* Log tags: each number once, hundreds by file; tests/check_tags.py. */
#define NMDMNO(n) "NMDM" #n ": "

/* ---- Errors are values: NULL is success. ---- */

typedef enum {
    NMDM_INVALID,       /* the peer sent something we cannot use */
    NMDM_REFUSED,       /* understood, but not theirs to ask */
    NMDM_GONE,          /* we choose not to manage this user */
    NMDM_TOO_LARGE,     /* more bytes than NanoMDMMaxBody */
    NMDM_NOT_FOUND,
    NMDM_UPSTREAM,      /* another server failed us */
    NMDM_UNAVAILABLE,   /* the database is away; worth another try */
    NMDM_LIMITED,       /* more than NanoMDMRateLimit; worth one, later */
    NMDM_INTERNAL
} nmdm_kind_e;

/* Whether the same work may succeed when simply done again. */
typedef enum {
    NMDM_RETRY_NO,
    NMDM_RETRY_FEW,     /* a statement failed for an unknown reason */
    NMDM_RETRY_LATER,   /* no room on a disk, no right to write: by the
                         * client, not by us */
    NMDM_RETRY_WAIT     /* connection lost, deadlock, busy: until deadline */
} nmdm_retry_e;

typedef struct {
    nmdm_kind_e kind;
    nmdm_retry_e retry;
    apr_status_t rv;    /* what APR said, or APR_SUCCESS */
    const char *msg;    /* one line for the log, tag included */
    int is_repeated;    /* said a moment ago: for the debug log */
} nmdm_err_t;

/* Makes an error in pool p, whose text is UTF-8 whatever it cites. Never
 * returns NULL. */
nmdm_err_t *nmdm_err(apr_pool_t *p, nmdm_kind_e kind, apr_status_t rv,
                     const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The same error in another pool. */
nmdm_err_t *nmdm_err_copy(apr_pool_t *p, const nmdm_err_t *err);

/* The text of an error without its tag: what an operator may be shown. */
const char *nmdm_err_text(const nmdm_err_t *err);

#define NMDM_TRY(expr)                      \
    do {                                    \
        nmdm_err_t *nmdm_try_ = (expr);     \
        if (nmdm_try_) {                    \
            return nmdm_try_;               \
        }                                   \
    } while (0)

#endif /* NMDM_ERROR_H */
