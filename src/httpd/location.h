/* SPDX-License-Identifier: Apache-2.0 */
/* httpd/location.h -- the path of the Location that a request is in. */

#ifndef NANOMDM_LOCATION_H
#define NANOMDM_LOCATION_H

#include <httpd.h>

/* The own paths of the sections that give r its handler, each as the number
 * of bytes of r->uri that it is, in ascending order and without a slash at the
 * end; of patterns also the path above. When no section of URLs names the
 * handler, the paths of all sections that apply; without one, the root. The
 * array of apr_size_t is in r->pool. */
const apr_array_header_t *nanomdm_location_paths(request_rec *r);

/* Whether r->uri goes on after the path of the Location that gives r its
 * handler. 0 also when no such Location is known. */
int nanomdm_location_is_below(request_rec *r);

#endif /* NANOMDM_LOCATION_H */
