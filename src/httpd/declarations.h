/* SPDX-License-Identifier: Apache-2.0 */
/* declarations.h -- the calls of declarative management: handler
 * nanomdm-declarative, and below nanomdm-api. */

#ifndef NANOMDM_DECLARATIONS_H
#define NANOMDM_DECLARATIONS_H

#include <httpd.h>

/* The handler nanomdm-declarative; returns what handlers of httpd return. */
int nanomdm_declarations_handler(request_rec *r);

/* Whether a segment of a path names one of the calls. */
int nanomdm_declarations_names(const char *segment, apr_size_t len);
/* Makes the call; rest is NULL when nothing follows its name, not even a
 * slash. For requests that authentication vouched for. */
int nanomdm_declarations_call(request_rec *r, const char *name,
                              const char *rest);

#endif /* NANOMDM_DECLARATIONS_H */
