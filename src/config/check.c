/* SPDX-License-Identifier: Apache-2.0 */
/* check.c -- contradictions, found while the server starts.
 *
 * mod_dbd and mod_ssl keep their settings to themselves, so the tree of
 * directives is read instead: what was written for each server, and where our
 * handlers stand. Each finding names the directive, its value and the line to
 * write. It all runs in check_config, hence for apachectl configtest too. */

#include "config/check.h"
#include "config/config.h"
#include "config/durable_webhooks.h"
#include "config/handlers.h"
#include "crypto/seal.h"
#include "db/dialect.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <ap_mpm.h>
#include <http_core.h>
#include <util_cfgtree.h>
#include <http_log.h>

#include <stdlib.h>
#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* Threads of the child besides those that serve requests: the one that writes
 * last_seen_at, and the one that brings events to webhooks. */
#define OWN_THREADS 2

/* mod_dbd's own default. */
#define DEFAULT_DBD_MAX 10

/* What was written for one server, directives of the main server included. */
typedef struct {
    server_rec *server;
    const ap_directive_t *driver, *params, *persist, *max;
    const ap_directive_t *ssl_engine, *verify_client;
    const ap_directive_t *any_use;      /* what needs the database, or NULL */
    const ap_directive_t *identity_use; /* the first that needs identities */
    const ap_directive_t *provider;     /* AuthBasicProvider nanomdm */
    const ap_directive_t *bad_verify;   /* SSLVerifyClient beside a handler */
    int serves_api;
    int takes_other_identities;         /* any source but tls, anywhere? */
    apr_array_header_t *exact_paths;   /* as in nanomdm_server_t */
    int has_other_paths;
} site_t;

typedef struct {
    apr_pool_t *pool;                   /* gone after the check */
    apr_pool_t *pconf;
    server_rec *main_server;
    int found_any;                      /* one of our directives, anywhere */
    int failed;
} check_t;

static void complain(check_t *check, const ap_directive_t *at,
                     server_rec *s, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void complain(check_t *check, const ap_directive_t *at,
                     server_rec *s, const char *fmt, ...)
{
    va_list args;
    const char *text;

    va_start(args, fmt);
    text = apr_pvsprintf(check->pool, fmt, args);
    va_end(args);
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, s,
                 "%s%s%s%s", text, at ? " (" : "",
                 at ? apr_psprintf(check->pool, "%s:%d", at->filename,
                                   at->line_num) : "", at ? ")" : "");
    check->failed = 1;
}

/* ---- Reading the tree ---- */

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

static const char *first_word(apr_pool_t *p, const ap_directive_t *node)
{
    const char *args = node->args;

    return ap_getword_conf(p, &args);
}

/* The path of a Location that is no pattern, or NULL. */
static const char *plain_location(apr_pool_t *p, const ap_directive_t *node)
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

static void note_path(check_t *check, site_t *site,
                      const ap_directive_t *node)
{
    const char *path = plain_location(check->pconf, node->parent);

    if (!path) {
        site->has_other_paths = 1;
        return;
    }
    APR_ARRAY_PUSH(site->exact_paths, const char *) = path;
}

static void note(check_t *check, site_t *site, const ap_directive_t *node)
{
    static const struct {
        const char *name;
        apr_size_t offset;
    } SINGLES[] = {
        { "DBDriver", APR_OFFSETOF(site_t, driver) },
        { "DBDParams", APR_OFFSETOF(site_t, params) },
        { "DBDPersist", APR_OFFSETOF(site_t, persist) },
        { "DBDMax", APR_OFFSETOF(site_t, max) },
        { "SSLEngine", APR_OFFSETOF(site_t, ssl_engine) },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(SINGLES) / sizeof(*SINGLES); i++) {
        if (is(node, SINGLES[i].name)) {
            *(const ap_directive_t **)((char *)site + SINGLES[i].offset)
                = node;
        }
    }
    if (!strncasecmp(node->directive, "NanoMDM", 7)) {
        check->found_any = 1;
    }
    if (is(node, "NanoMDMIdentity")
        && strcmp(apr_pstrdup(check->pool, node->args), "tls")) {
        site->takes_other_identities = 1;
    }
    if (is(node, "SetHandler")) {
        const char *handler = first_word(check->pool, node);

        if (nanomdm_is_our_handler(handler)) {
            check->found_any = 1;
            if (strcmp(handler, "nanomdm-version")) {
                site->any_use = node;
            }
            site->serves_api |= !strcmp(handler, "nanomdm-api");
        }
        if (nanomdm_is_device_handler(handler)) {
            if (!site->identity_use) {
                site->identity_use = node;
            }
            note_path(check, site, node);
        }
        else if (!strcmp(handler, "nanomdm-migration")) {
            note_path(check, site, node);
        }
    }
    if (is(node, "Require")
        && has_word(check->pool, node->args, "nanomdm-enrolled")) {
        site->any_use = node;
        site->identity_use = site->identity_use ? site->identity_use : node;
        check->found_any = 1;
    }
    if (is(node, "AuthBasicProvider")
        && has_word(check->pool, node->args, "nanomdm")) {
        site->provider = node;
    }
}

