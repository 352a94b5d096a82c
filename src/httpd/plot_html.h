/* SPDX-License-Identifier: Apache-2.0 */
/* plot_html.h -- the last hour and day on the status page as inline SVG: what
 * was counted, how long requests of devices took, and how many commands waited.
 * Of the shared counters; no database. */

#ifndef NANOMDM_PLOT_HTML_H
#define NANOMDM_PLOT_HTML_H

#include "httpd/html.h"
#include "httpd/status.h"

/* Adds the plots to the page. */
void nanomdm_plot_html_put(nanomdm_html_t *sheet,
                           const nanomdm_status_t *status);
/* "5 ms / 100 ms": the 50th and 99th percentile of requests of devices in
 * the last hour; a dash when there was none. */
const char *nanomdm_plot_html_latency(const nanomdm_html_t *sheet,
                                      const nanomdm_status_t *status);

#endif /* NANOMDM_PLOT_HTML_H */
