/* SPDX-License-Identifier: Apache-2.0 */
/* api.h -- handler nanomdm-api. */

#ifndef NANOMDM_API_H
#define NANOMDM_API_H

#include <httpd.h>

int nanomdm_api_handler(request_rec *r);
/* Whether the request is one that no operator may make; then *answer is what
 * its handler returns. */
int nanomdm_api_is_refused(int *answer, request_rec *r);

#endif /* NANOMDM_API_H */