static int is_section(const ap_directive_t *node)
{
    return is(node, "<Location") || is(node, "<LocationMatch")
        || is(node, "<Directory") || is(node, "<DirectoryMatch")
        || is(node, "<Files") || is(node, "<FilesMatch")
        || is(node, "<If") || is(node, "<ElseIf") || is(node, "<Else");
}

/* Whether a device handler and SSLVerifyClient stand in one section. */
static void look_for_late_verification(check_t *check, site_t *site,
                                       const ap_directive_t *section)
{
    const ap_directive_t *node, *verify = NULL;
    int has_handler = 0;

    for (node = section->first_child; node; node = node->next) {
        if (is(node, "SSLVerifyClient")) {
            verify = node;
        }
        if (is(node, "SetHandler")
            && nanomdm_is_device_handler(first_word(check->pool, node))) {
            has_handler = 1;
        }
    }
    if (verify && has_handler) {
        site->bad_verify = verify;
    }
}

/* Virtual hosts are left to the caller. */
static void walk(check_t *check, site_t *site, const ap_directive_t *node,
                 int in_section)
{
    for (; node; node = node->next) {
        if (is(node, "<VirtualHost")) {
            continue;
        }
        note(check, site, node);
        if (is(node, "SSLVerifyClient") && !in_section) {
            site->verify_client = node;
        }
        if (is_section(node)) {
            look_for_late_verification(check, site, node);
        }
        if (node->first_child) {
            walk(check, site, node->first_child,
                 in_section || is_section(node));
        }
    }
}

static server_rec *server_of(const check_t *check, const ap_directive_t *vhost)
{
    server_rec *s;

    for (s = check->main_server->next; s; s = s->next) {
        if (s->defn_name && !strcmp(s->defn_name, vhost->filename)
            && s->defn_line_number == (unsigned)vhost->line_num) {
            return s;
        }
    }
    return NULL;
}

/* ---- Judging: the database ---- */

static int max_threads(void)
{
    int threads = 0;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    return threads;
}

/* What DBDParams has to contain for a driver to survive a lost connection. */
static void check_params(check_t *check, const site_t *site,
                         const char *driver)
{
    static const struct {
        const char *driver, *needs, *why;
    } NEEDS[] = {
        { "mysql", "reconnect=0", "or a lost connection is never usable"
                                  " again" },
        { "mysql", "flags=CLIENT_FOUND_ROWS", "or unchanged rows are taken"
                                              " for missing ones" },
        { "pgsql", "connect_timeout=", "or a silent database server blocks"
                                       " every request" },
    };
    const char *params = first_word(check->pool, site->params);
    apr_size_t i;

    for (i = 0; i < sizeof(NEEDS) / sizeof(*NEEDS); i++) {
        if (!strcmp(driver, NEEDS[i].driver)
            && !strstr(params, NEEDS[i].needs)) {
            complain(check, site->params, site->server, NMDMNO(0001)
                     "DBDParams lacks %s, %s; write: DBDParams \"...%s%s%s\"",
                     NEEDS[i].needs, NEEDS[i].why,
                     *driver == 'm' ? "," : " ", NEEDS[i].needs,
                     *driver == 'p' ? "2" : "");
        }
    }
}

static void check_pool(check_t *check, const site_t *site)
{
    int needed = max_threads() + OWN_THREADS;
    int max = site->max ? atoi(first_word(check->pool, site->max))
                        : DEFAULT_DBD_MAX;

    nanomdm_server(site->server)->pool_size = max;
    if (max >= needed) {
        return;
    }
    if (site->max) {
        complain(check, site->max, site->server, NMDMNO(0002)
                 "DBDMax %d is less than the threads of a child plus %d, so"
                 " requests could wait for a connection without end; write:"
                 " DBDMin %d, DBDKeep %d, DBDMax %d", max, OWN_THREADS,
                 needed, needed, needed);
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_NOTICE, 0, site->server,
                 NMDMNO(0003) "DBDMax is not set, so %d connections serve %d"
                 " threads; better write: DBDMin %d, DBDKeep %d, DBDMax %d",
                 max, needed, needed, needed, needed);
}

