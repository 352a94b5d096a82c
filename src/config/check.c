/* SPDX-License-Identifier: Apache-2.0 */
/* check.c -- contradictions, found while the server starts.
 *
 * Each finding names the directive, its value and the line to write. It all
 * runs in check_config, hence for apachectl configtest too. */

#include "config/check.h"
#include "config/check_effect.h"
#include "config/check_httpd.h"
#include "config/check_mistakes.h"
#include "config/check_tree.h"
#include "config/config.h"
#include "config/declarative.h"
#include "config/durable_webhooks.h"
#include "config/enroll.h"
#include "config/findings.h"
#include "config/renewal_check.h"
#include "config/scep.h"
#include "crypto/seal.h"
#include "crypto/trust.h"
#include "db/dialect.h"

#include <apr_strings.h>
#include <ap_mpm.h>
#include <http_core.h>
#include <http_log.h>

#include <stdlib.h>
#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* Threads of the child besides those that serve requests: the one that writes
 * last_seen_at, and the one that brings events to webhooks. */
#define OWN_THREADS 2

/* mod_dbd's own default. */
#define DEFAULT_DBD_MAX 10

typedef struct {
    apr_pool_t *pool;                   /* gone after the check */
    apr_pool_t *pconf;
    server_rec *main_server;
    nanomdm_findings_t *findings;
} check_t;

static void complain(check_t *check, const ap_directive_t *at,
                     const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(check_t *check, const ap_directive_t *at,
                     const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    nanomdm_findings_add(check->findings, APLOG_ERR, at,
                         apr_pvsprintf(check->pool, fmt, args));
    va_end(args);
}

/* ---- Judging: the database ---- */

static int max_threads(void)
{
    int threads = 0;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    return threads;
}

/* What DBDParams has to contain for a driver to survive a lost connection. */
static void check_params(check_t *check, const nanomdm_tree_site_t *site,
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
    const char *params = nanomdm_tree_first_word(check->pool, site->params);
    apr_size_t i;

    for (i = 0; i < sizeof(NEEDS) / sizeof(*NEEDS); i++) {
        if (!strcmp(driver, NEEDS[i].driver)
            && !strstr(params, NEEDS[i].needs)) {
            complain(check, site->params, NMDMNO(0001)
                     "DBDParams lacks %s, %s; write: DBDParams \"...%s%s%s\"",
                     NEEDS[i].needs, NEEDS[i].why,
                     *driver == 'm' ? "," : " ", NEEDS[i].needs,
                     *driver == 'p' ? "2" : "");
        }
    }
}

static void check_pool(check_t *check, const nanomdm_tree_site_t *site)
{
    int needed = max_threads() + OWN_THREADS;
    int max = site->max ? atoi(nanomdm_tree_first_word(check->pool, site->max))
                        : DEFAULT_DBD_MAX;

    nanomdm_server(site->server)->pool_size = max;
    if (max >= needed) {
        return;
    }
    if (site->max) {
        complain(check, site->max, NMDMNO(0002)
                 "DBDMax %d is less than the threads of a child plus %d, so"
                 " requests could wait for a connection without end; write:"
                 " DBDMin %d, DBDKeep %d, DBDMax %d", max, OWN_THREADS,
                 needed, needed, needed);
        return;
    }
    nanomdm_findings_add(
        check->findings, APLOG_NOTICE, NULL, apr_psprintf(
            check->pool, NMDMNO(0003) "DBDMax is not set, so %d connections"
            " serve %d threads; better write: DBDMin %d, DBDKeep %d, DBDMax"
            " %d", max, needed, needed, needed, needed));
}

static void check_database(check_t *check, const nanomdm_tree_site_t *site)
{
    const char *driver;

    if (!site->driver) {
        complain(check, site->any_use, NMDMNO(0004)
                 "DBDriver is missing for %s %s; write: DBDriver sqlite3,"
                 " and DBDParams with the path of a database file, or take"
                 " pgsql or mysql", site->any_use->directive,
                 site->any_use->args);
        return;
    }
    driver = nanomdm_tree_first_word(check->pool, site->driver);
    if (!nmdm_dialect_of(driver)) {
        complain(check, site->driver, NMDMNO(0005)
                 "DBDriver \"%s\" is not supported; write: DBDriver sqlite3,"
                 " pgsql or mysql", driver);
        return;
    }
    if (!site->params) {
        complain(check, site->driver, NMDMNO(0006)
                 "DBDParams is missing; name the database");
        return;
    }
    check_params(check, site, driver);
    if (site->persist
        && !strcasecmp(nanomdm_tree_first_word(check->pool, site->persist),
                       "off")) {
        complain(check, site->persist, NMDMNO(0007)
                 "DBDPersist Off makes a connection for each request; write:"
                 " DBDPersist On");
    }
    check_pool(check, site);
    nanomdm_server(site->server)->driver = apr_pstrdup(check->pconf, driver);
    nanomdm_server(site->server)->params
        = apr_pstrdup(
            check->pconf, nanomdm_tree_first_word(check->pool, site->params));
    nanomdm_server(site->server)->params_at = apr_psprintf(
        check->pconf, "%s:%d", site->params->filename, site->params->line_num);
    nanomdm_server(site->server)->database
        = apr_pstrcat(check->pconf, driver, " ",
                      nanomdm_tree_first_word(check->pool, site->params),
                      NULL);
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
static void check_trusted_proxies(check_t *check,
                                  const nanomdm_tree_site_t *site)
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
            complain(check, site->any_use, NMDMNO(0008)
                     "NanoMDMIdentity header:%s trusts no peer without"
                     " NanoMDMTrustedProxy; write: NanoMDMTrustedProxy and the"
                     " proxy's address", header);
            return;
        }
        if (header && site->proxy_protocol
            && strcasecmp(site->proxy_protocol->args, "Off")) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0,
                         site->server, NMDMNO(0031)
                         "RemoteIPProxyProtocol does not change what"
                         " NanoMDMTrustedProxy is compared with: the peer of"
                         " the TCP connection, which is the same for all"
                         " clients of a load balancer that passes connections"
                         " on. Name only a proxy there that sets %s itself",
                         header);
            return;
        }
    }
}

