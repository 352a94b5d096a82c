/* SPDX-License-Identifier: Apache-2.0 */
/* reply.h -- sends a reply or an error. */

#ifndef NANOMDM_REPLY_H
#define NANOMDM_REPLY_H

#include "base/context.h"

#include <httpd.h>

/* Seconds after which a client may try again while the database is away. */
#define NANOMDM_RETRY_AFTER "5"

/* Sends a reply, releases the database connection and sets the notes for the
 * access log. Returns what a handler of httpd returns, as the next three do. */
int nanomdm_reply(request_rec *r, nmdm_ctx_t *ctx, const nmdm_reply_t *reply,
                  int status);

/* Logs err and answers a device: status and its reason phrase. */
int nanomdm_fail(request_rec *r, nmdm_ctx_t *ctx, const nmdm_err_t *err);

/* Logs err and answers an operator in JSON. */
int nanomdm_fail_json(request_rec *r, nmdm_ctx_t *ctx,
                      const nmdm_err_t *err);

/* The error body of device URLs and of plain API errors. */
int nanomdm_plain(request_rec *r, int status, const char *text);

/* Sets the environment variables NANOMDM_... of the request, for CustomLog
 * (docs/operations.md has their names). */
void nanomdm_reply_set_log_notes(request_rec *r, const nmdm_ctx_t *ctx);

/* Before the end of a certificate something should be done about it. */
#define NANOMDM_WARN_BEFORE_DAYS 30

#endif /* NANOMDM_REPLY_H */
