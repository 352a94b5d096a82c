/* SPDX-License-Identifier: Apache-2.0 */
/* check_tree.h -- what was written for each server, and where our handlers are,
 * read from httpd's tree of directives.
 *
 * mod_dbd and mod_ssl keep their settings to themselves, so the tree is the
 * only place to learn of them. */

#ifndef NANOMDM_CHECK_TREE_H
#define NANOMDM_CHECK_TREE_H

#include "config/config.h"

#include <apr_tables.h>
#include <httpd.h>
#include <http_config.h>
#include <util_cfgtree.h>

/* What was written for one server, directives of the main server included. */
typedef struct {
    server_rec *server;                 /* NULL: httpd does not know it */
    const ap_directive_t *driver, *params, *persist, *max;
    const ap_directive_t *ssl_engine, *verify_client;
    const ap_directive_t *proxy_protocol;       /* of mod_remoteip */
    const ap_directive_t *any_use;      /* what needs the database, or NULL */
    const ap_directive_t *identity_use; /* the first that needs identities */
    const ap_directive_t *provider;     /* AuthBasicProvider nanomdm */
    const ap_directive_t *bad_verify;   /* SSLVerifyClient beside a handler */
    apr_array_header_t *scep_uses;      /* of ap_directive_t *: SetHandler */
    apr_array_header_t *enroll_uses, *device_uses;      /* likewise */
    int serves_api, serves_status;
    const char *api_path;               /* as in nanomdm_server_t */
    int has_declarations;       /* NanoMDMDeclarativeManagement builtin */
    int takes_other_identities;         /* any source but tls, anywhere? */
    apr_array_header_t *exact_paths;    /* as in nanomdm_server_t */
    int has_other_paths;
} nanomdm_tree_site_t;

typedef struct {
    apr_pool_t *pool;                   /* of what is not said otherwise */
    apr_pool_t *pconf;                  /* of the paths */
    server_rec *main_server;
    int found_any;                      /* one of our directives, anywhere */
    apr_array_header_t *sites;          /* of nanomdm_tree_site_t *: virtual
                                         * hosts in order, then the main
                                         * server */
} nanomdm_tree_t;

/* Reads the directives of all servers into *tree, whose parts live as long as
 * ptemp. */
void nanomdm_tree_read(nanomdm_tree_t *tree, apr_pool_t *pconf,
                       apr_pool_t *ptemp, server_rec *main_server);

/* The first argument of a directive, unquoted; "" when there is none. */
const char *nanomdm_tree_first_word(apr_pool_t *p, const ap_directive_t *node);

/* The path of a Location that is no pattern, or NULL. */
const char *nanomdm_tree_location(apr_pool_t *p, const ap_directive_t *node);
/* The settings of the section in which a handler is named, in p; ptemp is for
 * the work. */
const nanomdm_conf_t *nanomdm_tree_section_conf(
    apr_pool_t *p, apr_pool_t *ptemp, const server_rec *s,
    const ap_directive_t *handler);
/* Whether a Require that asks for something is in the section of a
 * directive. */
int nanomdm_tree_is_protected(const ap_directive_t *node);

#endif /* NANOMDM_CHECK_TREE_H */
