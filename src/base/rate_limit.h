/* SPDX-License-Identifier: Apache-2.0 */
/* rate_limit.h -- how often a device may ask: a bucket for each certificate
 * and limit.
 *
 * The buckets live in memory that children share, of a size that never
 * changes. A caller that finds no free place takes that of the bucket that is
 * nearest to full: at worst a client gets a full bucket again. */

#ifndef NMDM_RATE_LIMIT_H
#define NMDM_RATE_LIMIT_H

#include "base/context.h"

typedef struct nmdm_rate_limit_t {
    apr_interval_time_t each;   /* between requests in the long run; 0: none */
    int burst;                  /* requests allowed at once */
    const char *text;           /* as an administrator writes it */
} nmdm_rate_limit_t;

typedef struct nmdm_rate_limits_t nmdm_rate_limits_t;

/* Memory for all buckets: a caller's, zeroed. */
apr_size_t nmdm_rate_limits_size(void);

/* Counts a request of the certificate with this SHA-256 against a limit.
 * Returns whether it is within that; if not, *wait is how long until the next
 * one will be, and *is_news whether that was not said of this bucket in this
 * minute. What is refused is not counted. limits may be NULL: nothing is
 * limited. */
int nmdm_rate_limits_take(nmdm_rate_limits_t *limits, apr_interval_time_t *wait,
                          int *is_news, const char *sha256,
                          const nmdm_rate_limit_t *limit, apr_time_t now);

#endif /* NMDM_RATE_LIMIT_H */
