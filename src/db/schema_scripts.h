/* SPDX-License-Identifier: Apache-2.0 */
/* schema_scripts.h -- the scripts of schema/ and their statements; for the
 * other files of the schema. */

#ifndef NMDM_SCHEMA_SCRIPTS_H
#define NMDM_SCHEMA_SCRIPTS_H

#include "db/dialect.h"
#include "db/schema.h"

#include <apr_tables.h>

/* By dialect: all tables as they are now, ... */
extern const char *const nmdm_schema_scripts_full[NMDM_DIALECTS];
/* ... NanoMDM's own changes up to now, before the first upgrade: NULL where
 * there never were any, ... */
extern const char *const nmdm_schema_scripts_nanomdms[NMDM_DIALECTS];
/* ... and from each version to the next: NULL where NanoMDM makes no such
 * database. */
extern const char *const
    nmdm_schema_scripts_upgrades[NMDM_SCHEMA_VERSION][NMDM_DIALECTS];

/* The statements of a script, as const char * in ctx->pool, with the prefix of
 * table names and without comments in front of them. */
apr_array_header_t *nmdm_schema_scripts_statements(nmdm_ctx_t *ctx,
                                                   const char *script);

/* Runs all of them on the connection that ctx holds; stops at an error. */
nmdm_err_t *nmdm_schema_scripts_run(nmdm_ctx_t *ctx, const char *script);

/* Whether a statement chooses one that is missing, or none, into a variable:
 * MySQL has no ADD COLUMN IF NOT EXISTS. */
int nmdm_schema_scripts_is_choice(const char *sql);

/* What such a choice is, in ctx->pool; *missing is NULL where nothing is.
 * Changes no table. */
nmdm_err_t *nmdm_schema_scripts_chosen(nmdm_ctx_t *ctx, const char **missing,
                                       const char *choice);

/* Whether it is one of the statements that execute what was chosen. */
int nmdm_schema_scripts_is_machinery(const char *sql);

#endif /* NMDM_SCHEMA_SCRIPTS_H */
