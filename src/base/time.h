/* SPDX-License-Identifier: Apache-2.0 */
/* time.h -- times as operators and databases write them; the clock that
 * is never set. */

#ifndef NMDM_TIME_H
#define NMDM_TIME_H

#include "base/context.h"

#define NMDM_TIME_DAY apr_time_from_sec(86400)

/* A time to compare with others of this clock alone: it does not move when
 * the clock of the machine is set. */
apr_time_t nmdm_time_steady(void);

/* RFC 3339 in UTC, to the second: 2026-06-01T12:00:00Z. */
const char *nmdm_time_rfc3339(apr_pool_t *p, apr_time_t t);
/* The same with the fraction of its second, if it has one. */
const char *nmdm_time_rfc3339_exact(apr_pool_t *p, apr_time_t t);

/* Reads RFC 3339, with an offset and with fractions of a second or without;
 * 0 when text is something else. */
int nmdm_time_read(apr_time_t *out, const char *text);

/* Reads a date of a property list: Apple's form, 2026-06-01T12:00:00Z, of the
 * years 1 to 9999, and what other writers make of it: blanks, an offset,
 * fractions of a second, which are dropped. 0 when text is something else. */
int nmdm_time_read_date(apr_time_t *out, const char *text);

/* Reads the seconds since 1970, with a fraction or without, that SECONDS of
 * db/dialect.h selects; 0 for anything else. */
apr_time_t nmdm_time_of_seconds(const char *text);

#endif /* NMDM_TIME_H */
