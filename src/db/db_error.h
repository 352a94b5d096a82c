/* SPDX-License-Identifier: Apache-2.0 */
/* db_error.h -- what a database said that failed, and what it means: whether
 * it is worth another try. */

#ifndef NMDM_DB_ERROR_H
#define NMDM_DB_ERROR_H

#include "base/context.h"

/* The last error of the connection that ctx holds, with its `retry`. what:
 * the name or the text of what failed; rv: what apr_dbd returned for it. */
nmdm_err_t *nmdm_db_error_make(nmdm_ctx_t *ctx, const char *what, int rv);

#endif /* NMDM_DB_ERROR_H */
