/* SPDX-License-Identifier: Apache-2.0 */
/* names.c -- names that a call of the API knows, and what is near to them. */

#include "api/names.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* Longer texts are near to no name of ours. */
#define LONGEST 24

static const char *next_name(apr_pool_t *p, const char **at)
{
    apr_size_t len = strcspn(*at, " ");
    const char *name = len ? apr_pstrmemdup(p, *at, len) : NULL;

    *at += len + ((*at)[len] == ' ');
    return name;
}

int nmdm_api_names_has(const char *names, const char *text)
{
    apr_size_t len = strlen(text);

    while (len && *names) {
        apr_size_t n = strcspn(names, " ");

        if (n == len && !strncmp(names, text, len)) {
            return 1;
        }
        names += n + (names[n] == ' ');
    }
    return 0;
}

static int least(int a, int b, int c)
{
    a = a < b ? a : b;
    return a < c ? a : c;
}

/* Levenshtein's, whatever the case of letters. */
static int distance(const char *a, const char *b)
{
    int rows[2][LONGEST + 1], m = (int)strlen(a), n = (int)strlen(b), i, k;

    if (m > LONGEST || n > LONGEST) {
        return LONGEST;
    }
    for (k = 0; k <= n; k++) {
        rows[0][k] = k;
    }
    for (i = 1; i <= m; i++) {
        const int *above = rows[(i - 1) & 1];
        int *row = rows[i & 1];

        row[0] = i;
        for (k = 1; k <= n; k++) {
            row[k] = least(above[k] + 1, row[k - 1] + 1, above[k - 1]
                           + (apr_tolower(a[i - 1]) != apr_tolower(b[k - 1])));
        }
    }
    return rows[m & 1][n];
}

static int is_near(const char *name, const char *text)
{
    apr_size_t len = strlen(text);

    return distance(name, text) <= (strlen(name) < 5 ? 1 : 2)
        || (len >= 3 && !strncasecmp(name, text, len));
}

const char *nmdm_api_names_nearest(apr_pool_t *p, const char *names,
                                   const char *text)
{
    const char *name;

    while ((name = next_name(p, &names))) {
        if (is_near(name, text)) {
            return name;
        }
    }
    return NULL;
}

const char *nmdm_api_names_list(apr_pool_t *p, const char *names)
{
    const char *list = next_name(p, &names), *name = next_name(p, &names);

    while (name) {
        const char *after = next_name(p, &names);

        list = apr_pstrcat(p, list, after ? ", " : " and ", name, NULL);
        name = after;
    }
    return list ? list : "none";
}

nmdm_err_t *nmdm_api_names_check_keys(apr_pool_t *p, const nmdm_json_t *object,
                                      const char *names)
{
    apr_array_header_t *keys = nmdm_json_keys(object);
    int i;

    for (i = 0; i < keys->nelts; i++) {
        const char *key = APR_ARRAY_IDX(keys, i, const char *);

        if (!nmdm_api_names_has(names, key)) {
            return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(1770)
                            "\"%.100s\" is no key here: there are %s", key,
                            nmdm_api_names_list(p, names));
        }
    }
    return NULL;
}
