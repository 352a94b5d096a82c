/* SPDX-License-Identifier: Apache-2.0 */
/* check_mistakes.c -- what a configuration says that was likely meant
 * otherwise: found by reading the tree of directives, as config/check.c does.
 * What may be meant is warned of, once, while the server starts. */

#include "config/check_mistakes.h"
#include "api/names.h"
#include "config/check_sqlite.h"
#include "config/handlers.h"
#include "config/parse.h"

#include <apr_cstr.h>
#include <apr_fnmatch.h>
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
    nanomdm_findings_t *findings;
    /* of the virtual host that is looked at, or what it takes of the server */
    const ap_directive_t *driver, *params, *min, *keep, *max, *verify, *ca;
    const ap_directive_t *device;       /* a device handler */
} scope_t;

static void mistake(scope_t *scope, const ap_directive_t *at,
                    const char *text)
{
    nanomdm_findings_add(scope->findings, APLOG_ERR, at, text);
}

static void warn(scope_t *scope, const ap_directive_t *at, const char *text)
{
    nanomdm_findings_add(scope->findings, APLOG_WARNING, at, text);
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
            scope->pool, NMDMNO(0019) "%s \"%s\" is no handler; write: %s %s,"
            " or another of %s", node->directive, handler, node->directive,
            near ? near : "nanomdm",
            nmdm_api_names_list(scope->pool, HANDLERS)));
    }
}

/* "all granted" admits an unauthenticated request, which the handler then
 * refuses. */
static int has_require(const ap_directive_t *node)
{
    for (; node; node = node->next) {
        if ((is(node, "Require")
             && apr_cstr_casecmp(node->args, "all granted"))
            || is(node, "SSLUserName")
            || (node->first_child && has_require(node->first_child))) {
            return 1;
        }
    }
    return 0;
}

static int is_of_urls(const ap_directive_t *node)
{
    return is(node, "<Location") || is(node, "<LocationMatch");
}

/* Whether a section of URLs is in force at this path or below it. */
static int covers(apr_pool_t *p, const ap_directive_t *section,
                  const char *path)
{
    const char *end = strrchr(section->args, '>');
    const char *args = end
        ? apr_pstrmemdup(p, section->args, end - section->args)
        : section->args;
    const char *pattern = ap_getword_conf(p, &args);
    ap_regex_t *regex;

    if (is(section, "<Location") && strcmp(pattern, "~")) {
        return !strncmp(path, pattern, strlen(pattern))
            || !apr_fnmatch(pattern, path, APR_FNM_PATHNAME);
    }
    if (is(section, "<Location")) {
        pattern = ap_getword_conf(p, &args);
    }
    regex = ap_pregcomp(p, pattern, AP_REG_EXTENDED);
    return regex
        && (!ap_regexec(regex, path, 0, NULL, 0)
            || !ap_regexec(regex, apr_pstrcat(p, path, "/", NULL), 0, NULL,
                           0));
}

