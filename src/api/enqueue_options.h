/* SPDX-License-Identifier: Apache-2.0 */
/* enqueue_options.h -- how a command is to be queued: priority, expiry. */

#ifndef NMDM_API_ENQUEUE_OPTIONS_H
#define NMDM_API_ENQUEUE_OPTIONS_H

#include "codec/json.h"
#include "storage/queue.h"

/* Reads query parameters, each of which may be NULL: a priority, and when the
 * command expires, in seconds from now or in RFC 3339. */
nmdm_err_t *nmdm_api_enqueue_options_read(nmdm_enqueue_options_t *options,
                                          nmdm_ctx_t *ctx,
                                          const char *priority,
                                          const char *expires);

/* The same from keys of a JSON object. */
nmdm_err_t *nmdm_api_enqueue_options_json(nmdm_enqueue_options_t *options,
                                          nmdm_ctx_t *ctx,
                                          const nmdm_json_t *json);

#endif /* NMDM_API_ENQUEUE_OPTIONS_H */
