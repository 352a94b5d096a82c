/* SPDX-License-Identifier: Apache-2.0 */
/* api.h -- handlers nanomdm-api, nanomdm-migration and nanomdm-version. */

#ifndef NANOMDM_API_H
#define NANOMDM_API_H

#include <httpd.h>

int nanomdm_api_handler(request_rec *r);
int nanomdm_version_handler(request_rec *r);
int nanomdm_migration_handler(request_rec *r);

#endif /* NANOMDM_API_H */
