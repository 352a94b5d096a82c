/* SPDX-License-Identifier: Apache-2.0 */
/* query_rows.c -- rows of many columns, as the queries of operators read
 * them. */

#include "storage/query_rows.h"
#include "storage/enrollment_queries.h"

#include <stdlib.h>

apr_array_header_t *nmdm_query_rows_values(nmdm_ctx_t *ctx)
{
    return apr_array_make(ctx->pool, NMDM_QUERIES_PAGE, sizeof(const char *));
}

/* The columns of the row that starts at i. */
const char **nmdm_query_rows_at(const apr_array_header_t *values, int i)
{
    return &APR_ARRAY_IDX(values, i, const char *);
}

/* PostgreSQL writes t and f, the others 1 and 0. */
int nmdm_query_rows_is_true(const char *text)
{
    return text && (*text == 't' || *text == '1');
}

int nmdm_query_rows_number(const char *text)
{
    return text ? atoi(text) : 0;
}
