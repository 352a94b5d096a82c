/* SPDX-License-Identifier: Apache-2.0 */
/* enqueue.h -- queues commands, and pushes. */

#ifndef NMDM_API_ENQUEUE_H
#define NMDM_API_ENQUEUE_H

#include "base/context.h"
#include "codec/json.h"
#include "storage/queue.h"

/* Each fills in *reply with JSON and *status with the HTTP status, also when
 * it returns an error: the error is then for the log, and *reply holds the
 * operator's copy. */

/* Puts the command in body into the queues of ids and, if it pushes, wakes
 * their devices (behaviour specification 6.5). An empty body only pushes. */
nmdm_err_t *nmdm_api_enqueue(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                             int *status, const apr_array_header_t *ids,
                             nmdm_bytes_t body, int pushes);
/* The same with a priority and a time from which it is not delivered. */
nmdm_err_t *nmdm_api_enqueue_on(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                int *status, const apr_array_header_t *ids,
                                nmdm_bytes_t body, int pushes,
                                const nmdm_enqueue_options_t *options);
nmdm_err_t *nmdm_api_enqueue_push(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const apr_array_header_t *ids);

/* Queues a command that is written in JSON (api/command_json.h). */
nmdm_err_t *nmdm_api_enqueue_command(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, nmdm_bytes_t json);

/* Either of them with {"ids":[...],"command":"base64","nopush":false}, for
 * more ids than a request line holds. */
nmdm_err_t *nmdm_api_enqueue_json(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, nmdm_bytes_t json,
                                  int enqueues);

#endif /* NMDM_API_ENQUEUE_H */
