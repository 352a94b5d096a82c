/* SPDX-License-Identifier: Apache-2.0 */
/* enroll.h -- who gets an enrollment profile, and with which challenge. */

#ifndef NMDM_ENROLL_H
#define NMDM_ENROLL_H

#include "mdm/enrollment_profile.h"
#include "storage/enroll_tokens.h"

/* What lets a request have a profile. */
typedef enum {
    NMDM_ENROLL_USER = 1,       /* a user whom httpd authenticated */
    NMDM_ENROLL_LINK = 2,
    NMDM_ENROLL_MACHINE_INFO = 4,
    NMDM_ENROLL_OPEN = 8        /* nothing: all may have one */
} nmdm_enroll_by_e;

/* Its word, for logs and NANOMDM_ENROLL. */
const char *nmdm_enroll_by_name(nmdm_enroll_by_e by);

/* How long the client that opened a link may open it again. */
#define NMDM_ENROLL_AGAIN apr_time_from_sec(600)

/* Of a Location. */
typedef struct {
    const nmdm_profile_conf_t *profile;
    int makes_challenges;       /* else: */
    const char *shared_challenge;       /* NanoMDMSCEPChallenge static; NULL:
                                         * the template has one, or none */
    apr_interval_time_t life;   /* of challenges */
    int most_open;              /* of one user, link or address */
} nmdm_enroll_conf_t;

typedef struct {
    nmdm_enroll_by_e by;
    const char *token;          /* of a link, or NULL */
    const char *client;         /* its address */
    const char *network;        /* the same as it is counted */
    nmdm_binding_t binding;     /* of its user and MachineInfo */
    int is_head;                /* nothing is made or used up */
} nmdm_enroll_request_t;

typedef enum {
    NMDM_ENROLL_GIVEN,
    NMDM_ENROLL_REFUSED,        /* the link is not known, or used up */
    NMDM_ENROLL_LIMITED,        /* as many as the limit allows are open */
    NMDM_ENROLL_NO_TOPIC        /* no push certificate says it */
} nmdm_enroll_outcome_e;

typedef struct {
    nmdm_enroll_outcome_e outcome;
    const char *why;            /* unless it is given: a sentence */
    nmdm_profile_t profile;
    nmdm_binding_t binding;     /* of the challenge */
    apr_time_t opened;          /* of a link: when this request did */
    const char *challenge;
} nmdm_enroll_t;

/* Makes the profile and stores its challenge. A link is used up. */
nmdm_err_t *nmdm_enroll_give(nmdm_ctx_t *ctx, nmdm_enroll_t *out,
                             const nmdm_enroll_conf_t *conf,
                             const nmdm_enroll_request_t *request);

/* Gives a link back whose answer did not reach its client, unless its
 * challenge has been used. */
nmdm_err_t *nmdm_enroll_give_back(nmdm_ctx_t *ctx, const nmdm_enroll_t *given,
                                  const nmdm_enroll_request_t *request);

/* What is wrong with the profile of a Location, with the remedy; NULL where
 * nothing is. */
const char *nmdm_enroll_flaw(apr_pool_t *p, const nmdm_profile_conf_t *conf);

#endif /* NMDM_ENROLL_H */
