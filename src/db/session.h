/* SPDX-License-Identifier: Apache-2.0 */
/* session.h -- for the files of db/: what is kept with a connection. */

#ifndef NMDM_SESSION_H
#define NMDM_SESSION_H

#include "db/db.h"

/* What is kept with a connection, for one table prefix; lives as long as the
 * connection. */
typedef struct nmdm_session_t {
    apr_pool_t *pool;           /* of the statements */
    apr_pool_t *results;        /* of the result that is read at the moment, or
                                 * NULL: it goes with the request */
    int number;                 /* keeps the labels of two prefixes apart */
    int stale;                  /* the statements may be gone */
    const char *wal_path;       /* sqlite3: the log to flush after a commit, or
                                 * NULL: it is flushed by the commit */
    apr_dbd_prepared_t *prepared[STMT_MAX];
} nmdm_session_t;

/* Takes a connection if ctx has none, and checks the schema if that was not
 * done. NMDM_UNAVAILABLE when there is none. */
nmdm_err_t *nmdm_session_borrow(nmdm_ctx_t *ctx);

/* After err: the server may have lost what was prepared, so the next borrower
 * prepares again. */
void nmdm_session_distrust(nmdm_ctx_t *ctx, const nmdm_err_t *err);

#endif /* NMDM_SESSION_H */
