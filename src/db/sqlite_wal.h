/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_wal.h -- commits of SQLite that reach the disk together. */

#ifndef NMDM_SQLITE_WAL_H
#define NMDM_SQLITE_WAL_H

#include "base/context.h"

/* Lives as long as p; any number of threads may use it. */
nmdm_err_t *nmdm_sqlite_wal_create(nmdm_sqlite_wal_t **out, apr_pool_t *p);

/* Returns once everything that was committed to the write-ahead log at path
 * before the call is on the disk: NMDM_UNAVAILABLE if it may not be. Callers
 * that arrive during a flush share the next one. */
nmdm_err_t *nmdm_sqlite_wal_flush(nmdm_sqlite_wal_t *wal, apr_pool_t *p,
                                  const char *path);

/* Whether a flush has failed: what is in the log, and whatever is added to it,
 * is in doubt until a checkpoint has gone through. */
int nmdm_sqlite_wal_needs_checkpoint(nmdm_sqlite_wal_t *wal);
void nmdm_sqlite_wal_checkpointed(nmdm_sqlite_wal_t *wal);

#endif /* NMDM_SQLITE_WAL_H */
