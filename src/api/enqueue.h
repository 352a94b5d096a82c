/* SPDX-License-Identifier: Apache-2.0 */
/* enqueue.h -- what an operator may ask for. */

#ifndef NMDM_API_ENQUEUE_H
#define NMDM_API_ENQUEUE_H

#include "base/context.h"
#include "codec/json.h"
#include "storage/queue.h"

/* Each fills in *reply with JSON and *status with the HTTP status, also when
 * it returns an error: the error is then for the log, the operator has been
 * told. */

/* The ids of a comma-separated list. */
apr_array_header_t *nmdm_api_answer_split_ids(apr_pool_t *p, const char *text);

/* Puts the command in body into the queues of ids and, if it pushes, wakes
 * their devices (behaviour specification 6.5). An empty body only pushes. */
nmdm_err_t *nmdm_api_enqueue(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                             int *status, const apr_array_header_t *ids,
                             nmdm_bytes_t body, int pushes);
/* The same with a priority and a time from which it is not delivered. */
nmdm_err_t *nmdm_api_enqueue_on(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                int *status, const apr_array_header_t *ids,
                                nmdm_bytes_t body, int pushes,
                                const nmdm_enqueue_options_t *terms);
nmdm_err_t *nmdm_api_enqueue_push(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const apr_array_header_t *ids);

/* Queues a command that is written in JSON (api/command_json.h). */
nmdm_err_t *nmdm_api_enqueue_command(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                     int *status, nmdm_bytes_t json);

/* Either of them with {"ids":[...],"command":"base64","nopush":false}, for
 * more ids than a request line holds. */
nmdm_err_t *nmdm_api_answer_json(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, nmdm_bytes_t json, int enqueues);

/* ---- For all calls of the API ---- */

/* Answers with an object, or with what stands against it. */
nmdm_err_t *nmdm_api_answer_send(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const nmdm_json_t *object,
                                 nmdm_err_t *err);

/* Whether an id of the path can be looked for at all. */
nmdm_err_t *nmdm_api_answer_check_id(nmdm_ctx_t *ctx, const char *id);
/* That nobody has it. */
nmdm_err_t *nmdm_api_answer_unknown_id(nmdm_ctx_t *ctx, const char *id);

/* Each id once, in the order given; empty ones are nobody's. */
apr_array_header_t *nmdm_api_answer_distinct(apr_pool_t *p,
                                             const apr_array_header_t *ids);
nmdm_err_t *nmdm_api_answer_check_ids(apr_pool_t *p,
                                      const apr_array_header_t *ids);

/* {"error": text}, the form of all simple errors. */
void nmdm_api_answer_error(nmdm_reply_t *reply, apr_pool_t *p,
                           const char *text);

#endif /* NMDM_API_ENQUEUE_H */
