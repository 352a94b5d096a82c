/* SPDX-License-Identifier: Apache-2.0 */
/* scep.c -- NanoMDMIssuer... and NanoMDMSCEP...: issuers, challenges, what is
 * issued. */

#include "config/scep.h"
#include "config/parse.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#define DEFAULT_LIFE APR_INT64_C(3600)

/* ---- Files ---- */

static const char *set_path(cmd_parms *cmd, const char **slot,
                            const char *path)
{
    *slot = path ? ap_server_root_relative(cmd->pool, path) : NULL;
    return !path || *slot ? NULL
        : nanomdm_wrong(cmd, path, "not a path; name a PEM file");
}

static const char *set_paths(cmd_parms *cmd, nanomdm_paths_t **slot,
                             const char *path, const char *former)
{
    const char *problem;

    *slot = apr_pcalloc(cmd->pool, sizeof(**slot));
    problem = set_path(cmd, &(*slot)->path, path);
    return problem ? problem : set_path(cmd, &(*slot)->former, former);
}

const char *nanomdm_set_issuer_files(cmd_parms *cmd, void *conf,
                                     const char *path, const char *former)
{
    return set_paths(cmd, &((nanomdm_conf_t *)conf)->issuer_files, path,
                     former);
}

const char *nanomdm_set_issuer_keys(cmd_parms *cmd, void *conf,
                                    const char *path, const char *former)
{
    return set_paths(cmd, &((nanomdm_conf_t *)conf)->issuer_keys, path,
                     former);
}

const char *nanomdm_set_recipient_file(cmd_parms *cmd, void *conf,
                                       const char *path)
{
    return set_path(cmd, &((nanomdm_conf_t *)conf)->recipient_file, path);
}

const char *nanomdm_set_recipient_key(cmd_parms *cmd, void *conf,
                                      const char *path)
{
    return set_path(cmd, &((nanomdm_conf_t *)conf)->recipient_key, path);
}

const char *nanomdm_show_paths(apr_pool_t *p, const nanomdm_conf_t *conf,
                               const nanomdm_row_t *row)
{
    const nanomdm_paths_t *paths = *(nanomdm_paths_t *const *)(const void *)(
        (const char *)conf + row->member);

    return !paths ? NULL : apr_pstrcat(p, paths->path,
                                       paths->former ? " " : "",
                                       paths->former, NULL);
}

/* ---- Challenges and what is issued ---- */

static int read_number(apr_int64_t *out, const char *word, apr_int64_t least,
                       apr_int64_t most)
{
    apr_off_t number;
    char *end;

    if (!apr_isdigit(*word)
        || apr_strtoff(&number, word, &end, 10) != APR_SUCCESS || *end
        || number < least || number > most) {
        return 0;
    }
    *out = number;
    return 1;
}

static const char *set_once(cmd_parms *cmd, nanomdm_scep_challenge_t *scep,
                            int argc, char *const argv[])
{
    scep->how = NMDM_SCEP_ONCE;
    scep->life = DEFAULT_LIFE;
    if (argc > 2 || (argc == 2 && !read_number(&scep->life, argv[1],
                                               1, 31536000))) {
        return nanomdm_wrong(cmd, argv[1], "not a time; write once and a"
                                           " number of seconds from 1 to"
                                           " 31536000");
    }
    return NULL;
}

static const char *set_external(cmd_parms *cmd,
                                nanomdm_scep_challenge_t *scep, int argc,
                                char *const argv[])
{
    const char *problem;

    scep->how = NMDM_SCEP_EXTERNAL;
    if (argc < 2 || argc > 3 || (argc == 3 && strncmp(argv[2], "key=", 4))) {
        return nanomdm_wrong(cmd, "external", "write external URL, or"
                                              " external URL key=SECRET");
    }
    problem = nanomdm_set_url(cmd, &scep->url, argv[1]);
    return problem || argc == 2 ? problem
        : nanomdm_set_secret(cmd, &scep->secret, argv[2] + 4);
}

const char *nanomdm_set_scep_challenge(cmd_parms *cmd, void *conf, int argc,
                                       char *const argv[])
{
    nanomdm_scep_challenge_t *scep = apr_pcalloc(cmd->pool, sizeof(*scep));
    const char *word = argc ? argv[0] : "";

    ((nanomdm_conf_t *)conf)->scep_challenge = scep;
    if (!strcasecmp(word, "once")) {
        return set_once(cmd, scep, argc, argv);
    }
    if (!strcasecmp(word, "external")) {
        return set_external(cmd, scep, argc, argv);
    }
    if (!strcasecmp(word, "static") && argc == 2) {
        scep->how = NMDM_SCEP_STATIC;
        return nanomdm_set_secret(cmd, &scep->secret, argv[1]);
    }
    if (!strcasecmp(word, "none") && argc == 1) {
        scep->how = NMDM_SCEP_NONE;
        return NULL;
    }
    return nanomdm_wrong(cmd, word, "write once [SECONDS], static SECRET,"
                                    " external URL [key=SECRET] or none");
}

