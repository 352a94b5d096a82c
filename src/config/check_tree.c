/* SPDX-License-Identifier: Apache-2.0 */
/* check_tree.c -- what was written for each server, and where our handlers
 * are, read from httpd's tree of directives. */

#include "config/check_tree.h"
#include "config/config.h"
#include "config/handlers.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>

#include <string.h>

static int is(const ap_directive_t *node, const char *name)
{
    return !apr_cstr_casecmp(node->directive, name);
}

/* Whether a word occurs among the arguments. */
static int has_word(apr_pool_t *p, const char *args, const char *word)
{
    const char *next;

    while (*(next = ap_getword_conf(p, &args))) {
        if (!strcmp(next, word)) {
            return 1;
        }
    }
    return 0;
}

const char *nanomdm_tree_first_word(apr_pool_t *p, const ap_directive_t *node)
{
    const char *args = node->args;

    return ap_getword_conf(p, &args);
}

const char *nanomdm_tree_location(apr_pool_t *p, const ap_directive_t *node)
{
    const char *args, *path;

    if (!node || !is(node, "<Location")) {
        return NULL;
    }
    args = apr_pstrmemdup(p, node->args, strcspn(node->args, ">"));
    path = ap_getword_conf(p, &args);
    return *path == '/' && !path[strcspn(path, "*?[")]
        ? apr_pstrdup(p, path) : NULL;
}

const nanomdm_conf_t *nanomdm_tree_section_conf(apr_pool_t *p,
                                                apr_pool_t *ptemp,
                                                const server_rec *s,
                                                const ap_directive_t *handler)
{
    const core_server_config *core
        = ap_get_core_module_config(s->module_config);
    const char *path = nanomdm_tree_location(ptemp, handler->parent);
    int i;

    for (i = 0; path && i < core->sec_url->nelts; i++) {
        ap_conf_vector_t *section = APR_ARRAY_IDX(core->sec_url, i,
                                                  ap_conf_vector_t *);
        const core_dir_config *dir = ap_get_core_module_config(section);

        if (dir->d && !strcmp(dir->d, path)) {
            return nanomdm_section_conf(p, s, section);
        }
    }
    return nanomdm_server_defaults(s);
}

int nanomdm_tree_is_protected(const ap_directive_t *directive)
{
    const ap_directive_t *node = directive->parent
        ? directive->parent->first_child : NULL;

    for (; node; node = node->next) {
        if ((is(node, "Require")
             && apr_cstr_casecmp(node->args, "all granted"))
            || !strncasecmp(node->directive, "<Require", 8)) {
            return 1;
        }
    }
    return 0;
}

/* `below` is what follows the path of the Location. */
static void note_path(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                      const ap_directive_t *node, const char *below)
{
    const char *path = nanomdm_tree_location(tree->pconf, node->parent);

    if (!path) {
        site->has_other_paths = 1;
        return;
    }
    APR_ARRAY_PUSH(site->exact_paths, const char *)
        = apr_pstrcat(tree->pconf, path, below, NULL);
}

/* ---- One directive ---- */

static void note_api(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                     const ap_directive_t *node)
{
    const char *path = nanomdm_tree_location(tree->pconf, node->parent);

    if (path && !site->api_path) {
        site->api_path = apr_pstrmemdup(tree->pconf, path, strlen(path)
                                        - (path[strlen(path) - 1] == '/'));
    }
}

static void note_handler(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                         const ap_directive_t *node)
{
    const char *handler = nanomdm_tree_first_word(tree->pool, node);

    if (!nanomdm_is_our_handler(handler)) {
        return;
    }
    tree->found_any = 1;
    if (strcmp(handler, "nanomdm-version")) {
        site->any_use = node;
    }
    site->serves_api |= !strcmp(handler, "nanomdm-api")
        || !strcmp(handler, "nanomdm-declarative");
    site->serves_status |= !strcmp(handler, "nanomdm-status");
    if (!strcmp(handler, "nanomdm-api")) {
        note_api(tree, site, node);
    }
    if (nanomdm_is_device_handler(handler)) {
        site->identity_use = site->identity_use ? site->identity_use : node;
        APR_ARRAY_PUSH(site->device_uses, const ap_directive_t *) = node;
        note_path(tree, site, node, "");
    }
    else if (!strcmp(handler, "nanomdm-scep")) {
        /* Some clients append the name of a program that served SCEP once. */
        APR_ARRAY_PUSH(site->scep_uses, const ap_directive_t *) = node;
        note_path(tree, site, node, "");
        note_path(tree, site, node, "/pkiclient.exe");
    }
    else if (!strcmp(handler, "nanomdm-enroll")) {
        APR_ARRAY_PUSH(site->enroll_uses, const ap_directive_t *) = node;
    }
    else if (!strcmp(handler, "nanomdm-migration")) {
        note_path(tree, site, node, "");
    }
}

static void note_require(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                         const ap_directive_t *node)
{
    if (has_word(tree->pool, node->args, "nanomdm-enrolled")) {
        site->any_use = node;
        site->identity_use = site->identity_use ? site->identity_use : node;
        tree->found_any = 1;
    }
}

static void note_provider(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                          const ap_directive_t *node)
{
    if (has_word(tree->pool, node->args, "nanomdm")) {
        site->provider = node;
    }
}

static void note_identity(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                          const ap_directive_t *node)
{
    (void)tree;
    if (strcasecmp(node->args, "tls")) {
        site->takes_other_identities = 1;
    }
}

static void note_declarative(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                             const ap_directive_t *node)
{
    site->has_declarations |= !strcasecmp(
        nanomdm_tree_first_word(tree->pool, node), "builtin");
}

