/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_list.h -- enrollments for people: a page of those of a type or a
 * state, or what a search finds.
 *
 * A page costs the same on a small fleet and a large one: where few of many
 * pass, it ends early and says where to go on. */

#ifndef NMDM_API_ENROLLMENT_LIST_H
#define NMDM_API_ENROLLMENT_LIST_H

#include "storage/enrollment_queries.h"

#define NMDM_API_ENROLLMENT_LIST_PAGE 50

typedef enum {
    NMDM_LIST_ANY_STATE, NMDM_LIST_ENABLED, NMDM_LIST_DISABLED,
    NMDM_LIST_PENDING           /* Authenticate, and no TokenUpdate yet */
} nmdm_api_enrollment_state_e;

typedef struct {
    const char *type;           /* NULL: any */
    nmdm_api_enrollment_state_e state;
    const char *after;          /* the id before the page; "" to begin */
} nmdm_api_enrollment_list_query_t;

typedef struct {
    apr_array_header_t *rows;   /* of nmdm_enrollment_t, in the order of ids */
    const char *next;           /* `after` of the next page; NULL: it is the
                                 * last */
    int has_more;               /* a search may have found more than it shows */
} nmdm_api_enrollment_list_t;

/* All lives in ctx->pool. Database errors are returned. */
nmdm_err_t *nmdm_api_enrollment_list(
    nmdm_api_enrollment_list_t *out, nmdm_ctx_t *ctx,
    const nmdm_api_enrollment_list_query_t *query);

/* The enrollments with this id, serial number or short name of a user, letters
 * in any case for ids and serial numbers; and those whose ids begin so, if it
 * is no less than four characters. At most NMDM_QUERIES_PAGE of each. */
nmdm_err_t *nmdm_api_enrollment_list_search(nmdm_api_enrollment_list_t *out,
                                            nmdm_ctx_t *ctx,
                                            const char *text);

#endif /* NMDM_API_ENROLLMENT_LIST_H */
