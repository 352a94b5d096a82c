/* SPDX-License-Identifier: Apache-2.0 */
/* config/enroll.h -- directives of enrollment profiles, and what of the
 * running configuration goes into them. */

#ifndef NANOMDM_CONFIG_ENROLL_H
#define NANOMDM_CONFIG_ENROLL_H

#include "config/check_tree.h"
#include "config/config.h"
#include "config/kinds.h"
#include "crypto/device_cms.h"
#include "enroll/enroll.h"
#include "enroll/gates.h"

#include <ap_expr.h>

/* A file of NanoMDMEnrollTemplate, NanoMDMEnrollAnchors or
 * NanoMDMEnrollSigner, as it was while the server started. */
typedef struct nanomdm_enroll_file_t {
    const char *path;
    nmdm_bytes_t text;                  /* of a template */
    apr_array_header_t *certs;          /* nmdm_bytes_t, DER: of anchors */
    nmdm_cms_sign_t *signer;
} nanomdm_enroll_file_t;

/* NanoMDMEnrollIf */
typedef struct nanomdm_enroll_if_t {
    ap_expr_info_t *expr;
    const char *text;
    nmdm_gate_texts_t texts;
} nanomdm_enroll_if_t;

#define NANOMDM_ENROLL_REQUIRE (NMDM_ENROLL_USER | NMDM_ENROLL_LINK)

/* The setters of the directives of that name, as httpd calls them: NULL, or
 * what is wrong with the value, in cmd->pool. */
const char *nanomdm_set_enroll_template(cmd_parms *cmd, void *conf,
                                        const char *path);
const char *nanomdm_set_enroll_anchors(cmd_parms *cmd, void *conf,
                                       const char *path);
const char *nanomdm_set_enroll_signer(cmd_parms *cmd, void *conf,
                                      const char *path);
const char *nanomdm_set_enroll_identifier(cmd_parms *cmd, void *conf,
                                          const char *word);
const char *nanomdm_set_enroll_organization(cmd_parms *cmd, void *conf,
                                            const char *word);
const char *nanomdm_set_enroll_url(cmd_parms *cmd, void *conf,
                                   const char *url);
const char *nanomdm_set_enroll_topic(cmd_parms *cmd, void *conf,
                                     const char *word);
const char *nanomdm_set_enroll_require(cmd_parms *cmd, void *conf, int argc,
                                       char *const argv[]);
const char *nanomdm_set_enroll_device_ca(cmd_parms *cmd, void *conf,
                                         const char *path);
const char *nanomdm_add_enroll_minimum(cmd_parms *cmd, void *conf, int argc,
                                       char *const argv[]);
const char *nanomdm_set_enroll_if(cmd_parms *cmd, void *conf, int argc,
                                  char *const argv[]);
const char *nanomdm_set_enroll_sso(cmd_parms *cmd, void *conf, int argc,
                                   char *const argv[]);

/* The values of these directives as they would be written, in p. */
const char *nanomdm_show_enroll_file(apr_pool_t *p, const nanomdm_conf_t *conf,
                                     const nanomdm_row_t *row);
const char *nanomdm_show_enroll_require(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row);
const char *nanomdm_show_enroll_minimum(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row);
const char *nanomdm_show_enroll_if(apr_pool_t *p, const nanomdm_conf_t *conf,
                                   const nanomdm_row_t *row);
const char *nanomdm_show_enroll_sso(apr_pool_t *p, const nanomdm_conf_t *conf,
                                    const nanomdm_row_t *row);

/* ---- What a server with the handler nanomdm-enroll has ---- */

/* A Location of devices. */
typedef struct {
    const char *path, *handler;
    int signs, has_tokens;
} nanomdm_device_location_t;

/* Found while the server starts. */
typedef struct nanomdm_enroll_site_t {
    const char *base_url;       /* https://HOST[:PORT] */
    const char *identifier;     /* the default */
    apr_array_header_t *devices;        /* nanomdm_device_location_t */
    const nanomdm_device_location_t *mdm;       /* the only one, or NULL */
    const nanomdm_device_location_t *checkin;   /* likewise */
    const char *scep_path;      /* of the only one, or NULL */
    const nanomdm_conf_t *scep; /* its settings, or NULL */
    int serves_scep;            /* has one at all */
    const char *link_url;       /* of the first Location that takes links, or
                                 * NULL */
    nmdm_device_cms_cas_t *device_cas;  /* or NULL */
    apr_array_header_t *profiles;       /* nmdm_profile_conf_t * */
} nanomdm_enroll_site_t;

/* What the core needs for a request, in p. */
void nanomdm_enroll_conf(nmdm_enroll_conf_t *out, apr_pool_t *p,
                         const nanomdm_conf_t *conf,
                         const nanomdm_enroll_site_t *site);

/* Called once for each finding: an error, or worth a warning. */
typedef void (*nanomdm_enroll_say_fn)(void *baton, const ap_directive_t *at,
                                      int is_wrong, const char *text);

/* Finds out what a server with the handler has, and what contradicts itself.
 * Both pools as in config/check.c. */
void nanomdm_enroll_check(apr_pool_t *pconf, apr_pool_t *ptemp,
                          const nanomdm_tree_site_t *site,
                          nanomdm_enroll_say_fn say, void *baton);

#endif /* NANOMDM_CONFIG_ENROLL_H */
