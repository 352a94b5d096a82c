/* SPDX-License-Identifier: Apache-2.0 */
/* enroll_tokens.h -- links that give an enrollment profile once, how many
 * profiles one user or address has, and what was in a profile: rows of
 * nanomdm_scep_tokens.
 *
 * Every call is to be made within a unit of db/db.h. A lock lasts until the end
 * of its transaction. */

#ifndef NMDM_ENROLL_TOKENS_H
#define NMDM_ENROLL_TOKENS_H

#include "storage/scep.h"

/* ---- Links ---- */

typedef struct {
    int found;
    nmdm_binding_t binding;
    apr_time_t expires;
    apr_time_t opened;          /* 0: not yet, or given back */
    const char *address;        /* of the client that opened it, or "" */
    int times;                  /* that it was opened */
} nmdm_link_t;

/* Stores a link by the digest of its token. */
nmdm_err_t *nmdm_enroll_tokens_put_link(nmdm_ctx_t *ctx, const char *token,
                                        const nmdm_binding_t *binding,
                                        apr_time_t expires);
/* Reads it; out->found is 0 where there is none. */
nmdm_err_t *nmdm_enroll_tokens_get_link(nmdm_ctx_t *ctx, nmdm_link_t *out,
                                        const char *token);
/* The same, and of many at once one goes on at a time. In a transaction. */
nmdm_err_t *nmdm_enroll_tokens_lock_link(nmdm_ctx_t *ctx, nmdm_link_t *out,
                                         const char *token);
/* Stores opened, address and times of one that is locked. */
nmdm_err_t *nmdm_enroll_tokens_set_link(nmdm_ctx_t *ctx, const char *token,
                                        const nmdm_link_t *link);

/* ---- How many ---- */

/* At most so many challenges of one user or address can be counted. */
#define NMDM_ENROLL_TOKENS_MOST 100

/* Whether `who` has `most` challenges or more that are neither used nor
 * expired. */
nmdm_err_t *nmdm_enroll_tokens_is_full(nmdm_ctx_t *ctx, int *is_full,
                                       const char *who, int most);
/* The same, and else counts a new one that expires then. Of many at once each
 * sees the one before. In a transaction. */
nmdm_err_t *nmdm_enroll_tokens_count(nmdm_ctx_t *ctx, int *is_full,
                                     const char *who, int most,
                                     const char *challenge,
                                     apr_time_t expires);

/* ---- What was in a profile ---- */

/* Keeps the summary of the profile (mdm/enrollment_profile.h) that has a
 * challenge; nmdm_challenge_get reads it. */
nmdm_err_t *nmdm_enroll_tokens_put_profile(nmdm_ctx_t *ctx,
                                           const char *challenge,
                                           const char *summary,
                                           apr_time_t expires);

#endif /* NMDM_ENROLL_TOKENS_H */
