/* SPDX-License-Identifier: Apache-2.0 */
/* schema_scripts.c -- the scripts of schema/ and their statements. */

#include "db/schema_scripts.h"
#include "db/db.h"
#include "db/schema.h"
#include "schema_text.h"        /* made of schema/ by the Makefile */

#include <apr_strings.h>

#include <string.h>

const char *const nmdm_schema_scripts_full[] = {
    SCHEMA_SQLITE3, SCHEMA_PGSQL, SCHEMA_MYSQL
};

/* NanoMDM's own changes up to now: before the first upgrade. On PostgreSQL it
 * never had any. */
const char *const nmdm_schema_scripts_nanomdms[] = {
    NULL, NULL, UPGRADE_0000_MYSQL
};

/* From each version to the next. NanoMDM makes no sqlite3 database. */
const char *const
    nmdm_schema_scripts_upgrades[NMDM_SCHEMA_VERSION][NMDM_DIALECTS] = {
    { NULL, UPGRADE_0001_PGSQL, UPGRADE_0001_MYSQL },
    { UPGRADE_0002_SQLITE3, UPGRADE_0002_PGSQL, UPGRADE_0002_MYSQL },
    { UPGRADE_0003_SQLITE3, UPGRADE_0003_PGSQL, UPGRADE_0003_MYSQL },
    { UPGRADE_0004_SQLITE3, UPGRADE_0004_PGSQL, UPGRADE_0004_MYSQL },
    { UPGRADE_0005_SQLITE3, UPGRADE_0005_PGSQL, UPGRADE_0005_MYSQL },
    { UPGRADE_0006_SQLITE3, UPGRADE_0006_PGSQL, UPGRADE_0006_MYSQL },
    { UPGRADE_0007_SQLITE3, UPGRADE_0007_PGSQL, UPGRADE_0007_MYSQL },
};

/* The statements of a script: they end with a semicolon before an empty line.
 * Lines of comment in front of them are dropped. */
static apr_array_header_t *split(apr_pool_t *p, const char *script)
{
    apr_array_header_t *statements = apr_array_make(p, 64,
                                                    sizeof(const char *));

    while (*script) {
        const char *end;
        apr_size_t len;

        while (!strncmp(script, "--", 2) || *script == '\n') {
            script += strcspn(script, "\n");
            script += *script == '\n';
        }
        if (!*script) {
            break;
        }
        end = strstr(script, ";\n\n");
        len = end ? (apr_size_t)(end - script) : strlen(script);
        while (!end && len && strchr("; \n", script[len - 1])) {
            len--;
        }
        APR_ARRAY_PUSH(statements, const char *)
            = apr_pstrmemdup(p, script, len);
        script = end ? end + 3 : script + strlen(script);
    }
    return statements;
}

apr_array_header_t *nmdm_schema_scripts_statements(nmdm_ctx_t *ctx,
                                                   const char *script)
{
    return split(ctx->pool,
                 nmdm_dialect_prefixed(ctx->pool, script,
                                       ctx->services->db_source->prefix));
}

nmdm_err_t *nmdm_schema_scripts_run(nmdm_ctx_t *ctx, const char *script)
{
    apr_array_header_t *statements
        = nmdm_schema_scripts_statements(ctx, script);
    int i;

    for (i = 0; i < statements->nelts; i++) {
        NMDM_TRY(nmdm_db_run(ctx, APR_ARRAY_IDX(statements, i,
                                                const char *)));
    }
    return NULL;
}

/* MySQL has no ADD COLUMN IF NOT EXISTS: a script for it puts either what is
 * missing or this into a variable, prepares that and executes it. */
static const char NOTHING[] = "DO 0";

int nmdm_schema_scripts_is_choice(const char *sql)
{
    return !strncmp(sql, "SET @", 5);
}

/* The statement that is missing, NULL when none is. Changes no table. */
nmdm_err_t *nmdm_schema_scripts_chosen(nmdm_ctx_t *ctx, const char **missing,
                                       const char *choice)
{
    const char *variable = choice + 4;

    variable = apr_pstrmemdup(ctx->pool, variable, strcspn(variable, " "));
    NMDM_TRY(nmdm_db_run(ctx, choice));
    NMDM_TRY(nmdm_db_ask(ctx, missing, apr_pstrcat(ctx->pool, "SELECT ",
                                                   variable, NULL)));
    if (!strcmp(*missing, NOTHING)) {
        *missing = NULL;
    }
    return NULL;
}

/* Whether it is one of those that execute what was chosen. */
int nmdm_schema_scripts_is_machinery(const char *sql)
{
    return !strncmp(sql, "PREPARE ", 8) || !strncmp(sql, "EXECUTE ", 8)
        || !strncmp(sql, "DEALLOCATE ", 11);
}