/* The last one of a name counts. */
static void keep(nanomdm_tree_site_t *site, const ap_directive_t *node)
{
    static const struct {
        const char *name;
        apr_size_t offset;
    } SINGLES[] = {
        { "DBDriver", APR_OFFSETOF(nanomdm_tree_site_t, driver) },
        { "DBDParams", APR_OFFSETOF(nanomdm_tree_site_t, params) },
        { "DBDPersist", APR_OFFSETOF(nanomdm_tree_site_t, persist) },
        { "DBDMax", APR_OFFSETOF(nanomdm_tree_site_t, max) },
        { "SSLEngine", APR_OFFSETOF(nanomdm_tree_site_t, ssl_engine) },
        { "RemoteIPProxyProtocol",
          APR_OFFSETOF(nanomdm_tree_site_t, proxy_protocol) },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(SINGLES) / sizeof(*SINGLES); i++) {
        if (is(node, SINGLES[i].name)) {
            *(const ap_directive_t **)((char *)site + SINGLES[i].offset)
                = node;
        }
    }
}

static void note(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                 const ap_directive_t *node)
{
    static const struct {
        const char *name;
        void (*note)(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                     const ap_directive_t *node);
    } NOTED[] = {
        { "SetHandler", note_handler },
        { "Require", note_require },
        { "AuthBasicProvider", note_provider },
        { "NanoMDMDeclarativeManagement", note_declarative },
        { "NanoMDMIdentity", note_identity },
    };
    apr_size_t i;

    keep(site, node);
    if (!strncasecmp(node->directive, "NanoMDM", 7)) {
        tree->found_any = 1;
    }
    for (i = 0; i < sizeof(NOTED) / sizeof(*NOTED); i++) {
        if (is(node, NOTED[i].name)) {
            NOTED[i].note(tree, site, node);
        }
    }
}

/* ---- All of them ---- */

static int is_section(const ap_directive_t *node)
{
    return is(node, "<Location") || is(node, "<LocationMatch")
        || is(node, "<Directory") || is(node, "<DirectoryMatch")
        || is(node, "<Files") || is(node, "<FilesMatch")
        || is(node, "<If") || is(node, "<ElseIf") || is(node, "<Else");
}

/* Whether a device handler and SSLVerifyClient are in one section. */
static void look_for_late_verification(nanomdm_tree_t *tree,
                                       nanomdm_tree_site_t *site,
                                       const ap_directive_t *section)
{
    const ap_directive_t *node, *verify = NULL;
    int has_handler = 0;

    for (node = section->first_child; node; node = node->next) {
        if (is(node, "SSLVerifyClient")) {
            verify = node;
        }
        if (is(node, "SetHandler")
            && nanomdm_is_device_handler(
                nanomdm_tree_first_word(tree->pool, node))) {
            has_handler = 1;
        }
    }
    if (verify && has_handler) {
        site->bad_verify = verify;
    }
}

/* Virtual hosts are left to the caller. */
static void walk(nanomdm_tree_t *tree, nanomdm_tree_site_t *site,
                 const ap_directive_t *node, int in_section)
{
    for (; node; node = node->next) {
        if (is(node, "<VirtualHost")) {
            continue;
        }
        note(tree, site, node);
        if (is(node, "SSLVerifyClient") && !in_section) {
            site->verify_client = node;
        }
        if (is_section(node)) {
            look_for_late_verification(tree, site, node);
        }
        if (node->first_child) {
            walk(tree, site, node->first_child,
                 in_section || is_section(node));
        }
    }
}

static server_rec *server_of(const nanomdm_tree_t *tree,
                             const ap_directive_t *vhost)
{
    server_rec *s;

    for (s = tree->main_server->next; s; s = s->next) {
        if (s->defn_name && !strcmp(s->defn_name, vhost->filename)
            && s->defn_line_number == (unsigned)vhost->line_num) {
            return s;
        }
    }
    return NULL;
}

static nanomdm_tree_site_t *add_site(nanomdm_tree_t *tree,
                                     const nanomdm_tree_site_t *like)
{
    nanomdm_tree_site_t *site = apr_pmemdup(tree->pool, like, sizeof(*like));

    APR_ARRAY_PUSH(tree->sites, nanomdm_tree_site_t *) = site;
    return site;
}

void nanomdm_tree_read(nanomdm_tree_t *tree, apr_pool_t *pconf,
                       apr_pool_t *ptemp, server_rec *main_server)
{
    nanomdm_tree_site_t main_site = { .server = main_server };
    const ap_directive_t *node;

    *tree = (nanomdm_tree_t){
        .pool = ptemp, .pconf = pconf, .main_server = main_server,
        .sites = apr_array_make(ptemp, 4, sizeof(nanomdm_tree_site_t *))
    };
    main_site.exact_paths = apr_array_make(ptemp, 4, sizeof(const char *));
    main_site.scep_uses = apr_array_make(ptemp, 1, sizeof(void *));
    main_site.enroll_uses = apr_array_make(ptemp, 1, sizeof(void *));
    main_site.device_uses = apr_array_make(ptemp, 1, sizeof(void *));
    walk(tree, &main_site, ap_conftree, 0);
    for (node = ap_conftree; node; node = node->next) {
        if (is(node, "<VirtualHost")) {
            nanomdm_tree_site_t *site = add_site(tree, &main_site);

            site->server = server_of(tree, node);
            site->scep_uses = apr_array_copy(ptemp, main_site.scep_uses);
            site->enroll_uses = apr_array_copy(ptemp, main_site.enroll_uses);
            site->device_uses = apr_array_copy(ptemp, main_site.device_uses);
            site->exact_paths = apr_array_copy(ptemp, main_site.exact_paths);
            walk(tree, site, node->first_child, 0);
        }
    }
    add_site(tree, &main_site);
}
