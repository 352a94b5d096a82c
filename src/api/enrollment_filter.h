/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_filter.h -- which enrollments an operator asks for. */

#ifndef NMDM_API_ENROLLMENT_FILTER_H
#define NMDM_API_ENROLLMENT_FILTER_H

#include "base/context.h"
#include "storage/enrollment_queries.h"

#include <apr_hash.h>
#include <apr_tables.h>

typedef struct {
    apr_array_header_t *list;   /* each value once; NULL: any */
    apr_hash_t *set;
} nmdm_api_filter_values_t;

typedef struct {
    nmdm_api_filter_values_t ids, serials, names, types;
    int enabled;                /* 1, 0, or -1: either */
    int with_cert, with_unlock_token;
} nmdm_api_enrollment_filter_t;

/* Reads a filter of {"filter":...,"options":...}, in ctx->pool; an empty text
 * lets all pass. NMDM_INVALID for what is not known. */
nmdm_err_t *nmdm_api_enrollment_filter_read(nmdm_api_enrollment_filter_t *out,
                                            nmdm_ctx_t *ctx,
                                            nmdm_bytes_t json);

/* Whether a key passes, judged by its columns. */
int nmdm_api_enrollment_filter_passes_key(
    const nmdm_api_enrollment_filter_t *f, const nmdm_key_t *key);

/* Whether an enrollment passes whose key did. */
int nmdm_api_enrollment_filter_passes(const nmdm_api_enrollment_filter_t *f,
                                      const nmdm_enrollment_t *e);

/* Whether keys alone decide, so that rows need not be read to be skipped. */
int nmdm_api_enrollment_filter_by_key(const nmdm_api_enrollment_filter_t *f);

/* NMDM_INVALID: the member `key` of the request, and what is wrong with it. */
nmdm_err_t *nmdm_api_enrollment_filter_refuse(nmdm_ctx_t *ctx, const char *key,
                                              const char *why);

#endif /* NMDM_API_ENROLLMENT_FILTER_H */
