/* SPDX-License-Identifier: Apache-2.0 */
/* status_guard.h -- no device ever receives 401 or 403. */

#ifndef NANOMDM_STATUS_GUARD_H
#define NANOMDM_STATUS_GUARD_H

#include <httpd.h>

/* Registers the hooks and the filter through which no 401 and no unintended
 * 403 gets to a device. */
void nanomdm_status_guard_hooks(void);
/* A plain text in place of any ErrorDocument for 401 and 403. */
void nanomdm_keep_error_documents_out(request_rec *r);

#endif /* NANOMDM_STATUS_GUARD_H */
