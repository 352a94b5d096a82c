/* SPDX-License-Identifier: Apache-2.0 */
/* number.h -- numbers as text, the same in every locale. */

#ifndef NMDM_NUMBER_H
#define NMDM_NUMBER_H

#include <apr_pools.h>

/* The shortest decimal form that reads back as the same double, in p: 0.1,
 * 1.5, 1, 1e300. What is not finite is written as property lists have it:
 * +infinity, -infinity, nan. APR's own %g is wrong from 1e80 on (APR 1.7). */
const char *nmdm_number_write_real(apr_pool_t *p, double value);

/* Reads what nmdm_number_write_real writes and whatever else strtod() of the
 * C locale reads. Returns 0, with *out unchanged, unless all of text is one
 * number. */
int nmdm_number_read_real(double *out, const char *text);

/* Whether the len bytes of text are an integer as property lists know it:
 * digits with a sign, or 0x and hexadecimal digits, of no more than 64 bits;
 * with blanks around. */
int nmdm_number_is_integer(const char *text, apr_size_t len);

#endif /* NMDM_NUMBER_H */
