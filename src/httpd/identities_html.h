/* SPDX-License-Identifier: Apache-2.0 */
/* identities_html.h -- identities, renewals and SCEP on the status page. */

#ifndef NANOMDM_IDENTITIES_HTML_H
#define NANOMDM_IDENTITIES_HTML_H

#include "httpd/html.h"
#include "httpd/status.h"

/* Tables; nothing where nothing was issued here. */
void nanomdm_identities_html_put(nanomdm_html_t *sheet,
                                 const nanomdm_status_t *status);
/* Devices that should renew and do not, and why. */
void nanomdm_identities_html_put_stuck(nanomdm_html_t *sheet,
                                       const nmdm_db_stats_t *db);

#endif /* NANOMDM_IDENTITIES_HTML_H */
