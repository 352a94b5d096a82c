/* SPDX-License-Identifier: Apache-2.0 */
/* check_mistakes.c -- what a configuration says that was likely meant
 * otherwise: found by reading the tree of directives, as config/check.c does.
 * What may be meant is warned of, once, while the server starts. */

#include "config/check_mistakes.h"
#include "api/names.h"
#include "config/handlers.h"
#include "config/parse.h"

#include <apr_cstr.h>
#include <apr_file_info.h>
#include <apr_strings.h>
#include <apr_uri.h>
#include <http_core.h>
#include <http_log.h>

#include <stdlib.h>
#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define HANDLERS \
    "nanomdm nanomdm-checkin nanomdm-command nanomdm-api nanomdm-migration" \
    " nanomdm-version nanomdm-status nanomdm-health nanomdm-scep" \
    " nanomdm-enroll nanomdm-declarative"

typedef struct {
    apr_pool_t *pool;
    int mistakes;
    /* of the virtual host that is looked at, or what it takes of the server */
    const ap_directive_t *driver, *params, *keep, *max, *verify, *ca;
    const ap_directive_t *device;       /* a device handler */
} scope_t;

static void say(int level, const ap_directive_t *at, const char *text)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | level, 0, NULL, "%s (%s:%d)",
                 text, at->filename, at->line_num);
}

static void mistake(scope_t *scope, const ap_directive_t *at,
                    const char *text)
{
    say(APLOG_ERR, at, text);
    scope->mistakes++;
}

static void warn(const ap_directive_t *at, const char *text)
{
    if (nanomdm_is_first_reading()) {
        say(APLOG_WARNING, at, text);
    }
}

static int is(const ap_directive_t *node, const char *name)
{
    return !apr_cstr_casecmp(node->directive, name);
}

static const char *word_of(apr_pool_t *p, const ap_directive_t *node)
{
    const char *args = node->args;

    return ap_getword_conf(p, &args);
}

static const char *path_of(apr_pool_t *p, const ap_directive_t *location)
{
    const char *args = apr_pstrmemdup(p, location->args,
                                      strcspn(location->args, ">"));

    return ap_getword_conf(p, &args);
}

/* ---- Handlers and their Locations ---- */

static void check_handler(scope_t *scope, const ap_directive_t *node)
{
    const char *handler = word_of(scope->pool, node);
    const ap_directive_t *section = node->parent;
    const char *path;

    if (nmdm_api_names_has(HANDLERS, handler)) {
        path = section && is(section, "<Location")
            ? path_of(scope->pool, section) : "";
        if (nanomdm_is_device_handler(handler) && strlen(path) > 1
            && path[strlen(path) - 1] == '/') {
            mistake(scope, section, apr_psprintf(
                scope->pool, NMDMNO(0029) "<Location \"%s\">: devices ask for"
                " the path without a slash at its end; write: <Location"
                " \"%.*s\">", path, (int)strlen(path) - 1, path));
        }
        return;
    }
    if (!strncasecmp(handler, "nanomd", 6)
        || (strlen(handler) > 5
            && nmdm_api_names_nearest(scope->pool, HANDLERS, handler))) {
        const char *near = nmdm_api_names_nearest(scope->pool, HANDLERS,
                                                  handler);

        mistake(scope, node, apr_psprintf(
            scope->pool, NMDMNO(0019) "SetHandler \"%s\" is no handler; write:"
            " SetHandler %s, or another of %s", handler,
            near ? near : "nanomdm",
            nmdm_api_names_list(scope->pool, HANDLERS)));
    }
}

static int has_require(const ap_directive_t *node)
{
    for (; node; node = node->next) {
        if (is(node, "Require")
            || (node->first_child && has_require(node->first_child))) {
            return 1;
        }
    }
    return 0;
}

/* Whether a section for this path or one above it requires something. */
static int is_protected(apr_pool_t *p, const ap_directive_t *tree,
                        const char *path)
{
    for (; tree; tree = tree->next) {
        const char *other = is(tree, "<Location") ? path_of(p, tree) : NULL;

        if (other && !strncmp(path, other, strlen(other))
            && has_require(tree->first_child)) {
            return 1;
        }
        if (tree->first_child && !other
            && is_protected(p, tree->first_child, path)) {
            return 1;
        }
    }
    return 0;
}

static void check_api(scope_t *scope, const ap_directive_t *tree,
                      const ap_directive_t *node)
{
    const ap_directive_t *section = node->parent;
    const char *handler = word_of(scope->pool, node);

    if ((!strcmp(handler, "nanomdm-api")
         || !strcmp(handler, "nanomdm-migration"))
        && section && is(section, "<Location")
        && !is_protected(scope->pool, tree, path_of(scope->pool, section))) {
        warn(section, apr_psprintf(
            scope->pool, NMDMNO(0026) "<Location \"%s\"> with %s has no"
            " Require, so that it refuses everybody; write in it: AuthType"
            " Basic, AuthName nanomdm, AuthBasicProvider nanomdm, Require"
            " valid-user", path_of(scope->pool, section), handler));
    }
}

/* ---- The database ---- */

/* Neither where nor who: what libpq would take, but for a password. */
static const char *pgsql_line(apr_pool_t *p, const char *url)
{
    apr_uri_t uri;

    if (apr_uri_parse(p, url, &uri) != APR_SUCCESS || !uri.hostname) {
        return "host=... dbname=... user=... password=... connect_timeout=2";
    }
    return apr_psprintf(p, "host=%s%s%s dbname=%s user=%s password=..."
                        " connect_timeout=2", uri.hostname,
                        uri.port_str ? " port=" : "",
                        uri.port_str ? uri.port_str : "",
                        uri.path && uri.path[1] ? uri.path + 1 : "...",
                        uri.user ? uri.user : "...");
}

