/* SPDX-License-Identifier: Apache-2.0 */
/* status_html.h -- the status as a page. */

#ifndef NANOMDM_STATUS_HTML_H
#define NANOMDM_STATUS_HTML_H

#include "api/timeline.h"
#include "httpd/status.h"

/* In HTML: of the server, of one enrollment, of why there is none. api_path is
 * that of the API, which has the results, or NULL. */
nmdm_bytes_t nanomdm_status_html_server(apr_pool_t *p,
                                        const nanomdm_status_t *status);
nmdm_bytes_t nanomdm_status_html_enrollment(apr_pool_t *p,
                                            const nmdm_timeline_t *one,
                                            const char *api_path,
                                            apr_time_t now);
nmdm_bytes_t nanomdm_status_html_problem(apr_pool_t *p, const char *title,
                                         const char *text);

#endif /* NANOMDM_STATUS_HTML_H */
