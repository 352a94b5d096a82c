/* SPDX-License-Identifier: Apache-2.0 */
/* retention.c -- NanoMDMRetention: what is deleted when it is old. */

#include "config/retention.h"
#include "config/config.h"
#include "config/parse.h"
#include "jobs/retention.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#define MAX_DAYS 36500
#define MAX_KEEP 1000000
/* The column's width. */
#define MAX_TYPE 63

static int read_number(int *out, const char *word, int most)
{
    apr_off_t number;
    char *end;

    if (!apr_isdigit(*word)
        || apr_strtoff(&number, word, &end, 10) != APR_SUCCESS || *end
        || number > most) {
        return 0;
    }
    *out = (int)number;
    return 1;
}

static int is_type(const char *word)
{
    return *word && strlen(word) <= MAX_TYPE
        && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

static const char *set_option(cmd_parms *cmd, nmdm_retention_rule_t *rule,
                              const char **types, const char *word)
{
    if (!strncmp(word, "keep=", 5)) {
        return read_number(&rule->keep, word + 5, MAX_KEEP) && rule->keep
            ? NULL : nanomdm_wrong(cmd, word,
                                   "write keep= and a number from 1 to"
                                   " 1000000");
    }
    if (!strncmp(word, "types=", 6)) {
        *types = word + 6;
        return NULL;
    }
    if (!strcasecmp(word, "dry-run")) {
        rule->is_dry = 1;
        return NULL;
    }
    return nanomdm_wrong(cmd, word, "no option; write keep=N, types=NAME,NAME"
                                    " or dry-run after the days");
}

static const char *add_types(cmd_parms *cmd, nmdm_retention_t *all,
                             const nmdm_retention_rule_t *rule,
                             const char *list)
{
    char *rest = NULL, *type;
    int n = 0;

    type = apr_strtok(apr_pstrdup(cmd->pool, list), ",", &rest);
    for (; type; type = apr_strtok(NULL, ",", &rest)) {
        if (!is_type(type)) {
            return nanomdm_wrong(cmd, type,
                                 "no RequestType; write names such as"
                                 " DeviceInformation, with commas between"
                                 " them");
        }
        if (apr_hash_get(all->by_type, type, APR_HASH_KEY_STRING)) {
            return nanomdm_wrong(cmd, type,
                                 "named twice; leave it in one of the lines");
        }
        apr_hash_set(all->by_type, type, APR_HASH_KEY_STRING, rule);
        n++;
    }
    return n ? NULL : nanomdm_wrong(cmd, "types=",
                                    "names no RequestType; write some, or leave"
                                    " the option out");
}

static const char *add_rule(cmd_parms *cmd, nmdm_retention_t *all,
                            const nmdm_retention_rule_t *rule,
                            const char *types)
{
    if (types) {
        return add_types(cmd, all, rule, types);
    }
    if (all->others) {
        return nanomdm_wrong(cmd, apr_itoa(cmd->pool, rule->days),
                             "a second line without types=; give one of them"
                             " types=, or leave it out");
    }
    all->others = rule;
    return NULL;
}

const char *nanomdm_add_retention(cmd_parms *cmd, void *conf_, int argc,
                                  char *const argv[])
{
    nmdm_retention_rule_t *rule = apr_pcalloc(cmd->pool, sizeof(*rule));
    nanomdm_conf_t *conf = conf_;
    const char *types = NULL, *problem;
    int i;

    if (!argc || !read_number(&rule->days, argv[0], MAX_DAYS)) {
        return nanomdm_wrong(cmd, argc ? argv[0] : "",
                             "write a number of days from 0 to 36500 first");
    }
    for (i = 1; i < argc; i++) {
        problem = set_option(cmd, rule, &types, argv[i]);
        if (problem) {
            return problem;
        }
    }
    if (!rule->days && !rule->keep) {
        return nanomdm_wrong(cmd, argv[0],
                             "would remove a result as soon as it is there; add"
                             " keep=N, or write NanoMDMDeleteCommands On"
                             " instead");
    }
    if (!conf->retention) {
        conf->retention = apr_pcalloc(cmd->pool, sizeof(*conf->retention));
        conf->retention->by_type = apr_hash_make(cmd->pool);
    }
    return add_rule(cmd, conf->retention, rule, types);
}

static const char *rule_text(apr_pool_t *p, const nmdm_retention_rule_t *rule,
                             const char *type)
{
    return apr_pstrcat(p, apr_itoa(p, rule->days), type ? " types=" : "",
                       type ? type : "", rule->keep ? " keep=" : "",
                       rule->keep ? apr_itoa(p, rule->keep) : "",
                       rule->is_dry ? " dry-run" : "", NULL);
}

const char *nanomdm_show_retention(apr_pool_t *p, const nanomdm_conf_t *conf,
                                   const nanomdm_row_t *row)
{
    const nmdm_retention_t *all = conf->retention;
    const char *text = NULL;
    apr_hash_index_t *hi;

    (void)row;
    if (!all) {
        return NULL;
    }
    for (hi = apr_hash_first(p, all->by_type); hi; hi = apr_hash_next(hi)) {
        text = apr_pstrcat(p, text ? text : "", text ? "\n" : "",
                           rule_text(p, apr_hash_this_val(hi),
                                     apr_hash_this_key(hi)), NULL);
    }
    return !all->others ? text
        : apr_pstrcat(p, text ? text : "", text ? "\n" : "",
                      rule_text(p, all->others, NULL), NULL);
}
