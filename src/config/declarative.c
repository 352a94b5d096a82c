/* SPDX-License-Identifier: Apache-2.0 */
/* declarative.c -- NanoMDMDeclarativeManagement and its family. */

#include "config/declarative.h"
#include "config/parse.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#define MOST_WINDOW 3600
#define MOST_KEPT 1000
/* Of the name of a set, in octets. */
#define LONGEST_SET 255

#define FIRST(pair) ((pair) >> 16)
#define SECOND(pair) ((pair) & 0xFFFF)

static const char *const NOTIFY[] = { "none", "changes", "all" };

void nanomdm_declarative_derive(nanomdm_conf_t *conf)
{
    nmdm_declarations_conf_t *derived = &conf->declarations;

    derived->notifies_changes = FIRST(conf->dm_notify) >= 1;
    derived->notifies_all = FIRST(conf->dm_notify) == 2;
    derived->window = SECOND(conf->dm_notify);
    derived->sets = conf->dm_sets;
    derived->keep_reports = FIRST(conf->dm_keep);
    derived->keep_errors = SECOND(conf->dm_keep);
    derived->lints = conf->dm_lint != 0;
    derived->refuses = conf->dm_lint == 2;
    derived->repeats_pushes = conf->push.repeats;
    conf->policy.declarations
        = conf->dm_mode == NANOMDM_DECLARATIVE_BUILTIN ? derived : NULL;
    conf->policy.dm = conf->dm_mode == NANOMDM_DECLARATIVE_URL
        && conf->dm.url ? &conf->dm : NULL;
}

/* ---- Setters: whether it is done here, there or not ---- */

/* URL and keys are for a server that is asked, and here none is. */
static const char *contradiction(cmd_parms *cmd, const nanomdm_conf_t *conf)
{
    const char *other = conf->dm_url ? "NanoMDMDeclarativeManagementURL"
        : conf->dm_send_key.value ? "NanoMDMDeclarativeManagementSendKey"
        : conf->dm_receive_key.value
            ? "NanoMDMDeclarativeManagementReceiveKey" : NULL;

    if (!other || (conf->dm_mode != NANOMDM_DECLARATIVE_OFF
                   && conf->dm_mode != NANOMDM_DECLARATIVE_BUILTIN)) {
        return NULL;
    }
    return apr_psprintf(cmd->pool, "NanoMDMDeclarativeManagement %s and %s"
                        " contradict each other in one section: the latter"
                        " is for a server that requests are forwarded to;"
                        " leave out one of them",
                        conf->dm_mode == NANOMDM_DECLARATIVE_BUILTIN
                            ? "builtin" : "Off", other);
}

static const char *set_url(cmd_parms *cmd, nanomdm_conf_t *conf,
                           const char *url)
{
    const char *wrong = nanomdm_set_url(cmd, &conf->dm_url, url);

    if (!wrong) {
        wrong = contradiction(cmd, conf);
    }
    if (!wrong) {
        conf->dm_mode = NANOMDM_DECLARATIVE_URL;
    }
    return wrong;
}

const char *nanomdm_set_declarative(cmd_parms *cmd, void *conf_,
                                    const char *word)
{
    nanomdm_conf_t *conf = conf_;

    if (!strncasecmp(word, "http://", 7)
        || !strncasecmp(word, "https://", 8)) {
        return set_url(cmd, conf, word);
    }
    if (strcasecmp(word, "Off") && strcasecmp(word, "builtin")) {
        return nanomdm_wrong(cmd, word, "write Off, builtin, or the http or"
                                        " https URL of a server that does"
                                        " it");
    }
    conf->dm_mode = strcasecmp(word, "Off") ? NANOMDM_DECLARATIVE_BUILTIN
                                            : NANOMDM_DECLARATIVE_OFF;
    return contradiction(cmd, conf);
}

const char *nanomdm_set_declarative_url(cmd_parms *cmd, void *conf,
                                        const char *url)
{
    return set_url(cmd, conf, url);
}

const char *nanomdm_set_declarative_key(cmd_parms *cmd, void *conf,
                                        const char *secret)
{
    const char *wrong = nanomdm_set_any_secret(cmd, conf, secret);

    return wrong ? wrong : contradiction(cmd, conf);
}

/* ---- Setters: the rest ---- */

