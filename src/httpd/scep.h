/* SPDX-License-Identifier: Apache-2.0 */
/* scep.h -- handler nanomdm-scep. */

#ifndef NANOMDM_HTTPD_SCEP_H
#define NANOMDM_HTTPD_SCEP_H

#include <httpd.h>

/* The handler nanomdm-scep (RFC 8894); returns what handlers of httpd
 * return. */
int nanomdm_scep_handler(request_rec *r);

#endif /* NANOMDM_HTTPD_SCEP_H */