static void check_database(check_t *check, const site_t *site)
{
    const char *driver;

    if (!site->driver) {
        complain(check, site->any_use, site->server, NMDMNO(0004)
                 "DBDriver is missing for %s %s; write: DBDriver sqlite3,"
                 " and DBDParams with the path of a database file, or take"
                 " pgsql or mysql", site->any_use->directive,
                 site->any_use->args);
        return;
    }
    driver = first_word(check->pool, site->driver);
    if (nmdm_dialect_of(driver) < 0) {
        complain(check, site->driver, site->server, NMDMNO(0005)
                 "DBDriver \"%s\" is not supported; write: DBDriver sqlite3,"
                 " pgsql or mysql", driver);
        return;
    }
    if (!site->params) {
        complain(check, site->driver, site->server, NMDMNO(0006)
                 "DBDParams is missing; name the database");
        return;
    }
    check_params(check, site, driver);
    if (site->persist && !strcasecmp(first_word(check->pool, site->persist),
                                     "off")) {
        complain(check, site->persist, site->server, NMDMNO(0007)
                 "DBDPersist Off makes a connection for each request; write:"
                 " DBDPersist On");
    }
    check_pool(check, site);
    nanomdm_server(site->server)->database
        = apr_pstrcat(check->pconf, driver, " ",
                      first_word(check->pool, site->params), NULL);
}

/* ---- Judging: identities ---- */

/* The name of a header that identities are taken from, or NULL. */
static const char *header_source(const nanomdm_conf_t *conf)
{
    int i;

    for (i = 0; i < conf->identity->nelts; i++) {
        nanomdm_source_t *source = &APR_ARRAY_IDX(conf->identity, i,
                                                  nanomdm_source_t);

        if (source->from == NANOMDM_FROM_HEADER) {
            return source->header;
        }
    }
    return NULL;
}

/* The server's own settings, then each section's on top of them. */
static void check_trusted_proxies(check_t *check, const site_t *site)
{
    const core_server_config *core
        = ap_get_core_module_config(site->server->module_config);
    int i;

    for (i = -1; i < core->sec_url->nelts; i++) {
        const nanomdm_conf_t *conf = i < 0
            ? nanomdm_server_defaults(site->server)
            : nanomdm_section_conf(check->pool, site->server, APR_ARRAY_IDX(
                  core->sec_url, i, ap_conf_vector_t *));
        const char *header;

        header = header_source(conf);
        if (header && !conf->trusted_proxies) {
            complain(check, site->any_use, site->server, NMDMNO(0008)
                     "NanoMDMIdentity header:%s is believed from nobody"
                     " without NanoMDMTrustedProxy; write:"
                     " NanoMDMTrustedProxy and the proxy's address", header);
            return;
        }
    }
}

static void check_identities(check_t *check, const site_t *site)
{
    const char *verify = site->verify_client
        ? first_word(check->pool, site->verify_client) : "none";

    if (!nanomdm_server_defaults(site->server)->ca_file) {
        complain(check, site->identity_use, site->server, NMDMNO(0009)
                 "NanoMDMCACertificateFile is missing for %s %s;"
                 " write: NanoMDMCACertificateFile and the path of the PEM"
                 " file with the CA of the devices",
                 site->identity_use->directive, site->identity_use->args);
    }
    if (site->bad_verify) {
        complain(check, site->bad_verify, site->server, NMDMNO(0010)
                 "SSLVerifyClient %s in the section of a device handler asks"
                 " for the certificate too late for most devices; write in"
                 " the virtual host: SSLVerifyClient optional_no_ca",
                 site->bad_verify->args);
    }
    else if (site->ssl_engine && !site->takes_other_identities
             && !strcasecmp(first_word(check->pool, site->ssl_engine), "on")
             && !strcasecmp(verify, "none")) {
        complain(check, site->identity_use, site->server, NMDMNO(0011)
                 "SSLVerifyClient %s never asks for a certificate, and"
                 " NanoMDMIdentity takes it from tls only; write in the"
                 " virtual host: SSLVerifyClient optional_no_ca", verify);
    }
}

/* Trust is made here because it takes both files. */
static void make_trust(check_t *check, const site_t *site)
{
    const nanomdm_conf_t *conf = nanomdm_server_defaults(site->server);
    nanomdm_server_t *server = nanomdm_server(site->server);
    nmdm_err_t *err;

    if (!conf->ca_file) {
        return;
    }
    err = nmdm_trust_read(&server->trust, check->pconf, conf->ca_file,
                          conf->intermediate_file);
    if (err) {
        complain(check, NULL, site->server, NMDMNO(0012)
                 "NanoMDMCACertificateFile \"%s\": %s", conf->ca_file,
                 nmdm_err_text(err));
    }
}

