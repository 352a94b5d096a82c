/* SPDX-License-Identifier: Apache-2.0 */
/* time.c -- times as operators and databases write them; the clock that
 * is never set. */

#include "base/time.h"
#include "base/number.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The first second of the year 1 and the last of 9999, from 1970. */
#define FIRST_SECOND (-62135596800LL)
#define LAST_SECOND 253402300799LL

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

/* Z, or hours and minutes with a sign. RFC 3339 has a colon between them, ISO
 * 8601 a form without. */
static int read_offset(int *seconds, const char **at, int needs_colon)
{
    int sign = **at == '-' ? -1 : 1, hours, minutes;

    *seconds = 0;
    if (take(at, "Zz")) {
        return 1;
    }
    if (!take(at, "+-") || (hours = digits(at, 2, 0, 23)) < 0
        || (!take(at, ":") && needs_colon)
        || (minutes = digits(at, 2, 0, 59)) < 0) {
        return 0;
    }
    *seconds = sign * (hours * 3600 + minutes * 60);
    return 1;
}

/* All down to the second, and what is below it skipped. timegm() and not APR,
 * which refuses years before 1970. */
static int read_fields(apr_time_t *out, const char **at, int first_year)
{
    struct tm tm = { 0 };

    if ((tm.tm_year = digits(at, 4, first_year, 9999)) < 0 || !take(at, "-")
        || (tm.tm_mon = digits(at, 2, 1, 12)) < 0 || !take(at, "-")
        || (tm.tm_mday = digits(at, 2, 1, 31)) < 0 || !take(at, "Tt ")
        || (tm.tm_hour = digits(at, 2, 0, 23)) < 0 || !take(at, ":")
        || (tm.tm_min = digits(at, 2, 0, 59)) < 0 || !take(at, ":")
        || (tm.tm_sec = digits(at, 2, 0, 60)) < 0) {
        return 0;
    }
    skip_fraction(at);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out = apr_time_from_sec((apr_time_t)timegm(&tm));
    return 1;
}

int nmdm_time_read(apr_time_t *out, const char *text)
{
    const char *at = text;
    int offset;

    if (!read_fields(out, &at, 1970) || !read_offset(&offset, &at, 1)
        || *at) {
        return 0;
    }
    *out -= apr_time_from_sec(offset);
    return 1;
}

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t\r\n");
}

int nmdm_time_read_date(apr_time_t *out, const char *text)
{
    const char *at = text;
    int offset;

    skip_blanks(&at);
    if (!read_fields(out, &at, 1)) {
        return 0;
    }
    skip_blanks(&at);
    if (!read_offset(&offset, &at, 0)) {
        return 0;
    }
    skip_blanks(&at);
    *out -= apr_time_from_sec(offset);
    return !*at && *out >= apr_time_from_sec(FIRST_SECOND)
        && *out <= apr_time_from_sec(LAST_SECOND);
}

apr_time_t nmdm_time_of_seconds(const char *text)
{
    double seconds = 0;

    return text && nmdm_number_read_real(&seconds, text)
        ? (apr_time_t)(seconds * APR_USEC_PER_SEC + 0.5) : 0;
}
