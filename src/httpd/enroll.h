/* SPDX-License-Identifier: Apache-2.0 */
/* httpd/enroll.h -- handler nanomdm-enroll: enrollment profiles. */

#ifndef NANOMDM_HTTPD_ENROLL_H
#define NANOMDM_HTTPD_ENROLL_H

#include <httpd.h>

/* The handler nanomdm-enroll; returns what handlers of httpd return. */
int nanomdm_enroll_handler(request_rec *r);

#endif /* NANOMDM_HTTPD_ENROLL_H */
