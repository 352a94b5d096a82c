/* SPDX-License-Identifier: Apache-2.0 */
/* status_json.h -- the status as JSON. */

#ifndef NANOMDM_STATUS_JSON_H
#define NANOMDM_STATUS_JSON_H

#include "api/timeline.h"
#include "httpd/status.h"

/* Of the server; of one enrollment. */
nmdm_bytes_t nanomdm_status_json_server(apr_pool_t *p,
                                        const nanomdm_status_t *status);
nmdm_bytes_t nanomdm_status_json_enrollment(apr_pool_t *p,
                                            const nmdm_timeline_t *one);

#endif /* NANOMDM_STATUS_JSON_H */
