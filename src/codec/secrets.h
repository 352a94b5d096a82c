/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.h -- which values of property lists and status reports give power
 * over a device, or belong to its user alone. One table for all masks. */

#ifndef NMDM_SECRETS_H
#define NMDM_SECRETS_H

#include "base/context.h"

/* Who says it, as bits. */
typedef enum {
    NMDM_SECRET_FROM_DEVICE = 1,        /* check-ins and reports */
    NMDM_SECRET_TO_DEVICE = 2,          /* commands and answers */
    NMDM_SECRET_STATUS = 4              /* an item of a status report; its key
                                         * has dots for the levels */
} nmdm_secret_e;

typedef struct {
    const char *key;
    int said;                           /* of nmdm_secret_e */
    const char *source;                 /* in Apple's schema, and the release
                                         * of an OS that brought it */
} nmdm_secret_t;

/* Ends with a key of NULL. */
extern const nmdm_secret_t NMDM_SECRETS[];

/* The keys of one kind, a NULL-terminated list in p. */
const char *const *nmdm_secrets_keys(apr_pool_t *p, nmdm_secret_e said);

/* The status report in the Data of a DeclarativeManagement message without its
 * secrets; the same bytes when there are none. What names one and cannot be
 * read becomes "redacted". */
nmdm_bytes_t nmdm_secrets_mask_status(apr_pool_t *p, nmdm_bytes_t json);

#endif /* NMDM_SECRETS_H */
