/* SPDX-License-Identifier: Apache-2.0 */
/* apns_backoff.h -- how long to wait before a push or a connection is tried
 * again. */

#ifndef NMDM_APNS_BACKOFF_H
#define NMDM_APNS_BACKOFF_H

#include <apr_time.h>

/* Exponential backoff with jitter after so many failures in a row: it doubles
 * from 50 ms to 2 s, of which at least half is waited. */
apr_interval_time_t nmdm_apns_backoff_pause(int failures);

/* What a Retry-After asks for (RFC 9110 10.2.3: seconds or a date); 0 for
 * nothing, or "". */
apr_interval_time_t nmdm_apns_backoff_asked(const char *value);

#endif /* NMDM_APNS_BACKOFF_H */
