/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_admin.h -- what an operator may ask for. */

#ifndef NMDM_ADMIN_H
#define NMDM_ADMIN_H

#include "nmdm.h"

/* Each fills in *reply with JSON and *status with the HTTP status, also when
 * it returns an error: the error is then for the log, the operator has been
 * told. */

/* Puts the command in body into the queues of a comma-separated list of ids
 * (behaviour specification 6.5). */
nmdm_err_t *nmdm_admin_enqueue(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                               int *status, const char *ids,
                               nmdm_bytes_t body, int push);

/* Stores a push certificate and its key, given as PEM. */
nmdm_err_t *nmdm_admin_put_push_cert(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, nmdm_bytes_t pem);
nmdm_err_t *nmdm_admin_get_push_cert(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, const char *topic);

/* {"error": text}, the form of all simple errors. */
void nmdm_admin_error(nmdm_reply_t *reply, apr_pool_t *p, const char *text);

#endif /* NMDM_ADMIN_H */
