/* SPDX-License-Identifier: Apache-2.0 */
/* paging.h -- one page of a list: limit, offset, cursor. */

#ifndef NMDM_API_PAGING_H
#define NMDM_API_PAGING_H

#include "base/context.h"

#define NMDM_API_PAGING_USUAL 100
#define NMDM_API_PAGING_MOST 1000

/* What a client asks for: query parameters, each or NULL. */
typedef struct {
    const char *limit, *offset, *cursor;
} nmdm_api_paging_query_t;

#define NMDM_API_PAGING_PARTS 4

typedef struct {
    int limit;                  /* 1 to NMDM_API_PAGING_MOST */
    apr_int64_t offset;         /* 0 when there is a cursor */
    int has_offset;             /* was it asked for, be it 0? */
    int has_cursor;
    const char *parts[NMDM_API_PAGING_PARTS];   /* of the cursor; "" without
                                                 * one */
} nmdm_api_paging_t;

/* NMDM_INVALID names the parameter that cannot be used. `kind` is a letter
 * that distinguishes the cursors of one list from those of another, nparts the
 * number of their parts. */
nmdm_err_t *nmdm_api_paging_read(nmdm_api_paging_t *page, apr_pool_t *p,
                                 const nmdm_api_paging_query_t *query,
                                 char kind, int nparts);

/* The cursor that says where to go on. Only its last part may hold a line
 * break. */
const char *nmdm_api_paging_cursor(apr_pool_t *p, char kind,
                                   const char *const *parts, int nparts);

/* Rows are read in batches, of which the newest two are kept: what is skipped
 * takes no memory, and a key of the last batch is there for the next. */
typedef struct {
    apr_pool_t *pools[2];
    int turn;
} nmdm_api_paging_batches_t;

/* Two pools below p, for batches that are read in turn: the rows of one stay
 * while the next is read. */
void nmdm_api_paging_begin(nmdm_api_paging_batches_t *batches, apr_pool_t *p);
/* The pool of the next batch, which ends the life of that before the last. */
apr_pool_t *nmdm_api_paging_turn(nmdm_api_paging_batches_t *batches);

#endif /* NMDM_API_PAGING_H */