static void check_identities(check_t *check, const nanomdm_tree_site_t *site)
{
    const char *verify = site->verify_client
        ? nanomdm_tree_first_word(check->pool, site->verify_client)
        : "none";

    if (!nanomdm_server_defaults(site->server)->ca_file) {
        complain(check, site->identity_use, NMDMNO(0009)
                 "NanoMDMCACertificateFile is missing for %s %s;"
                 " write: NanoMDMCACertificateFile and the path of the PEM"
                 " file with the CA of the devices",
                 site->identity_use->directive, site->identity_use->args);
    }
    if (site->bad_verify) {
        complain(check, site->bad_verify, NMDMNO(0010)
                 "SSLVerifyClient %s in the section of a device handler asks"
                 " for the certificate too late for most devices; write in"
                 " the virtual host: SSLVerifyClient optional_no_ca",
                 site->bad_verify->args);
    } else if (site->ssl_engine && !site->takes_other_identities
               && !strcasecmp(nanomdm_tree_first_word(check->pool,
                                                      site->ssl_engine),
                              "on")
               && !strcasecmp(verify, "none")) {
        complain(check, site->identity_use, NMDMNO(0011)
                 "SSLVerifyClient %s never asks for a certificate, and"
                 " NanoMDMIdentity takes it from tls only; write in the"
                 " virtual host: SSLVerifyClient optional_no_ca", verify);
    }
}

/* A leaf that is listed is trusted itself, which may be meant. */
static void warn_of_leaves(check_t *check, const char *directive,
                           const char *file)
{
    int count;

    if (!nmdm_trust_count_cas(&count, check->pool, file) && !count) {
        nanomdm_findings_add(
            check->findings, APLOG_WARNING, NULL, apr_psprintf(
                check->pool, NMDMNO(0046) "%s \"%s\" holds no CA certificate:"
                " what a CA issued to devices is not trusted; write: %s and"
                " the path of the PEM file with the certificate of the CA"
                " (basicConstraints CA:TRUE)", directive, file, directive));
    }
}

/* Trust is made here because it takes both files. */
static void make_trust(check_t *check, const nanomdm_tree_site_t *site)
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
        complain(check, NULL, NMDMNO(0012)
                 "NanoMDMCACertificateFile \"%s\": %s", conf->ca_file,
                 nmdm_err_text(err));
        return;
    }
    warn_of_leaves(check, "NanoMDMCACertificateFile", conf->ca_file);
    if (conf->intermediate_file) {
        warn_of_leaves(check, "NanoMDMIntermediateCertificateFile",
                       conf->intermediate_file);
    }
}

/* ---- Judging: webhooks ---- */

static void check_webhooks(check_t *check, const nanomdm_tree_site_t *site)
{
    apr_array_header_t *all;
    const char *problem = nanomdm_all_webhooks(&all, check->pool,
                                               site->server);

    if (problem) {
        complain(check, site->any_use, NMDMNO(0015)
                 "NanoMDMWebhookDelivery durable: %s", problem);
    }
}

/* ---- Judging: SCEP ---- */

