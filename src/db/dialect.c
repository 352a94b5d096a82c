/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.c -- the databases that can be used. */

#include "db/dialect.h"

#include <string.h>

const nmdm_dialect_t *const nmdm_dialects[NMDM_DIALECTS] = {
    [NMDM_SQLITE3] = &nmdm_dialect_sqlite3,
    [NMDM_PGSQL] = &nmdm_dialect_pgsql,
    [NMDM_MYSQL] = &nmdm_dialect_mysql,
};

const nmdm_dialect_t *nmdm_dialect_of(const char *driver)
{
    int i;

    for (i = 0; i < NMDM_DIALECTS; i++) {
        if (!strcmp(driver, nmdm_dialects[i]->name)) {
            return nmdm_dialects[i];
        }
    }
    return NULL;
}
