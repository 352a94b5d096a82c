/* SPDX-License-Identifier: Apache-2.0 */
/* api.h -- handler nanomdm-api. */

#ifndef NANOMDM_API_H
#define NANOMDM_API_H

#include <httpd.h>

int nanomdm_api_handler(request_rec *r);
/* Whether the request is one that no operator may make; then *answer is what
 * its handler returns. */
int nanomdm_api_is_refused(int *answer, request_rec *r);

/* The first segment of the path for which `names` is true, and what follows it
 * (NULL: nothing, not even a slash), decoded; NULL when there is none. */
const char *nanomdm_api_find_call(request_rec *r, const char **rest,
                                  int (*names)(const char *, apr_size_t));
/* Whether a request may make no call, such as one that no authentication
 * vouched for: it has been answered then, and *result is for httpd. */
int nanomdm_api_refuse(int *result, request_rec *r);

#endif /* NANOMDM_API_H */
