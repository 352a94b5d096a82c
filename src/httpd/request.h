/* SPDX-License-Identifier: Apache-2.0 */
/* request.h -- from request_rec to context. */

#ifndef NANOMDM_REQUEST_H
#define NANOMDM_REQUEST_H

#include "base/context.h"

#include <httpd.h>

/* A context for the request, in r->pool, which holds no database connection
 * yet. NMDM_INTERNAL when the server has no services; *out is set all the
 * same, for the log. */
nmdm_err_t *nanomdm_context(nmdm_ctx_t **out, request_rec *r);
/* The body of the request, in r->pool; NMDM_TOO_LARGE above NanoMDMMaxBody,
 * NMDM_INVALID or NMDM_REFUSED when it cannot be read to its end. */
nmdm_err_t *nanomdm_body(nmdm_bytes_t *body, request_rec *r);
/* The same, of up to `most` bytes if NanoMDMMaxBody does not say less. */
nmdm_err_t *nanomdm_body_of(nmdm_bytes_t *body, request_rec *r,
                            apr_size_t most);
/* The body of a message, which webhooks may need after the request is over;
 * sets ctx->body_pool. A short one is in r->pool, to be copied. */
nmdm_err_t *nanomdm_body_for_events(nmdm_bytes_t *body, nmdm_ctx_t *ctx,
                                    request_rec *r);
/* The first value of a parameter of the URL, or NULL. */
const char *nanomdm_parameter(request_rec *r, const char *name);

#endif /* NANOMDM_REQUEST_H */
