/* SPDX-License-Identifier: Apache-2.0 */
/* cert_renewals.h -- which of the certificates issued here are in use, which
 * of them are to be renewed, and the state of their renewal: the columns
 * renew_... of nanomdm_scep_certs.
 *
 * Every call is to be made within a unit of db/db.h, those that change
 * something within a transaction. */

#ifndef NMDM_CERT_RENEWALS_H
#define NMDM_CERT_RENEWALS_H

#include "storage/scep.h"

/* renew_state of a certificate in use: whether the profile that installed it
 * was served here. */
#define NMDM_RENEW_OWN "own"
#define NMDM_RENEW_OTHER "other"

/* A certificate in use. */
typedef struct {
    int found;
    const char *sha256, *enrollment_id, *state;
    const char *profile;        /* IDENTIFIER SERVERURL TOPIC, or NULL */
    nmdm_binding_t binding;     /* without the enrollment's id */
    apr_time_t not_after;
    apr_time_t asked;           /* when the device was last asked to renew it;
                                 * 0 with has_asked: an operator wants it now */
    int has_asked;              /* is asked known? */
    int tries;                  /* commands that were queued for it */
    const char *uuid;           /* the last of them, or NULL */
    const char *hashes;         /* of challenges sent with it, or NULL */
    const char *error;          /* why it did not help, or NULL */
} nmdm_cert_renewal_t;

/* What a look is for. */
typedef struct {
    apr_time_t ends_before;     /* never asked and ends earlier; 0: none */
    apr_time_t asked_before;    /* asked a day ago or more */
    apr_time_t asked_long_before;       /* the same of those asked often */
    int takes_other;            /* NanoMDMRenewIdentifier */
} nmdm_cert_renewals_filter_t;

/* So often a day apart, and weekly from then on. */
#define NMDM_RENEW_DAILY_TRIES 7

/* Up to NMDM_SQL_IDS nmdm_cert_renewal_t that are due, those that end first in
 * front. One statement, which reads what is due and nothing else. */
nmdm_err_t *nmdm_cert_renewals_due(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                                   const nmdm_cert_renewals_filter_t *filter);
/* The profiles that the certificates in use came with, where they were served
 * here: nmdm_cert_profile_t, the ten that most have. */
typedef struct {
    const char *profile;        /* IDENTIFIER SERVERURL TOPIC */
    apr_int64_t number;         /* of certificates */
} nmdm_cert_profile_t;
nmdm_err_t *nmdm_cert_renewals_profiles(nmdm_ctx_t *ctx,
                                        apr_array_header_t *rows);
/* The one in use by an enrollment; out->found is 0 when there is none. */
nmdm_err_t *nmdm_cert_renewals_get(nmdm_ctx_t *ctx, nmdm_cert_renewal_t *out,
                                   const char *enrollment_id);

/* How an enrollment and the last command for it are doing. */
typedef struct {
    int is_enabled;
    int is_waiting;             /* the command has no answer yet */
    const char *topic;          /* of the enrollment, "" without one */
    const char *status;         /* of the command's report, or NULL */
} nmdm_renewal_standing_t;
nmdm_err_t *nmdm_cert_renewals_standing(nmdm_ctx_t *ctx,
                                        nmdm_renewal_standing_t *out,
                                        const nmdm_cert_renewal_t *row);

/* Notes that the device is asked now, by a command or, with the one it has, by
 * none; counts it as a try if `counts`. *is_mine is 0 when another child was
 * faster. error NULL leaves the reason as it is. */
nmdm_err_t *nmdm_cert_renewals_ask(nmdm_ctx_t *ctx, int *is_mine,
                                   const nmdm_cert_renewal_t *row,
                                   const char *uuid, int counts,
                                   apr_time_t asked, const char *error);
/* The enrollment uses it no more, until its next TokenUpdate. */
nmdm_err_t *nmdm_cert_renewals_leave(nmdm_ctx_t *ctx,
                                     const char *enrollment_id);
/* Why the command `uuid` did not help. */
nmdm_err_t *nmdm_cert_renewals_failed(nmdm_ctx_t *ctx, const char *id,
                                      const char *uuid, const char *error);
/* Notes the challenges that are still good of those sent with a command. */
nmdm_err_t *nmdm_cert_renewals_sent(nmdm_ctx_t *ctx,
                                    const nmdm_cert_renewal_t *row,
                                    const char *hashes);

/* An operator wants all of an issuer renewed: they are due at once, however
 * long they are good. A page after the serial number *after, which is set to
 * the last one, or to NULL after the last page; adds to *ordered. */
nmdm_err_t *nmdm_cert_renewals_order_page(nmdm_ctx_t *ctx, int *ordered,
                                          const char **after,
                                          const char *issuer_sha256);

/* The certificate of a request. */
typedef struct {
    int found;                  /* was it issued here? */
    const char *purpose;
    int is_in_use;              /* is it the one that its enrollment uses? */
} nmdm_used_cert_t;
nmdm_err_t *nmdm_cert_renewals_used(nmdm_ctx_t *ctx, nmdm_used_cert_t *out);
/* A TokenUpdate of a device was signed with it: it is the one in use from now
 * on, unless a newer one was used before. *is_new is whether that is news. */
nmdm_err_t *nmdm_cert_renewals_use(nmdm_ctx_t *ctx, int *is_new,
                                   const char *device_id);

#endif /* NMDM_CERT_RENEWALS_H */
