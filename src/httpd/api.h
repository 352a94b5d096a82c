/* SPDX-License-Identifier: Apache-2.0 */
/* api.h -- handler nanomdm-api. */

#ifndef NANOMDM_API_H
#define NANOMDM_API_H

#include <httpd.h>

int nanomdm_api_handler(request_rec *r);
/* Whether the request is one that no operator may make; then *answer is what
 * its handler returns. */
int nanomdm_api_is_refused(int *answer, request_rec *r);

/* The segment directly behind the own path of the Location, if `names` is true
 * for it, and what follows it (NULL: nothing, not even a slash), decoded; NULL
 * when there is none. In r->pool. */
const char *nanomdm_api_find_call(request_rec *r, const char **rest,
                                  int (*names)(const char *, apr_size_t));

#endif /* NANOMDM_API_H */
