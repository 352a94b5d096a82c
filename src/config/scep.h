/* SPDX-License-Identifier: Apache-2.0 */
/* scep.h -- directives of SCEP: issuers, challenges, what is issued. */

#ifndef NANOMDM_CONFIG_SCEP_H
#define NANOMDM_CONFIG_SCEP_H

#include "config/config.h"
#include "config/kinds.h"
#include "scep/scep.h"

/* Of the issuer and of the former one, or NULL. */
typedef struct nanomdm_paths_t {
    const char *path, *former;
} nanomdm_paths_t;

/* NanoMDMSCEPChallenge */
typedef struct nanomdm_scep_challenge_t {
    nmdm_scep_challenge_e how;
    apr_int64_t life;                   /* once: seconds */
    nanomdm_hidden_t secret;            /* static: it; external: the key */
    const char *url;                    /* external */
} nanomdm_scep_challenge_t;

/* The setters of the directives of SCEP, as httpd calls them: NULL, or what is
 * wrong with the value, in cmd->pool. */
const char *nanomdm_set_issuer_files(cmd_parms *cmd, void *conf,
                                     const char *path, const char *former);
const char *nanomdm_set_issuer_keys(cmd_parms *cmd, void *conf,
                                    const char *path, const char *former);
const char *nanomdm_set_recipient_file(cmd_parms *cmd, void *conf,
                                       const char *path);
const char *nanomdm_set_recipient_key(cmd_parms *cmd, void *conf,
                                      const char *path);
const char *nanomdm_set_scep_challenge(cmd_parms *cmd, void *conf, int argc,
                                       char *const argv[]);
const char *nanomdm_set_scep_cipher(cmd_parms *cmd, void *conf, int argc,
                                    char *const argv[]);
const char *nanomdm_set_scep_renewal(cmd_parms *cmd, void *conf,
                                     const char *word);
const char *nanomdm_set_scep_validity(cmd_parms *cmd, void *conf,
                                      const char *word);

/* The values of these directives as they would be written, in p, without
 * secrets. */
const char *nanomdm_show_paths(apr_pool_t *p, const nanomdm_conf_t *conf,
                               const nanomdm_row_t *row);
const char *nanomdm_show_scep_challenge(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row);
const char *nanomdm_show_scep_cipher(apr_pool_t *p,
                                     const nanomdm_conf_t *conf,
                                     const nanomdm_row_t *row);
const char *nanomdm_show_scep_renewal(apr_pool_t *p,
                                      const nanomdm_conf_t *conf,
                                      const nanomdm_row_t *row);

/* How long a challenge is good that is made for a Location. */
apr_interval_time_t nanomdm_scep_challenge_life(const nanomdm_conf_t *conf);

/* The keys of a server, read while it starts as root. */
typedef struct nanomdm_scep_keys_t {
    nmdm_key_pair_t *issuer, *former, *recipient;
} nanomdm_scep_keys_t;

/* Reads them for a server that has the handler nanomdm-scep in some section;
 * returns what is wrong with the files, with the remedy, or NULL. */
const char *nanomdm_scep_read_keys(nanomdm_scep_keys_t **keys,
                                   apr_pool_t *pconf, apr_pool_t *ptemp,
                                   const nanomdm_conf_t *conf);
/* What is wrong with a Location that has the handler, or NULL; `is_protected`
 * is whether it has a Require other than "all granted". */
const char *nanomdm_scep_check_location(nanomdm_scep_keys_t *keys,
                                        apr_pool_t *pconf,
                                        const nanomdm_conf_t *conf,
                                        int is_protected);

/* What the core needs for a request, in p; NULL without keys. */
nmdm_scep_conf_t *nanomdm_scep_conf(apr_pool_t *p,
                                    const nanomdm_conf_t *conf,
                                    const nanomdm_scep_keys_t *keys);

#endif /* NANOMDM_CONFIG_SCEP_H */
