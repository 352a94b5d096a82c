/* SPDX-License-Identifier: Apache-2.0 */
/* log.h -- errors and remarks in the log of httpd. */

#ifndef NANOMDM_LOG_H
#define NANOMDM_LOG_H

#include "base/context.h"

#include <httpd.h>

/* The HTTP status of an error by its kind, as devices get it. */
int nanomdm_status_of(const nmdm_err_t *err);
/* ctx may be NULL: then there is no trace id to add. Of the refusals of devices
 * the first of each tag in a minute is at level notice. */
void nanomdm_log_error(request_rec *r, const nmdm_ctx_t *ctx,
                       const nmdm_err_t *err);
/* 1 for the first of all children to ask in a minute, by the number of a tag;
 * `when` is the time of the request. */
int nanomdm_log_is_first_of_a_minute(int tag, apr_time_t when);
int nanomdm_log_level(nmdm_log_e level);        /* as httpd calls it */
/* ctx->log; its baton is the request. */
void nanomdm_log_remark(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line);

/* Registers the hook that finds the shared memory of "once a minute". */
void nanomdm_log_hooks(void);

#endif /* NANOMDM_LOG_H */