static void check_params(scope_t *scope, const char *driver)
{
    const char *params = word_of(scope->pool, scope->params);

    if (!strcmp(driver, "pgsql") && strstr(params, "://")) {
        mistake(scope, scope->params, apr_psprintf(
            scope->pool, NMDMNO(0024) "DBDParams is a URL, as NanoMDM takes"
            " it; write: DBDParams \"%s\"", pgsql_line(scope->pool, params)));
    }
    if (!strcmp(driver, "mysql") && strstr(params, "@tcp(")) {
        mistake(scope, scope->params, NMDMNO(0028) "DBDParams is a DSN, as"
                " NanoMDM takes it; write: DBDParams \"host=...,dbname=...,"
                "user=...,pass=...,reconnect=0,flags=CLIENT_FOUND_ROWS\"");
    }
}

static void check_folder(scope_t *scope)
{
    const char *path = word_of(scope->pool, scope->params);
    const char *slash = strrchr(path, '/');
    const char *folder = slash && slash > path
        ? apr_pstrmemdup(scope->pool, path, (apr_size_t)(slash - path)) : "/";
    apr_finfo_t info;

    if (*path == '/'
        && apr_stat(&info, folder, APR_FINFO_TYPE, scope->pool)
               != APR_SUCCESS) {
        warn(scope->params, apr_psprintf(
            scope->pool, NMDMNO(0027) "DBDParams \"%s\": there is no folder %s;"
            " write: install -d -o www-data -g www-data -m 750 %s (with"
            " httpd's User and Group)", path, folder, folder));
    }
}

static void check_database(scope_t *scope)
{
    const char *driver;

    if (scope->keep && scope->max
        && atoi(word_of(scope->pool, scope->keep))
               > atoi(word_of(scope->pool, scope->max))) {
        const char *max = word_of(scope->pool, scope->max);

        mistake(scope, scope->keep, apr_psprintf(
            scope->pool, NMDMNO(0023) "DBDKeep %s is above DBDMax %s; write:"
            " DBDKeep %s", word_of(scope->pool, scope->keep), max, max));
    }
    if (!scope->driver || !scope->params) {
        return;
    }
    driver = word_of(scope->pool, scope->driver);
    check_params(scope, driver);
    if (!strcmp(driver, "sqlite3")) {
        check_folder(scope);
    }
}

/* ---- Identities and other servers ---- */

static void check_verify(scope_t *scope)
{
    const char *word = scope->verify ? word_of(scope->pool, scope->verify)
                                     : "";

    if (scope->device && !scope->ca
        && (!strcasecmp(word, "require") || !strcasecmp(word, "optional"))) {
        warn(scope->verify, apr_psprintf(
            scope->pool, NMDMNO(0030) "SSLVerifyClient %s without"
            " SSLCACertificateFile: mod_ssl trusts no device and ends its"
            " connection; write: SSLVerifyClient optional_no_ca (this module"
            " verifies by NanoMDMCACertificateFile)", word));
    }
}

static void check_dm_url(scope_t *scope, const ap_directive_t *node)
{
    const char *url = word_of(scope->pool, node);
    apr_size_t len = strcspn(url, "?");

    if (len && url[len - 1] != '/') {
        warn(node, apr_psprintf(
            scope->pool, NMDMNO(0025) "%s %s has no slash at its end, so that"
            " endpoints replace its last segment; write: %s %.*s/%s",
            node->directive, url, node->directive, (int)len, url, url + len));
    }
}

/* ---- All of it ---- */

static void note(scope_t *scope, const ap_directive_t *node)
{
    const struct {
        const char *name;
        const ap_directive_t **slot;
    } SINGLES[] = {
        { "DBDriver", &scope->driver }, { "DBDParams", &scope->params },
        { "DBDKeep", &scope->keep }, { "DBDMax", &scope->max },
        { "SSLVerifyClient", &scope->verify },
        { "SSLCACertificateFile", &scope->ca },
        { "SSLCACertificatePath", &scope->ca },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(SINGLES) / sizeof(*SINGLES); i++) {
        if (is(node, SINGLES[i].name)) {
            *SINGLES[i].slot = node;
        }
    }
    if (is(node, "NanoMDMDeclarativeManagementURL")) {
        check_dm_url(scope, node);
    }
}

static void walk(scope_t *scope, const ap_directive_t *tree,
                 const ap_directive_t *node)
{
    for (; node; node = node->next) {
        if (is(node, "<VirtualHost")) {
            continue;
        }
        note(scope, node);
        if (is(node, "SetHandler")) {
            check_handler(scope, node);
            check_api(scope, tree, node);
            if (nanomdm_is_device_handler(word_of(scope->pool, node))) {
                scope->device = node;
            }
        }
        if (node->first_child) {
            walk(scope, tree, node->first_child);
        }
    }
}

int nanomdm_check_mistakes(apr_pool_t *p, const ap_directive_t *tree)
{
    scope_t of_server = { .pool = p };
    const ap_directive_t *node;

    walk(&of_server, tree, tree);
    if (of_server.driver) {
        check_database(&of_server);
    }
    check_verify(&of_server);
    for (node = tree; node; node = node->next) {
        scope_t scope = of_server;

        if (!is(node, "<VirtualHost")) {
            continue;
        }
        scope.mistakes = 0;
        walk(&scope, tree, node->first_child);
        if (scope.driver != of_server.driver
            || scope.params != of_server.params
            || scope.keep != of_server.keep || scope.max != of_server.max) {
            check_database(&scope);
        }
        if (scope.verify != of_server.verify
            || scope.device != of_server.device) {
            check_verify(&scope);
        }
        of_server.mistakes += scope.mistakes;
    }
    return of_server.mistakes;
}
