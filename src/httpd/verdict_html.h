/* SPDX-License-Identifier: Apache-2.0 */
/* verdict_html.h -- the beginning of the status page: whether all is well, or
 * what needs attention, each with a link to the figures and the remedy. */

#ifndef NANOMDM_VERDICT_HTML_H
#define NANOMDM_VERDICT_HTML_H

#include "httpd/html.h"
#include "httpd/status.h"

/* Adds it to the page. */
void nanomdm_verdict_html_put(nanomdm_html_t *sheet,
                              const nanomdm_status_t *status);

#endif /* NANOMDM_VERDICT_HTML_H */
