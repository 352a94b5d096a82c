/* SPDX-License-Identifier: Apache-2.0 */
/* events_html.h -- webhooks as a page: receivers, what waits, what is dead. */

#ifndef NANOMDM_EVENTS_HTML_H
#define NANOMDM_EVENTS_HTML_H

#include "api/events.h"

/* In HTML, in p: receivers with their backlog, and the page of events, which
 * are dead ones or such as wait. */
nmdm_bytes_t nanomdm_events_html(apr_pool_t *p,
                                 const nmdm_api_events_page_t *page, int dead,
                                 apr_time_t now);

#endif /* NANOMDM_EVENTS_HTML_H */
