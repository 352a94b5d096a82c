/* SPDX-License-Identifier: Apache-2.0 */
/* dbd_params.c -- DBDParams as others may see it. */

#include "config/dbd_params.h"

#include <apr_strings.h>

#include <string.h>

/* A value ends with a comma, a semicolon or a blank, unless it is quoted. */
static apr_size_t secret_len(const char *value)
{
    const char *end;

    if (*value != '\'') {
        return strcspn(value, ", ;");
    }
    for (end = value + 1; *end && *end != '\''; end++) {
        end += *end == '\\' && end[1];
    }
    return (apr_size_t)(end - value) + (*end == '\'');
}

/* Of postgres://user:password@host, which NanoMDM takes: a password may have
 * an @ of its own. */
static const char *shown_url(apr_pool_t *p, const char *url)
{
    const char *start = strstr(url, "://"), *colon, *at;

    if (!start) {
        return url;
    }
    start += 3;
    colon = memchr(start, ':', strcspn(start, "/?"));
    at = colon ? strrchr(colon, '@') : NULL;
    return at ? apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(
                                colon + 1 - url)), "...", at, NULL) : url;
}

/* Where the value after a name begins, blanks around the sign passed over; or
 * NULL. */
static const char *value_of(const char *after_name)
{
    const char *at = after_name + strspn(after_name, " \t");

    if (*at != '=') {
        return NULL;
    }
    return at + 1 + strspn(at + 1, " \t");
}

const char *nanomdm_dbd_params_shown(apr_pool_t *p, const char *params)
{
    const char *rest = params ? params : "", *shown = "", *at, *value;

    while ((at = strstr(rest, "pass"))) {
        at += strncmp(at, "password", 8) ? 4 : 8;
        value = value_of(at);
        if (value) {
            shown = apr_pstrcat(p, shown, apr_pstrmemdup(
                                    p, rest, (apr_size_t)(value - rest)),
                                "...", NULL);
            rest = value + secret_len(value);
        }
        else {
            shown = apr_pstrcat(p, shown, apr_pstrmemdup(
                                    p, rest, (apr_size_t)(at - rest)), NULL);
            rest = at;
        }
    }
    return shown_url(p, apr_pstrcat(p, shown, rest, NULL));
}
