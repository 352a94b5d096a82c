/* SPDX-License-Identifier: Apache-2.0 */
/* device.h -- the URLs that devices ask. */

#ifndef NANOMDM_DEVICE_H
#define NANOMDM_DEVICE_H

#include <httpd.h>

/* The handlers nanomdm, nanomdm-checkin and nanomdm-command; returns what
 * handlers of httpd return, and never a 401 or an unintended 403. */
int nanomdm_device_handler(request_rec *r);

#endif /* NANOMDM_DEVICE_H */
