/* SPDX-License-Identifier: Apache-2.0 */
/* db_error.h -- what a database said that failed, and what it means: whether
 * it is worth another try. */

#ifndef NMDM_DB_ERROR_H
#define NMDM_DB_ERROR_H

#include "base/context.h"
#include "db/dialect.h"

/* Whether repeating what failed makes sense. rv: what apr_dbd returned, with
 * mysql the server's or the client library's error number; text: what the
 * database said. */
nmdm_retry_e nmdm_db_error_retry(const nmdm_dialect_t *dialect, int rv,
                                 const char *text);

/* The last error of the connection that ctx holds, with its `retry`. what:
 * the name or the text of what failed; rv: what apr_dbd returned for it. */
nmdm_err_t *nmdm_db_error_make(nmdm_ctx_t *ctx, const char *what, int rv);

/* Whether text contains any of parts, a list that ends with NULL; for
 * dialects. */
int nmdm_db_error_has(const char *text, const char *const *parts);

#endif /* NMDM_DB_ERROR_H */
