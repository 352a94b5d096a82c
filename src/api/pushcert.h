/* SPDX-License-Identifier: Apache-2.0 */
/* pushcert.h -- push certificates, as operators see them. */

#ifndef NMDM_API_PUSHCERT_H
#define NMDM_API_PUSHCERT_H

#include "base/context.h"

/* Each fills in *reply and *status, also when it returns an error, which is
 * for the log. */

/* Stores a push certificate and its key, given as PEM. Unless it is forced,
 * one that has expired is refused, and one of a topic that no device uses
 * while devices use another. */
nmdm_err_t *nmdm_api_pushcert_put(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, nmdm_bytes_t pem, int is_forced);
nmdm_err_t *nmdm_api_pushcert_get(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *topic);

/* Asks Apple to unlock a device by its escrow key, with the push certificate
 * of a topic; what Apple says is passed on. */
nmdm_err_t *nmdm_api_escrow_unlock(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                   int *status, const apr_table_t *form);

#endif /* NMDM_API_PUSHCERT_H */
