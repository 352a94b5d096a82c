/* SPDX-License-Identifier: Apache-2.0 */
/* apns_backoff.c -- how long to wait before a push or a connection is tried
 * again. */

#include "net/apns_backoff.h"

#include <apr_date.h>
#include <apr_general.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#define FIRST_PAUSE apr_time_from_msec(50)
#define LONGEST_PAUSE apr_time_from_sec(2)

/* Doubling with jitter: at least half of it. */
apr_interval_time_t nmdm_apns_backoff_pause(int failures)
{
    apr_interval_time_t pause = LONGEST_PAUSE;
    apr_uint32_t dice = 0;

    if (failures < 6) {
        pause = FIRST_PAUSE << (failures > 1 ? failures - 1 : 0);
    }
    apr_generate_random_bytes((unsigned char *)&dice, sizeof(dice));
    return pause / 2 + dice % (pause / 2 + 1);
}

apr_interval_time_t nmdm_apns_backoff_asked(const char *value)
{
    apr_time_t now = apr_time_now(), date;

    if (apr_isdigit(*value) && strlen(value) < 9) {
        return apr_time_from_sec(apr_atoi64(value));
    }
    date = *value ? apr_date_parse_http(value) : APR_DATE_BAD;
    return date != APR_DATE_BAD && date > now ? date - now : 0;
}
