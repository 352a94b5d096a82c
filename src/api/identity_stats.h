/* SPDX-License-Identifier: Apache-2.0 */
/* identity_stats.h -- identities issued here, their renewals and challenges, in
 * numbers. No number costs more the more there is. */

#ifndef NMDM_API_IDENTITY_STATS_H
#define NMDM_API_IDENTITY_STATS_H

#include "api/amount.h"
#include "base/context.h"

#include <apr_tables.h>

/* The issuer, the former one, and others before them. */
#define NMDM_IDENTITY_STATS_ISSUERS 4

#define NMDM_IDENTITY_STATS_ENDS 3
/* Days from now on, rising. */
extern const int NMDM_IDENTITY_STATS_DAYS[NMDM_IDENTITY_STATS_ENDS];

typedef struct {
    char sha256[65];            /* of the issuer's certificate */
    nmdm_amount_t live;         /* neither ended nor revoked */
} nmdm_issuer_stats_t;

/* Refers to nothing else, so that it can be kept. */
typedef struct {
    int is_known;               /* does the database have the tables? */
    nmdm_amount_t in_use;       /* certificates of enrollments, not ended */
    nmdm_amount_t ending[NMDM_IDENTITY_STATS_ENDS];     /* of these */
    nmdm_issuer_stats_t issuers[NMDM_IDENTITY_STATS_ISSUERS];
    int nissuers;
    nmdm_amount_t open, used, expired;  /* challenges that are kept */
    nmdm_amount_t asked;        /* devices that were asked to renew */
    nmdm_amount_t stuck;        /* asked three times, or not to be asked */
    nmdm_amount_t foreign;      /* due, with a profile not served here */
} nmdm_identity_stats_t;

/* A device that should renew its identity and does not. */
typedef struct {
    const char *id;
    int tries;
    const char *error;          /* "" where none is known */
    apr_time_t not_after;       /* of its certificate */
} nmdm_stuck_t;

/* Both within a unit. */
nmdm_err_t *nmdm_api_identity_stats(nmdm_identity_stats_t *out,
                                    nmdm_ctx_t *ctx);
/* Up to 20 nmdm_stuck_t, of those asked longest ago. */
nmdm_err_t *nmdm_api_identity_stats_stuck(apr_array_header_t *out,
                                          nmdm_ctx_t *ctx);

#endif /* NMDM_API_IDENTITY_STATS_H */
