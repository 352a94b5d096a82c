/* SPDX-License-Identifier: Apache-2.0 */
/* schema_upgrade.h -- creates and upgrades tables, one process at a time; for
 * schema.c.
 *
 * All work on the connection that ctx holds, outside a transaction. */

#ifndef NMDM_SCHEMA_UPGRADE_H
#define NMDM_SCHEMA_UPGRADE_H

#include "base/context.h"

/* How many tables are NanoMDM's. */
enum { NMDM_SCHEMA_TABLES = 8 };

/* Creates the tables that are missing: all, or on MySQL the rest of them. */
nmdm_err_t *nmdm_schema_upgrade_create(nmdm_ctx_t *ctx);

/* Upgrades from the version that is there to NMDM_SCHEMA_VERSION. */
nmdm_err_t *nmdm_schema_upgrade_all(nmdm_ctx_t *ctx);

/* How many of NanoMDM's tables are there; always 0 but on MySQL, where each is
 * committed on its own. */
nmdm_err_t *nmdm_schema_upgrade_count_tables(nmdm_ctx_t *ctx, int *count);

/* The version of nanomdm_schema; 0 also when there is no such table. */
nmdm_err_t *nmdm_schema_upgrade_read_version(nmdm_ctx_t *ctx, int *version);

/* Whether a failure says that the connection works and the tables do not;
 * otherwise the caller tries another connection. */
int nmdm_schema_upgrade_is_of_tables(const nmdm_err_t *err);

#endif /* NMDM_SCHEMA_UPGRADE_H */
