/* SPDX-License-Identifier: Apache-2.0 */
/* renewal.c -- NanoMDMRenewIdentity and NanoMDMRenewIdentifier: which
 * identities are renewed, and how fast. */

#include "config/renewal.h"
#include "config/parse.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#define MOST_DAYS 3650
#define MOST_RATE 100
#define MOST_IDENTIFIER 255

/* A number from 1 to `most`, and what follows it; 0 when there is none. */
static int number_of(const char *word, char **end, int most)
{
    apr_int64_t number = apr_isdigit(*word) ? apr_strtoi64(word, end, 10) : 0;

    return number >= 1 && number <= most ? (int)number : 0;
}

/* A bare number is that of a second. */
static int per_hour(const char *rate)
{
    char *end = NULL;
    int number = number_of(rate, &end, MOST_RATE);

    if (!number) {
        return 0;
    }
    return !*end || !strcmp(end, "/s") ? number * 3600
        : !strcmp(end, "/m") ? number * 60 : !strcmp(end, "/h") ? number : 0;
}

const char *nanomdm_set_renew_identity(cmd_parms *cmd, void *conf,
                                       const char *days, const char *rate)
{
    nmdm_renewals_conf_t *renewals = apr_pcalloc(cmd->pool,
                                                 sizeof(*renewals));
    char *end = NULL;

    ((nanomdm_conf_t *)conf)->policy.renewals = renewals;
    renewals->text = "Off";
    if (!strcasecmp(days, "Off")) {
        return rate ? nanomdm_wrong(cmd, rate, "Off takes no rate; leave that"
                                               " out") : NULL;
    }
    renewals->days = number_of(days, &end, MOST_DAYS);
    if (!renewals->days || *end) {
        return nanomdm_wrong(cmd, days, "write Off, or so many days before its"
                                        " end a certificate is renewed: a"
                                        " number from 1 to 3650");
    }
    rate = rate ? rate : "1/s";
    renewals->per_hour = per_hour(rate);
    if (!renewals->per_hour) {
        return nanomdm_wrong(cmd, rate, "write how many devices are asked per"
                                        " second, minute or hour, such as 1/s"
                                        " or 20/m: a number from 1 to 100,"
                                        " then /s, /m or /h");
    }
    renewals->text = apr_pstrcat(cmd->pool, days, " ", rate, NULL);
    return NULL;
}

const char *nanomdm_show_renew_identity(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row)
{
    (void)p;
    (void)row;
    return conf->policy.renewals ? conf->policy.renewals->text : "Off";
}

const char *nanomdm_set_renew_identifier(cmd_parms *cmd, void *conf,
                                         const char *identifier)
{
    const char *c = identifier;

    while (*c > ' ' && *c < 0x7f) {
        c++;
    }
    if (*c || c == identifier || c - identifier > MOST_IDENTIFIER) {
        return nanomdm_wrong(cmd, identifier, "write the PayloadIdentifier of"
                             " the profile that devices have, such as"
                             " com.example.mdm");
    }
    ((nanomdm_conf_t *)conf)->policy.renew_identifier = apr_pstrdup(
        cmd->pool, identifier);
    return NULL;
}
