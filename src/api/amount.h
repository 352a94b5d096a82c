/* SPDX-License-Identifier: Apache-2.0 */
/* amount.h -- a number that is exact up to a bound. */

#ifndef NMDM_AMOUNT_H
#define NMDM_AMOUNT_H

#include <apr.h>

typedef struct {
    apr_int64_t number;
    int is_least;               /* there may be more */
} nmdm_amount_t;

#endif /* NMDM_AMOUNT_H */
