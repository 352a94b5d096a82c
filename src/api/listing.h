/* SPDX-License-Identifier: Apache-2.0 */
/* listing.h -- pages of commands and reports, which may be large.
 *
 * A page is read in hundreds of short rows; commands and reports follow one by
 * one until the page is full, by its limit or by bytes. */

#ifndef NMDM_API_LISTING_H
#define NMDM_API_LISTING_H

#include "api/paging.h"
#include "codec/json.h"
#include "db/db.h"

typedef struct {
    const char *id, *uuid;      /* what is asked for; one may be NULL */
    nmdm_api_paging_t asked;
    char kind;                  /* of the cursor */

    nmdm_json_t *reply;
    nmdm_json_t *entries;
    const char *cursor[3];      /* of the last entry */
    int is_begun;               /* is there one? */
    int count;
    apr_int64_t skip;           /* entries before the page, by offset */
    nmdm_api_paging_batches_t batches;
    apr_size_t bytes;
    int values_left;
    apr_pool_t *scratch;        /* of one entry */
} nmdm_api_listing_t;

/* Begins a page in ctx->pool, whose entries are an array of that name;
 * listing->asked and ->kind are set. */
void nmdm_api_listing_open(nmdm_ctx_t *ctx, nmdm_api_listing_t *listing,
                           const char *name);
/* Whether the page has all that it may have. */
int nmdm_api_listing_is_full(const nmdm_api_listing_t *listing);
/* Adds the cursor of the page after this one. */
void nmdm_api_listing_next(nmdm_ctx_t *ctx, nmdm_api_listing_t *listing);
/* Whether an entry lies before the offset that was asked for; counts it. */
int nmdm_api_listing_skips(nmdm_api_listing_t *listing);
/* ctx with a pool for the next rows, which ends with the rows after them. */
nmdm_ctx_t nmdm_api_listing_batch(const nmdm_ctx_t *ctx,
                                  nmdm_api_listing_t *listing);

/* ctx with a pool for what is read for one entry; cleared for the next. */
nmdm_ctx_t nmdm_api_listing_scratch(const nmdm_ctx_t *ctx,
                                    nmdm_api_listing_t *listing);
/* An error of such a pool in that of ctx; NULL stays NULL. */
nmdm_err_t *nmdm_api_listing_kept(nmdm_ctx_t *ctx, const nmdm_err_t *err);
/* Adds text as base64 and counts its bytes. */
void nmdm_api_listing_base64(nmdm_api_listing_t *listing, nmdm_json_t *entry,
                             const char *key, const char *text);

/* Adds to an entry the command of a UUID, if there is one. */
nmdm_err_t *nmdm_api_listing_command(nmdm_ctx_t *ctx,
                                     nmdm_api_listing_t *listing,
                                     nmdm_json_t *entry, const char *uuid);
/* Adds to an entry a report as received, and as JSON where that is
 * possible. */
nmdm_err_t *nmdm_api_listing_result(nmdm_ctx_t *ctx,
                                    nmdm_api_listing_t *listing,
                                    nmdm_json_t *entry, const char *id,
                                    const char *uuid);

/* NMDM_INVALID for a cursor that was tampered with, which the database would
 * take for a fault: part time_at is a time, and part 0 a number if that is not
 * 0. */
nmdm_err_t *nmdm_api_listing_check_place(nmdm_ctx_t *ctx,
                                         const nmdm_api_paging_t *page,
                                         int time_at);
/* The error of an id that is not enrolled, or NULL. */
nmdm_err_t *nmdm_api_listing_enrolled(nmdm_ctx_t *ctx, const char *id);
/* Does the work, with the listing as baton, unless err is set; and answers
 * with the page or the error. */
nmdm_err_t *nmdm_api_listing_answer(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                    int *status,
                                    nmdm_api_listing_t *listing,
                                    nmdm_unit_fn work, nmdm_err_t *err);

#endif /* NMDM_API_LISTING_H */