/* Whether a section for this path or one above it requires something. */
static int is_protected(apr_pool_t *p, const ap_directive_t *tree,
                        const char *path)
{
    for (; tree; tree = tree->next) {
        if (is_of_urls(tree)
            ? covers(p, tree, path) && has_require(tree->first_child)
            : tree->first_child && is_protected(p, tree->first_child, path)) {
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
        warn(scope, section, apr_psprintf(
            scope->pool, NMDMNO(0026) "<Location \"%s\"> with %s has no"
            " Require that names users, so that it refuses everybody; write"
            " in it: AuthType Basic, AuthName nanomdm, AuthBasicProvider"
            " nanomdm, Require valid-user", path_of(scope->pool, section),
            handler));
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

/* The names that libpq does not know and apr_dbd_mysql does, and the other way
 * round: it passes over a name that it does not know. */
static const char *foreign_name(apr_pool_t *p, const char *driver,
                                const char *params)
{
    static const char *const OF_MYSQL = "pass sock flags reconnect fldsz";
    static const char *const OURS = "host user pass dbname port sock flags"
                                    " fldsz group reconnect charset";
    int is_mysql = !strcmp(driver, "mysql");
    char *rest = NULL, *word;

    word = apr_strtok(apr_pstrdup(p, params), is_mysql ? " \t;|," : " \t",
                      &rest);
    for (; word; word = apr_strtok(NULL, is_mysql ? " \t;|," : " \t", &rest)) {
        char *equals = strchr(word, '=');

        if (!equals) {
            continue;
        }
        *equals = '\0';
        if (nmdm_api_names_has(is_mysql ? OURS : OF_MYSQL, word)
            != is_mysql) {
            return word;
        }
    }
    return NULL;
}

static void check_names(scope_t *scope, const char *driver,
                        const char *params)
{
    int is_mysql = !strcmp(driver, "mysql");
    const char *name = foreign_name(scope->pool, driver, params);

    if (name) {
        warn(scope, scope->params, apr_psprintf(
            scope->pool, NMDMNO(0045) "DBDParams: the driver %s knows no"
            " \"%s\"; write: DBDParams \"%s\"", driver, name, is_mysql
            ? "host=...,dbname=...,user=...,pass=...,reconnect=0,"
              "flags=CLIENT_FOUND_ROWS"
            : "host=... dbname=... user=... password=... connect_timeout=2"));
    }
}

static void check_params(scope_t *scope, const char *driver)
{
    const char *params = word_of(scope->pool, scope->params);
    int is_pgsql = !strcmp(driver, "pgsql"), is_mysql
        = !strcmp(driver, "mysql");

    if (is_pgsql && strstr(params, "://")) {
        mistake(scope, scope->params, apr_psprintf(
            scope->pool, NMDMNO(0024) "DBDParams is a URL, as NanoMDM takes"
            " it; write: DBDParams \"%s\"", pgsql_line(scope->pool, params)));
    }
    else if (is_mysql && strstr(params, "@tcp(")) {
        mistake(scope, scope->params, NMDMNO(0028) "DBDParams is a DSN, as"
                " NanoMDM takes it; write: DBDParams \"host=...,dbname=...,"
                "user=...,pass=...,reconnect=0,flags=CLIENT_FOUND_ROWS\"");
    }
    else if (is_pgsql && strpbrk(params, ",;")
             && strchr(strpbrk(params, ",;"), '=') && !strchr(params, ' ')) {
        mistake(scope, scope->params, NMDMNO(0044) "DBDParams has commas"
                " between its parts; PostgreSQL takes spaces; write:"
                " DBDParams \"host=... dbname=... user=... password=..."
                " connect_timeout=2\"");
    }
    else if (is_pgsql || is_mysql) {
        check_names(scope, driver, params);
    }
}

/* DBDMin at most DBDKeep, and both at most DBDMax. */
static void check_numbers(scope_t *scope)
{
    const struct {
        const ap_directive_t *low, *high;
    } PAIRS[] = {
        { scope->keep, scope->max }, { scope->min, scope->keep },
        { scope->min, scope->max },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(PAIRS) / sizeof(*PAIRS); i++) {
        const ap_directive_t *low = PAIRS[i].low, *high = PAIRS[i].high;

        if (low && high && atoi(word_of(scope->pool, low))
                               > atoi(word_of(scope->pool, high))) {
            const char *most = word_of(scope->pool, high);

            mistake(scope, low, apr_psprintf(
                scope->pool, NMDMNO(0023) "%s %s is above %s %s; write: %s %s",
                low->directive, word_of(scope->pool, low), high->directive,
                most, low->directive, most));
            return;
        }
    }
}

static void check_database(scope_t *scope)
{
    const char *driver, *flaw;

    check_numbers(scope);
    if (!scope->driver || !scope->params) {
        return;
    }
    driver = word_of(scope->pool, scope->driver);
    check_params(scope, driver);
    if (!strcmp(driver, "sqlite3")) {
        flaw = nanomdm_check_sqlite(scope->pool,
                                    word_of(scope->pool, scope->params));
        if (flaw) {
            warn(scope, scope->params, flaw);
        }
    }
}

/* ---- Identities and other servers ---- */

static void check_verify(scope_t *scope)
{
    const char *word = scope->verify ? word_of(scope->pool, scope->verify)
                                     : "";

    if (scope->device && !scope->ca
        && (!strcasecmp(word, "require") || !strcasecmp(word, "optional"))) {
        warn(scope, scope->verify, apr_psprintf(
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
        warn(scope, node, apr_psprintf(
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
        { "DBDMin", &scope->min }, { "DBDKeep", &scope->keep },
        { "DBDMax", &scope->max },
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
        if (is(node, "SetHandler") || is(node, "AddHandler")) {
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

void nanomdm_check_mistakes(nanomdm_findings_t *findings,
                            const ap_directive_t *tree)
{
    scope_t of_server = { .pool = findings->pool, .findings = findings };
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
        walk(&scope, tree, node->first_child);
        if (scope.driver != of_server.driver
            || scope.params != of_server.params
            || scope.min != of_server.min || scope.keep != of_server.keep
            || scope.max != of_server.max) {
            check_database(&scope);
        }
        if (scope.verify != of_server.verify
            || scope.device != of_server.device) {
            check_verify(&scope);
        }
    }
}