/* ---- Judging: webhooks ---- */

static void check_webhooks(check_t *check, const site_t *site)
{
    apr_array_header_t *all;
    const char *problem = nanomdm_all_webhooks(&all, check->pool,
                                               site->server);

    if (problem) {
        complain(check, site->any_use, site->server, NMDMNO(0015)
                 "NanoMDMWebhookDelivery durable: %s", problem);
    }
}

/* ---- Judging: keys of the database ---- */

static int is_same_database(const server_rec *a, const server_rec *b)
{
    const nanomdm_server_t *one = nanomdm_server(a),
                           *other = nanomdm_server(b);
    const char *prefix = nanomdm_server_defaults(a)->table_prefix;
    const char *its_prefix = nanomdm_server_defaults(b)->table_prefix;

    return one->database && other->database
        && !strcmp(one->database, other->database)
        && !strcmp(prefix ? prefix : "", its_prefix ? its_prefix : "");
}

/* Another server after s that has the same tables and other keys, or NULL: each
 * would store what the other cannot read. */
static server_rec *conflict_of(apr_pool_t *p, const server_rec *s)
{
    const char *mine = nmdm_seal_fingerprint(
        p, nanomdm_server_defaults(s)->policy.seal);
    server_rec *other;

    for (other = s->next; other; other = other->next) {
        if (is_same_database(s, other)
            && strcmp(mine, nmdm_seal_fingerprint(
                          p, nanomdm_server_defaults(other)->policy.seal))) {
            return other;
        }
    }
    return NULL;
}

/* When all servers have been judged, since each is compared to all. */
static void check_storage_keys(check_t *check)
{
    server_rec *s, *other;

    for (s = check->main_server; s; s = s->next) {
        other = conflict_of(check->pool, s);
        if (other) {
            complain(check, NULL, s, NMDMNO(0016)
                     "NanoMDMStorageKey differs from that of %s:%u, which has"
                     " the same database; write it once, outside of the"
                     " virtual hosts", other->server_hostname
                         ? other->server_hostname : "-",
                     other->addrs ? other->addrs->host_port : other->port);
        }
    }
}

/* ---- Judging: all of it ---- */

static void judge(check_t *check, const site_t *site)
{
    if (!site->server || !site->any_use) {
        return;
    }
    nanomdm_server(site->server)->uses_database = 1;
    nanomdm_server(site->server)->serves_api = site->serves_api;
    nanomdm_server(site->server)->exact_paths = site->has_other_paths
        ? NULL : apr_array_copy(check->pconf, site->exact_paths);
    check_database(check, site);
    check_trusted_proxies(check, site);
    if (site->identity_use) {
        check_identities(check, site);
    }
    if (site->provider
        && !nanomdm_server_defaults(site->server)->api_key.value) {
        complain(check, site->provider, site->server, NMDMNO(0013)
                 "AuthBasicProvider nanomdm knows no password without"
                 " NanoMDMAPIKey; write: NanoMDMAPIKey file:PATH");
    }
    check_webhooks(check, site);
    make_trust(check, site);
}

static void check_mpm(check_t *check)
{
    int threaded = AP_MPMQ_NOT_SUPPORTED;

    ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded);
    if (threaded == AP_MPMQ_NOT_SUPPORTED && check->found_any) {
        complain(check, NULL, check->main_server, NMDMNO(0014)
                 "%s does not fit mod_nanomdm: stopping it would interrupt"
                 " requests within the database, and nothing could work"
                 " beside them. Every NanoMDM directive needs a threaded"
                 " MPM; load mpm_event (a2dismod mpm_prefork; a2enmod"
                 " mpm_event)", ap_show_mpm());
    }
}

int nanomdm_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                         apr_pool_t *ptemp, server_rec *s)
{
    check_t check = { .pool = ptemp, .pconf = pconf, .main_server = s };
    site_t main_site = { .server = s };
    const ap_directive_t *node;

    (void)plog;
    nanomdm_config_read(pconf, s);
    main_site.exact_paths = apr_array_make(ptemp, 4, sizeof(const char *));
    walk(&check, &main_site, ap_conftree, 0);
    for (node = ap_conftree; node; node = node->next) {
        if (is(node, "<VirtualHost")) {
            site_t site = main_site;

            site.server = server_of(&check, node);
            site.exact_paths = apr_array_copy(ptemp, main_site.exact_paths);
            walk(&check, &site, node->first_child, 0);
            judge(&check, &site);
        }
    }
    judge(&check, &main_site);
    check_storage_keys(&check);
    check_mpm(&check);
    return check.failed ? HTTP_INTERNAL_SERVER_ERROR : OK;
}
