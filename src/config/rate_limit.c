/* SPDX-License-Identifier: Apache-2.0 */
/* rate_limit.c -- NanoMDMRateLimit: how often a device may ask. */

#include "config/rate_limit.h"
#include "base/rate_limit.h"
#include "config/parse.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* More of one device would be no limit. */
#define MAX_RATE 1000
#define MAX_BURST 100000

static apr_interval_time_t unit_of(const char *name)
{
    return !strcmp(name, "/s") ? APR_USEC_PER_SEC
        : !strcmp(name, "/m") ? 60 * APR_USEC_PER_SEC
        : !strcmp(name, "/h") ? 3600 * APR_USEC_PER_SEC : 0;
}

/* A number from 1 to `most`, and what follows it; 0 when there is none. */
static int number_of(const char *word, char **end, int most)
{
    apr_int64_t number = apr_isdigit(*word) ? apr_strtoi64(word, end, 10) : 0;

    return number >= 1 && number <= most ? (int)number : 0;
}

const char *nanomdm_set_rate_limit(cmd_parms *cmd, void *conf,
                                   const char *rate, const char *burst)
{
    nmdm_rate_limit_t *limit = apr_pcalloc(cmd->pool, sizeof(*limit));
    char *end = NULL;
    int number = number_of(rate, &end, MAX_RATE);
    apr_interval_time_t unit = number ? unit_of(end) : 0;

    ((nanomdm_conf_t *)conf)->rate_limit = limit;
    limit->text = "Off";
    if (!strcasecmp(rate, "Off")) {
        return burst ? nanomdm_wrong(cmd, burst,
                                     "Off takes no BURST; leave that out")
                     : NULL;
    }
    if (!unit) {
        return nanomdm_wrong(cmd, rate,
                             "write Off, or requests per second, minute or"
                             " hour, such as 10/s or 60/m: a number from 1 to"
                             " 1000, then /s, /m or /h");
    }
    limit->each = unit / number;
    limit->burst = number;
    if (burst) {
        limit->burst = number_of(burst, &end, MAX_BURST);
        if (!limit->burst || *end) {
            return nanomdm_wrong(cmd, burst,
                                 "write how many requests may be sent at once,"
                                 " from 1 to 100000");
        }
    }
    limit->text = apr_psprintf(cmd->pool, "%s %d", rate, limit->burst);
    return NULL;
}

const char *nanomdm_show_rate_limit(apr_pool_t *p, const nanomdm_conf_t *conf,
                                    const nanomdm_row_t *row)
{
    const nmdm_rate_limit_t *limit = conf->rate_limit;

    (void)p;
    (void)row;
    return limit ? limit->text : "Off";
}
