/* SPDX-License-Identifier: Apache-2.0 */
/* sender.h -- what the database has of who sent a message, found out by one
 * statement instead of one for each of its tables.
 *
 * It is no more than a shortcut: what was not looked for is asked for as
 * always. */

#ifndef NMDM_SENDER_H
#define NMDM_SENDER_H

#include "mdm/message.h"

typedef enum {
    NMDM_SENDER_ASSOCIATION,    /* of the request's certificate with the
                                 * device */
    NMDM_SENDER_DEVICE,         /* a row of the device */
    NMDM_SENDER_ENROLLMENT,     /* a row of the device or of one of its users */
    NMDM_SENDER_PUSH_STATE,     /* of the enrollment */
    NMDM_SENDER_STAGED_RENEWAL, /* of the device's enrollment */
    NMDM_SENDER_ISSUED_CERT,    /* the request's, in either encoding */
    NMDM_SENDER_RENEWING_CERT,  /* one of the device's that has the state of a
                                 * renewal */
    NMDM_SENDER_FACTS
} nmdm_sender_e;

/* Looks, within a unit, and sets ctx->sender for the rest of the unit. Leaves
 * it NULL where one statement cannot tell: without a certificate, with
 * NanoMDMAssociation latest, and on a database without the tables of SCEP. */
nmdm_err_t *nmdm_sender_look(nmdm_ctx_t *ctx, const nmdm_id_t *who);

/* The same for a TokenUpdate, where databases plan each statement anew: in the
 * normal course one statement looks and stores `text`: *is_stored. Then
 * the look has found a known device and what else makes no work. */
nmdm_err_t *nmdm_sender_token_update(nmdm_ctx_t *ctx, int *is_stored,
                                     const nmdm_id_t *who, const char *text);

/* 1 where the look found it, or found none: both 0 without a look. */
int nmdm_sender_has(const nmdm_ctx_t *ctx, nmdm_sender_e what);
int nmdm_sender_lacks(const nmdm_ctx_t *ctx, nmdm_sender_e what);

#endif /* NMDM_SENDER_H */
