/* SPDX-License-Identifier: Apache-2.0 */
/* migration.h -- handlers nanomdm-migration and nanomdm-version. */

#ifndef NANOMDM_MIGRATION_H
#define NANOMDM_MIGRATION_H

#include <httpd.h>

/* The handlers nanomdm-migration and nanomdm-version; they return what
 * handlers of httpd return. */
int nanomdm_migration_handler(request_rec *r);
int nanomdm_version_handler(request_rec *r);

#endif /* NANOMDM_MIGRATION_H */
