/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h -- what the calls of the API have in common: answers in JSON, the
 * status of an error, and the ids of a path.
 *
 * What these return is allocated in the pool given, or in ctx->pool. */

#ifndef NMDM_API_ANSWER_H
#define NMDM_API_ANSWER_H

#include "base/context.h"
#include "codec/json.h"

/* Answers with an object, which is written into reply at once. */
void nmdm_api_answer_object(nmdm_reply_t *reply, apr_pool_t *p,
                            const nmdm_json_t *object);

/* {"error": text}, the form of all simple errors. */
void nmdm_api_answer_error(nmdm_reply_t *reply, apr_pool_t *p,
                           const char *text);

/* Answers with an object, or with err if there is one, and returns err. */
nmdm_err_t *nmdm_api_answer_send(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const nmdm_json_t *object,
                                 nmdm_err_t *err);

/* The HTTP status of an error that an operator is shown; understood: whether
 * the request as such was, so that the database refused it. */
int nmdm_api_answer_status(const nmdm_err_t *err, int understood);

/* The ids of a comma-separated list, as const char *, empty ones included. */
apr_array_header_t *nmdm_api_answer_split_ids(apr_pool_t *p, const char *text);

/* Each id once, in the order given; empty ones are left out. */
apr_array_header_t *nmdm_api_answer_distinct(apr_pool_t *p,
                                             const apr_array_header_t *ids);

/* NMDM_REFUSED for an empty list, NMDM_INVALID for an id that is not UTF-8. */
nmdm_err_t *nmdm_api_answer_check_ids(apr_pool_t *p,
                                      const apr_array_header_t *ids);

/* NMDM_INVALID for an id that no enrollment can have: empty, or not UTF-8. */
nmdm_err_t *nmdm_api_answer_check_id(nmdm_ctx_t *ctx, const char *id);

/* NMDM_NOT_FOUND, which names an enrollment whose id differs in letter case
 * alone, if there is one; within a unit. */
nmdm_err_t *nmdm_api_answer_unknown_id(nmdm_ctx_t *ctx, const char *id);

#endif /* NMDM_API_ANSWER_H */
