/* SPDX-License-Identifier: Apache-2.0 */
/* traffic_dump.h -- exchanges with devices, written down. */

#ifndef NANOMDM_TRAFFIC_DUMP_H
#define NANOMDM_TRAFFIC_DUMP_H

#include "base/context.h"

#include <httpd.h>

/* Registers the hook that writes the record of a request once it is over. */
void nanomdm_traffic_dump_hooks(void);

/* Whether the end of the request will want what these keep of it, which lives
 * as long as the request. */
int nanomdm_traffic_dump_is_on(request_rec *r);
void nanomdm_traffic_dump_cert(request_rec *r, const nmdm_cert_t *cert);
void nanomdm_traffic_dump_body(request_rec *r, nmdm_bytes_t body);
void nanomdm_traffic_dump_reply(request_rec *r, nmdm_bytes_t reply);

#endif /* NANOMDM_TRAFFIC_DUMP_H */
