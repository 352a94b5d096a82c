/* SPDX-License-Identifier: Apache-2.0 */
/* number.c -- numbers as text, the same in every locale. */

#include "base/number.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sign, 17 digits, point, e, sign and three digits of exponent, with room for
 * what compilers think a double may need. */
#define LONGEST 48

/* Another module may have set LC_NUMERIC, which belongs to the process; this
 * changes the locale of the calling thread alone. The C locale is a constant of
 * the C library: no memory is allocated. */
static locale_t enter_c_locale(locale_t *c)
{
    *c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return *c ? uselocale(*c) : (locale_t)0;
}

static void leave_c_locale(locale_t c, locale_t before)
{
    if (c) {
        uselocale(before);
        freelocale(c);
    }
}

/* From 15 digits on a normal number may read back; a subnormal one has fewer
 * significant digits. */
static void write_shortest(char *text, double value)
{
    int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG;

    do {
        snprintf(text, LONGEST, "%.*g", digits, value);
    } while (digits++ < DBL_DECIMAL_DIG && strtod(text, NULL) != value);
}

/* 1e+09 becomes 1e9, 1e-07 becomes 1e-7. */
static void shorten_exponent(char *text)
{
    char *from = strchr(text, 'e'), *to;

    if (!from) {
        return;
    }
    to = ++from;
    if (*from == '-') {
        to++;
    }
    from++;
    from += strspn(from, "0");
    memmove(to, from, strlen(from) + 1);
}

const char *nmdm_number_write_real(apr_pool_t *p, double value)
{
    char text[LONGEST];
    locale_t c, before;

    if (!isfinite(value)) {
        return isnan(value) ? "nan" : value > 0 ? "+infinity" : "-infinity";
    }
    before = enter_c_locale(&c);
    write_shortest(text, value);
    leave_c_locale(c, before);
    shorten_exponent(text);
    return apr_pstrdup(p, text);
}

int nmdm_number_read_real(double *out, const char *text)
{
    locale_t c, before;
    char *end;
    double value;

    if (!*text || apr_isspace(*text)) {
        return 0;
    }
    before = enter_c_locale(&c);
    value = strtod(text, &end);
    leave_c_locale(c, before);
    if (*end) {
        return 0;
    }
    *out = value;
    return 1;
}

int nmdm_number_is_integer(const char *text, apr_size_t len)
{
    char copy[32], *digits = copy, *end;
    int base = 10;

    while (len && strchr(" \t\r\n", *text)) {
        text++;
        len--;
    }
    while (len && strchr(" \t\r\n", text[len - 1])) {
        len--;
    }
    if (!len || len >= sizeof(copy)) {
        return 0;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    digits += *digits == '-' || *digits == '+';
    if (!strncasecmp(digits, "0x", 2)) {
        digits += 2;
        base = 16;
    }
    if (!apr_isxdigit(*digits)) {
        return 0;
    }
    errno = 0;
    if (*copy == '-') {
        (void)strtoll(copy, &end, base);
    }
    else {
        (void)strtoull(copy, &end, base);
    }
    return !*end && !errno;
}