const char *nanomdm_set_scep_cipher(cmd_parms *cmd, void *conf, int argc,
                                    char *const argv[])
{
    int *takes_des = &((nanomdm_conf_t *)conf)->scep_takes_des;
    int i;

    *takes_des = 0;
    for (i = 0; i < argc; i++) {
        if (!strcasecmp(argv[i], "des")) {
            *takes_des = 1;
        }
        else if (strcasecmp(argv[i], "aes")
                 && strcasecmp(argv[i], "3des")) {
            return nanomdm_wrong(cmd, argv[i], "no cipher; write aes 3des, or"
                                               " aes 3des des");
        }
    }
    return argc ? NULL : nanomdm_wrong(cmd, "", "write aes 3des, or aes 3des"
                                                " des");
}

static const char *set_days(cmd_parms *cmd, int *slot, const char *word,
                            const char *remedy)
{
    apr_int64_t days;

    if (!read_number(&days, word, 1, 3650)) {
        return nanomdm_wrong(cmd, word, remedy);
    }
    *slot = (int)days;
    return NULL;
}

const char *nanomdm_set_scep_renewal(cmd_parms *cmd, void *conf,
                                     const char *word)
{
    int *days = &((nanomdm_conf_t *)conf)->scep_renewal_days;

    if (!strcasecmp(word, "off")) {
        *days = 0;
        return NULL;
    }
    return set_days(cmd, days, word,
                    "write Off, or a number of days from 1 to 3650");
}

const char *nanomdm_set_scep_validity(cmd_parms *cmd, void *conf,
                                      const char *word)
{
    return set_days(cmd, &((nanomdm_conf_t *)conf)->scep_validity_days, word,
                    "write a number of days from 1 to 3650");
}

/* ---- Showing ---- */

const char *nanomdm_show_scep_challenge(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row)
{
    const nanomdm_scep_challenge_t *scep = conf->scep_challenge;

    (void)row;
    switch (scep ? scep->how : NMDM_SCEP_ONCE) {
    case NMDM_SCEP_ONCE:
        return apr_psprintf(p, "once %" APR_INT64_T_FMT,
                            scep ? scep->life : DEFAULT_LIFE);
    case NMDM_SCEP_STATIC:
        return apr_pstrcat(p, "static ", scep->secret.shown, NULL);
    case NMDM_SCEP_EXTERNAL:
        return apr_pstrcat(p, "external ", NANOMDM_NOT_SHOWN, NULL);
    case NMDM_SCEP_NONE:
        break;
    }
    return "none";
}

const char *nanomdm_show_scep_cipher(apr_pool_t *p,
                                     const nanomdm_conf_t *conf,
                                     const nanomdm_row_t *row)
{
    (void)p;
    (void)row;
    return conf->scep_takes_des ? "aes 3des des" : "aes 3des";
}

const char *nanomdm_show_scep_renewal(apr_pool_t *p,
                                      const nanomdm_conf_t *conf,
                                      const nanomdm_row_t *row)
{
    (void)row;
    return conf->scep_renewal_days ? apr_itoa(p, conf->scep_renewal_days)
                                   : "Off";
}

/* ---- Access ---- */

apr_interval_time_t nanomdm_scep_challenge_life(const nanomdm_conf_t *conf)
{
    const nanomdm_scep_challenge_t *scep = conf->scep_challenge;

    return apr_time_from_sec(scep && scep->life ? scep->life : DEFAULT_LIFE);
}

nmdm_scep_conf_t *nanomdm_scep_conf(apr_pool_t *p,
                                    const nanomdm_conf_t *conf,
                                    const nanomdm_scep_keys_t *keys)
{
    const nanomdm_scep_challenge_t *challenge = conf->scep_challenge;
    nmdm_scep_conf_t *scep = apr_pcalloc(p, sizeof(*scep));

    if (!keys) {
        return NULL;
    }
    scep->issuer = keys->issuer;
    scep->former = keys->former;
    scep->recipient = keys->recipient;
    scep->challenge = challenge ? challenge->how : NMDM_SCEP_ONCE;
    scep->secret = challenge ? challenge->secret.value : NULL;
    scep->url = challenge ? challenge->url : NULL;
    scep->takes_des = conf->scep_takes_des;
    scep->renewal_days = conf->scep_renewal_days;
    scep->validity_days = conf->scep_validity_days;
    scep->grace = conf->identity_grace;
    return scep;
}