static void check_scep(check_t *check, const nanomdm_tree_site_t *site)
{
    nanomdm_server_t *server = nanomdm_server(site->server);
    const char *flaw;
    int i;

    if (!site->scep_uses->nelts) {
        return;
    }
    flaw = nanomdm_scep_read_keys(&server->scep_keys, check->pconf,
                                  check->pool,
                                  nanomdm_server_defaults(site->server));
    if (flaw) {
        complain(check, APR_ARRAY_IDX(site->scep_uses, 0,
                                      const ap_directive_t *),
                 NMDMNO(0020) "%s", flaw);
    }
    for (i = 0; i < site->scep_uses->nelts; i++) {
        const ap_directive_t *use = APR_ARRAY_IDX(site->scep_uses, i,
                                                  const ap_directive_t *);

        flaw = nanomdm_scep_check_location(
            server->scep_keys, check->pconf,
            nanomdm_tree_section_conf(check->pool, check->pool, site->server,
                                      use), nanomdm_tree_is_protected(use));
        if (flaw) {
            complain(check, use, NMDMNO(0021) "%s", flaw);
        }
    }
}

/* ---- Judging: enrollment ---- */

static void say_of_enrollment(void *baton, const ap_directive_t *at,
                              int is_wrong, const char *text)
{
    check_t *check = baton;

    if (is_wrong) {
        complain(check, at, NMDMNO(0034) "%s", text);
        return;
    }
    nanomdm_findings_add(check->findings, APLOG_WARNING, at, apr_pstrcat(
        check->pool, NMDMNO(0035), text, NULL));
}

static void check_enrollment(check_t *check, const nanomdm_tree_site_t *site)
{
    nanomdm_enroll_check(check->pconf, check->pool, site, say_of_enrollment,
                         check);
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
            complain(check, NULL, NMDMNO(0016)
                     "NanoMDMStorageKey differs from that of %s:%u, which has"
                     " the same database; write it once, outside of the"
                     " virtual hosts", other->server_hostname
                         ? other->server_hostname : "-",
                     other->addrs ? other->addrs->host_port : other->port);
        }
    }
}

/* ---- Judging: all of it ---- */

static void judge(check_t *check, const nanomdm_tree_site_t *site)
{
    if (!site->server || !site->any_use) {
        return;
    }
    nanomdm_server(site->server)->uses_database = 1;
    nanomdm_server(site->server)->serves_api = site->serves_api;
    nanomdm_server(site->server)->serves_status = site->serves_status;
    nanomdm_server(site->server)->api_path = site->api_path;
    nanomdm_server(site->server)->has_declarations = site->has_declarations
        || nanomdm_server_defaults(site->server)->dm_mode
               == NANOMDM_DECLARATIVE_BUILTIN;
    nanomdm_server(site->server)->exact_paths = site->has_other_paths
        ? NULL : apr_array_copy(check->pconf, site->exact_paths);
    check_database(check, site);
    check_trusted_proxies(check, site);
    if (site->identity_use) {
        check_identities(check, site);
    }
    if (site->provider
        && !nanomdm_server_defaults(site->server)->api_key.value) {
        complain(check, site->provider, NMDMNO(0013)
                 "AuthBasicProvider nanomdm knows no password without"
                 " NanoMDMAPIKey; write: NanoMDMAPIKey file:PATH");
    }
    check_webhooks(check, site);
    check_scep(check, site);
    check_enrollment(check, site);
    nanomdm_renewal_check(check->findings, check->pool, site);
    make_trust(check, site);
}

static void check_mpm(check_t *check, const nanomdm_tree_t *tree)
{
    int threaded = AP_MPMQ_NOT_SUPPORTED;

    ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded);
    if (threaded == AP_MPMQ_NOT_SUPPORTED && tree->found_any) {
        complain(check, NULL, NMDMNO(0014)
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
    nanomdm_findings_t findings;
    check_t check = { .pool = ptemp, .pconf = pconf, .main_server = s,
                      .findings = &findings };
    nanomdm_tree_t tree;
    int i;

    (void)plog;
    nanomdm_findings_init(&findings, ptemp);
    nanomdm_config_read(pconf, s);
    nanomdm_tree_read(&tree, pconf, ptemp, s);
    for (i = 0; i < tree.sites->nelts; i++) {
        judge(&check, APR_ARRAY_IDX(tree.sites, i, nanomdm_tree_site_t *));
    }
    check_storage_keys(&check);
    check_mpm(&check, &tree);
    nanomdm_check_mistakes(&findings, ap_conftree);
    nanomdm_check_effects(&findings, ap_conftree);
    nanomdm_check_httpd(&findings, ap_conftree);
    nanomdm_findings_log(&findings, s);
    return findings.errors ? HTTP_INTERNAL_SERVER_ERROR : OK;
}
