/* SPDX-License-Identifier: Apache-2.0 */
/* devices_html.h -- lists of enrollments as pages. */

#ifndef NANOMDM_DEVICES_HTML_H
#define NANOMDM_DEVICES_HTML_H

#include "api/enrollment_list.h"

/* "enabled", "disabled" and "pending" as parameters have them; anything else
 * is any state. */
nmdm_api_enrollment_state_e nanomdm_devices_html_state(const char *name);
/* One of the five types, or NULL. */
const char *nanomdm_devices_html_type(const char *name);

/* In HTML: a page of the list; what a search found. */
nmdm_bytes_t nanomdm_devices_html(
    apr_pool_t *p, const nmdm_api_enrollment_list_t *list,
    const nmdm_api_enrollment_list_query_t *query, apr_time_t now);
nmdm_bytes_t nanomdm_devices_html_found(apr_pool_t *p,
                                        const nmdm_api_enrollment_list_t *list,
                                        const char *text, apr_time_t now);

#endif /* NANOMDM_DEVICES_HTML_H */
