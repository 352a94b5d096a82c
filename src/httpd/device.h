/* SPDX-License-Identifier: Apache-2.0 */
/* device.h -- the URLs that devices ask. */

#ifndef NANOMDM_DEVICE_H
#define NANOMDM_DEVICE_H

#include <httpd.h>

int nanomdm_device_handler(request_rec *r);

#endif /* NANOMDM_DEVICE_H */
