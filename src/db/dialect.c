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

static char *quote(char *at, const char *value)
{
    *at++ = '"';
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            *at++ = '\\';
        }
        *at++ = *value;
    }
    *at++ = '"';
    return at;
}

const char *nmdm_dialect_array(apr_pool_t *p, const char *const *values, int n)
{
    apr_size_t len = sizeof("{}");
    char *text, *at;
    int i;

    for (i = 0; i < n; i++) {
        len += 2 * strlen(values[i]) + sizeof("\"\",") - 1;
    }
    text = at = apr_palloc(p, len);
    *at++ = '{';
    for (i = 0; i < n; i++) {
        at = quote(at, values[i]);
        *at++ = ',';
    }
    at[n ? -1 : 0] = '}';
    at[n ? 0 : 1] = '\0';
    return text;
}
