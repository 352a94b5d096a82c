/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_admin.h -- what an operator may ask for. */

#ifndef NMDM_ADMIN_H
#define NMDM_ADMIN_H

#include "nmdm.h"

/* Each fills in *reply with JSON and *status with the HTTP status, also when
 * it returns an error: the error is then for the log, the operator has been
 * told. */

/* The ids of a comma-separated list. */
apr_array_header_t *nmdm_admin_split_ids(apr_pool_t *p, const char *text);

/* Puts the command in body into the queues of ids and, if it pushes, wakes
 * their devices (behaviour specification 6.5). An empty body only pushes. */
nmdm_err_t *nmdm_admin_enqueue(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                               int *status, const apr_array_header_t *ids,
                               nmdm_bytes_t body, int pushes);
nmdm_err_t *nmdm_admin_push(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                            const apr_array_header_t *ids);

/* Either of them with {"ids":[...],"command":"base64","nopush":false}, for
 * more ids than a request line holds. */
nmdm_err_t *nmdm_admin_json(nmdm_ctx_t *ctx, nmdm_reply_t *reply, int *status,
                            nmdm_bytes_t json, int enqueues);

/* Asks Apple to unlock a device by its escrow key; what Apple says is passed
 * on. */
nmdm_err_t *nmdm_admin_escrow(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                              int *status, const apr_table_t *form);

/* Stores a push certificate and its key, given as PEM. Unless it is forced,
 * one that has expired is refused, and one of a topic that no device uses
 * while devices use another. */
nmdm_err_t *nmdm_admin_put_push_cert(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, nmdm_bytes_t pem,
                                     int is_forced);
nmdm_err_t *nmdm_admin_get_push_cert(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, const char *topic);

/* {"error": text}, the form of all simple errors. */
void nmdm_admin_error(nmdm_reply_t *reply, apr_pool_t *p, const char *text);

#endif /* NMDM_ADMIN_H */
