/* SPDX-License-Identifier: Apache-2.0 */
/* time.c -- times as operators and databases write them; the clock that
 * nobody sets. */

#include "base/time.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

apr_time_t nmdm_time_steady(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

const char *nmdm_time_rfc3339(apr_pool_t *p, apr_time_t t)
{
    apr_time_exp_t exp;

    apr_time_exp_gmt(&exp, t);
    return apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                        exp.tm_year + 1900, exp.tm_mon + 1, exp.tm_mday,
                        exp.tm_hour, exp.tm_min, exp.tm_sec);
}

const char *nmdm_time_rfc3339_exact(apr_pool_t *p, apr_time_t t)
{
    const char *whole = nmdm_time_rfc3339(p, t);
    char *fraction = apr_psprintf(p, ".%06d", (int)apr_time_usec(t));
    apr_size_t len = strlen(fraction);

    while (len && strchr("0.", fraction[len - 1])) {
        fraction[--len] = '\0';
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, whole, strlen(whole) - 1),
                       fraction, "Z", NULL);
}

/* Exactly n digits, and a number of that range; -1 if not. */
static int digits(const char **at, int n, int low, int high)
{
    int value = 0;

    for (; n; n--, (*at)++) {
        if (!apr_isdigit(**at)) {
            return -1;
        }
        value = value * 10 + (**at - '0');
    }
    return value < low || value > high ? -1 : value;
}

static int take(const char **at, const char *either)
{
    for (; *either; either++) {
        if (**at == *either) {
            (*at)++;
            return 1;
        }
    }
    return 0;
}

static void skip_fraction(const char **at)
{
    if (**at == '.' && apr_isdigit((*at)[1])) {
        for ((*at)++; apr_isdigit(**at); (*at)++) {
            /* below a second nothing is promised */
        }
    }
}

/* Z, or hours and minutes with a sign. */
static int read_offset(int *seconds, const char **at)
{
    int sign = **at == '-' ? -1 : 1, hours, minutes;

    *seconds = 0;
    if (take(at, "Zz")) {
        return 1;
    }
    if (!take(at, "+-") || (hours = digits(at, 2, 0, 23)) < 0
        || !take(at, ":") || (minutes = digits(at, 2, 0, 59)) < 0) {
        return 0;
    }
    *seconds = sign * (hours * 3600 + minutes * 60);
    return 1;
}

int nmdm_time_read(apr_time_t *out, const char *text)
{
    apr_time_exp_t exp = { 0 };
    const char *at = text;
    int offset;

    if ((exp.tm_year = digits(&at, 4, 1970, 9999)) < 0 || !take(&at, "-")
        || (exp.tm_mon = digits(&at, 2, 1, 12)) < 0 || !take(&at, "-")
        || (exp.tm_mday = digits(&at, 2, 1, 31)) < 0 || !take(&at, "Tt ")
        || (exp.tm_hour = digits(&at, 2, 0, 23)) < 0 || !take(&at, ":")
        || (exp.tm_min = digits(&at, 2, 0, 59)) < 0 || !take(&at, ":")
        || (exp.tm_sec = digits(&at, 2, 0, 60)) < 0) {
        return 0;
    }
    skip_fraction(&at);
    if (!read_offset(&offset, &at) || *at) {
        return 0;
    }
    exp.tm_year -= 1900;
    exp.tm_mon -= 1;
    if (apr_time_exp_gmt_get(out, &exp) != APR_SUCCESS) {
        return 0;
    }
    *out -= apr_time_from_sec(offset);
    return 1;
}

apr_time_t nmdm_time_of_seconds(const char *text)
{
    return text ? (apr_time_t)(strtod(text, NULL) * APR_USEC_PER_SEC + 0.5)
                : 0;
}
