/* SPDX-License-Identifier: Apache-2.0 */
/* why_html.h -- what keeps a device from its commands, on its page. */

#ifndef NANOMDM_WHY_HTML_H
#define NANOMDM_WHY_HTML_H

#include "api/timeline.h"
#include "httpd/html.h"

/* A section: the causes that the database knows of, each with its remedy, or
 * that there is none. */
void nanomdm_why_html_put(nanomdm_html_t *sheet, const nmdm_timeline_t *one);

#endif /* NANOMDM_WHY_HTML_H */
