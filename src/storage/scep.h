/* SPDX-License-Identifier: Apache-2.0 */
/* scep.h -- one-time challenges, and the certificates issued for them.
 *
 * Every call is to be made within a unit of db/db.h, unless it says otherwise.
 * Times of rows are milliseconds since 1970 by this server's clock; here they
 * are apr_time_t. */

#ifndef NMDM_STORAGE_SCEP_H
#define NMDM_STORAGE_SCEP_H

#include "base/context.h"

#include <apr_tables.h>

/* What a challenge may be bound to, and the certificate issued for it; each is
 * NULL or "" where it is not. */
typedef struct {
    const char *udid;
    const char *serial_number;
    const char *enrollment_id;
    const char *user_name;
} nmdm_binding_t;

#define NMDM_BINDING_NONE ((nmdm_binding_t){ NULL, NULL, NULL, NULL })

/* What a challenge or a certificate was made for: values of purpose. */
#define NMDM_PURPOSE_ENROLL "enroll"
#define NMDM_PURPOSE_LINK "link"
#define NMDM_PURPOSE_RENEWAL "renewal"
#define NMDM_PURPOSE_ACCOUNT "account"
#define NMDM_PURPOSE_ACME "acme"
#define NMDM_PURPOSE_API "api"
/* Of certificates alone: NanoMDMSCEPChallenge static, external or none. */
#define NMDM_PURPOSE_STATIC "static"
#define NMDM_PURPOSE_EXTERNAL "external"
#define NMDM_PURPOSE_NONE "none"

/* NMDM_UNAVAILABLE where the database lacks the tables, which a text names.
 * Needs no unit. */
nmdm_err_t *nmdm_scep_tables_check(nmdm_ctx_t *ctx);

/* What a binding says, for logs: "serial number X, UDID Y" or "no device". */
const char *nmdm_binding_text(apr_pool_t *p, const nmdm_binding_t *binding);

/* What is wrong with one received from outside, or NULL: a value that is too
 * long for its column or a subject, or has control characters. */
const char *nmdm_binding_flaw(const nmdm_binding_t *binding);

/* ---- Challenges ---- */

/* Makes a challenge that is good until `expires` and returns its text, 43
 * characters of base64url; only its digest is stored. */
nmdm_err_t *nmdm_challenge_make(nmdm_ctx_t *ctx, const char **challenge,
                                const char *purpose,
                                const nmdm_binding_t *binding,
                                apr_time_t expires);

/* The same in two steps: a text, which needs no unit; and its row. */
nmdm_err_t *nmdm_challenge_new(nmdm_ctx_t *ctx, const char **challenge);
nmdm_err_t *nmdm_challenge_put(nmdm_ctx_t *ctx, const char *challenge,
                               const char *purpose,
                               const nmdm_binding_t *binding,
                               apr_time_t expires);
/* Of one that is not used yet: lets it be good until `expires`; removes it,
 * *is_withdrawn being 0 where it is used or not there. */
nmdm_err_t *nmdm_challenge_extend(nmdm_ctx_t *ctx, const char *challenge,
                                  apr_time_t expires);
nmdm_err_t *nmdm_challenge_withdraw(nmdm_ctx_t *ctx, int *is_withdrawn,
                                    const char *challenge);

typedef struct {
    int found;
    const char *purpose;
    nmdm_binding_t binding;
    const char *profile;        /* that it was put into, as in
                                 * nmdm_issued_row_t; or NULL */
    apr_time_t expires;
    apr_time_t used;            /* 0: not yet */
    const char *key_sha256;     /* of the device that used it */
    const char *cert_sha256;
} nmdm_challenge_t;

/* Reads a challenge; out->found is 0 for an unknown one. */
nmdm_err_t *nmdm_challenge_get(nmdm_ctx_t *ctx, nmdm_challenge_t *out,
                               const char *challenge);
/* Uses it up for a key and a certificate. *is_mine is 0 when it was used or has
 * expired, and of many at once one gets 1. */
nmdm_err_t *nmdm_challenge_use(nmdm_ctx_t *ctx, int *is_mine,
                               const char *challenge, const char *key_sha256,
                               const char *cert_sha256);

/* ---- Issued certificates ---- */

typedef struct {
    int found;
    const char *sha256, *serial, *issuer_sha256, *subject, *pem;
    apr_time_t not_after;
    const char *purpose;
    nmdm_binding_t binding;     /* enrollment_id: once known */
    apr_time_t revoked;         /* 0: it is not */
    const char *profile;        /* "IDENTIFIER SERVERURL TOPIC" of the one that
                                 * it was asked for with; NULL: not ours */
    /* For nmdm_issued_put alone. */
    const char *transaction;
    const char *signer_key;     /* SHA-256 of the request's signer's SPKI */
} nmdm_issued_row_t;

/* Stores a certificate that was issued, before it is sent. */
nmdm_err_t *nmdm_issued_put(nmdm_ctx_t *ctx, const nmdm_issued_row_t *row);
/* out->found is 0 when it is none of ours. */
nmdm_err_t *nmdm_issued_get(nmdm_ctx_t *ctx, nmdm_issued_row_t *out,
                            const char *sha256);
/* The newest of a transaction and signer key, issued after `since`. */
nmdm_err_t *nmdm_issued_of_transaction(nmdm_ctx_t *ctx,
                                       nmdm_issued_row_t *out,
                                       const char *transaction,
                                       const char *signer_key,
                                       apr_time_t since);
/* Notes the enrollment of a certificate; *is_good is 0 once it is revoked. */
nmdm_err_t *nmdm_issued_bind(nmdm_ctx_t *ctx, int *is_good,
                             const char *sha256, const char *enrollment_id);
/* Revokes a certificate and takes its associations away. *is_new is 0 when it
 * was revoked before or is none of ours. In a transaction. */
nmdm_err_t *nmdm_issued_revoke(nmdm_ctx_t *ctx, int *is_new,
                               const char *sha256);

/* Which of them a page has: NULL or "" is any. */
typedef struct {
    apr_time_t after;           /* the last one seen, 0: from the first on */
    const char *after_sha256;
    apr_time_t expires_before;  /* 0: whenever */
    const char *enrollment_id;
    const char *issuer_sha256;
} nmdm_issued_filter_t;
/* Up to NMDM_SQL_IDS nmdm_issued_row_t, by their end. */
nmdm_err_t *nmdm_issued_page(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                             const nmdm_issued_filter_t *filter);

/* ---- Retention ---- */

/* Removes a page of what has expired: challenges and tokens a day ago,
 * certificates a year ago. *removed is how many rows. */
nmdm_err_t *nmdm_scep_forget(nmdm_ctx_t *ctx, int *removed);

#endif /* NMDM_STORAGE_SCEP_H */