/* NAME=NUMBER; 0 when `word` is something else. */
static int read_number(int *out, const char *word, const char *name,
                       int most)
{
    apr_size_t len = strlen(name);
    apr_off_t number;
    char *end;

    if (strncmp(word, name, len) || word[len] != '='
        || !apr_isdigit(word[len + 1])
        || apr_strtoff(&number, word + len + 1, &end, 10) != APR_SUCCESS
        || *end || number > most) {
        return 0;
    }
    *out = (int)number;
    return 1;
}

const char *nanomdm_set_declarative_notify(cmd_parms *cmd, void *conf,
                                           const char *which,
                                           const char *window)
{
    int seconds = SECOND(NANOMDM_DECLARATIVE_NOTIFY), i = 0;

    while (i < 3 && strcasecmp(which, NOTIFY[i])) {
        i++;
    }
    if (i == 3) {
        return nanomdm_wrong(cmd, which, "write all, changes or none");
    }
    if (window && !read_number(&seconds, window, "window", MOST_WINDOW)) {
        return nanomdm_wrong(cmd, window,
                             "write window=SECONDS, up to 3600");
    }
    ((nanomdm_conf_t *)conf)->dm_notify = NANOMDM_DECLARATIVE_PAIR(i,
                                                                   seconds);
    return NULL;
}

const char *nanomdm_set_declarative_keep(cmd_parms *cmd, void *conf,
                                         const char *first,
                                         const char *second)
{
    int reports = FIRST(NANOMDM_DECLARATIVE_KEEP);
    int errors = SECOND(NANOMDM_DECLARATIVE_KEEP), i;
    const char *words[2] = { first, second };

    for (i = 0; i < 2 && words[i]; i++) {
        if (!read_number(&reports, words[i], "reports", MOST_KEPT)
            && !read_number(&errors, words[i], "errors", MOST_KEPT)) {
            return nanomdm_wrong(cmd, words[i], "write reports=NUMBER,"
                                                " errors=NUMBER or both, up"
                                                " to 1000");
        }
    }
    ((nanomdm_conf_t *)conf)->dm_keep = NANOMDM_DECLARATIVE_PAIR(reports,
                                                                 errors);
    return NULL;
}

static void add_to(apr_array_header_t **list, cmd_parms *cmd,
                   const char *word)
{
    if (!*list) {
        *list = apr_array_make(cmd->pool, 4, sizeof(const char *));
    }
    APR_ARRAY_PUSH(*list, const char *) = apr_pstrdup(cmd->pool, word);
}

const char *nanomdm_add_declarative_set(cmd_parms *cmd, void *conf,
                                        const char *set)
{
    if (!*set || strlen(set) > LONGEST_SET
        || !nmdm_utf8_valid(set, strlen(set))) {
        return nanomdm_wrong(cmd, set, "the name of a set is UTF-8 and has"
                                       " up to 255 octets");
    }
    add_to(&((nanomdm_conf_t *)conf)->dm_sets, cmd, set);
    return NULL;
}

const char *nanomdm_add_api_user(cmd_parms *cmd, void *conf,
                                 const char *name)
{
    if (!*name || strchr(name, ':')) {
        return nanomdm_wrong(cmd, name, "the name of a user is not empty and"
                                        " has no colon");
    }
    add_to(&((nanomdm_conf_t *)conf)->api_users, cmd, name);
    return NULL;
}

/* ---- Showing ---- */

const char *nanomdm_show_declarative(apr_pool_t *p, const nanomdm_conf_t *conf,
                                     const nanomdm_row_t *row)
{
    (void)p;
    (void)row;
    return conf->dm_mode == NANOMDM_DECLARATIVE_BUILTIN ? "builtin"
        : conf->dm_mode == NANOMDM_DECLARATIVE_OFF ? "Off" : "(forwarded)";
}

const char *nanomdm_show_declarative_notify(apr_pool_t *p,
                                            const nanomdm_conf_t *conf,
                                            const nanomdm_row_t *row)
{
    (void)row;
    return apr_psprintf(p, "%s window=%d", NOTIFY[FIRST(conf->dm_notify)],
                        SECOND(conf->dm_notify));
}

const char *nanomdm_show_declarative_keep(apr_pool_t *p,
                                          const nanomdm_conf_t *conf,
                                          const nanomdm_row_t *row)
{
    (void)row;
    return apr_psprintf(p, "reports=%d errors=%d", FIRST(conf->dm_keep),
                        SECOND(conf->dm_keep));
}

const char *nanomdm_show_list(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row)
{
    const apr_array_header_t *list = *(apr_array_header_t *const *)(
        (const char *)conf + row->member);

    return list ? apr_array_pstrcat(p, list, ' ') : row->initial_text;
}
