/* SPDX-License-Identifier: Apache-2.0 */
/* query_rows.h -- rows of many columns, as the queries of operators read
 * them: the array that nmdm_db_rows fills. */

#ifndef NMDM_QUERY_ROWS_H
#define NMDM_QUERY_ROWS_H

#include "base/context.h"

/* An empty array in ctx->pool for nmdm_db_rows. */
apr_array_header_t *nmdm_query_rows_values(nmdm_ctx_t *ctx);
/* The columns of the row whose first value has the index i. */
const char **nmdm_query_rows_at(const apr_array_header_t *values, int i);
/* Whether a flag is set, in any dialect; NULL is no. */
int nmdm_query_rows_is_true(const char *text);
/* 0 for NULL. */
int nmdm_query_rows_number(const char *text);

#endif /* NMDM_QUERY_ROWS_H */
