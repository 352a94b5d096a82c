/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h -- what a request is called in logs and at other servers. */

#ifndef NANOMDM_TRACE_H
#define NANOMDM_TRACE_H

#include <httpd.h>

/* Once in each child, before requests. 0 when there are no random numbers. */
int nanomdm_trace_init(void);

/* Sixteen hex digits, like NanoMDM's, whatever the client sent. */
const char *nanomdm_new_trace_id(apr_pool_t *p);
/* The header traceparent (W3C Trace Context) when it is well formed, or
 * NULL. */
const char *nanomdm_traceparent(const request_rec *r);

#endif /* NANOMDM_TRACE_H */
