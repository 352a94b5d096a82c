/* SPDX-License-Identifier: Apache-2.0 */
/* enroll_check.c -- what of a server's configuration goes into enrollment
 * profiles, and what of it contradicts itself. */

#include "config/enroll.h"
#include "base/time.h"
#include "config/scep.h"

#include <apr_strings.h>
#include <http_core.h>

#include <string.h>

/* Before its end something should be done about a certificate. */
#define WARN_BEFORE apr_time_from_sec(30 * 86400)

typedef struct {
    apr_pool_t *pconf, *pool;
    const nanomdm_tree_site_t *tree;
    nanomdm_enroll_site_t *site;
    nanomdm_enroll_say_fn say;
    void *baton;
} look_t;

static void say(const look_t *look, const ap_directive_t *at, int is_wrong,
                const char *text)
{
    look->say(look->baton, at, is_wrong, text);
}

/* ---- The name of the server ---- */

/* A port of 80 is that of a server whose TLS ends elsewhere; so is that of one
 * whose ServerName begins with https:// and has no port. */
static int port_of(const server_rec *s)
{
    if (s->port) {
        return s->port;
    }
    if (s->server_scheme && !strcmp(s->server_scheme, "https")) {
        return 443;
    }
    return s->addrs && s->addrs->host_port ? s->addrs->host_port : 443;
}

static const char *base_url_of(apr_pool_t *p, const server_rec *s)
{
    int port = port_of(s);

    return !s->server_hostname ? NULL
        : port == 443 || port == 80
            ? apr_pstrcat(p, "https://", s->server_hostname, NULL)
        : apr_psprintf(p, "https://%s:%d", s->server_hostname, port);
}

/* mdm.example.com: com.example.mdm.mdm */
static const char *reversed(apr_pool_t *p, const char *host)
{
    char *rest = apr_pstrdup(p, host), *dot;
    const char *text = "";

    while ((dot = strrchr(rest, '.')) != NULL) {
        text = apr_pstrcat(p, text, dot + 1, ".", NULL);
        *dot = '\0';
    }
    return apr_pstrcat(p, text, rest, ".mdm", NULL);
}

/* ---- Locations ---- */

static int takes_signatures(const nanomdm_conf_t *conf)
{
    int i;

    for (i = 0; i < conf->identity->nelts; i++) {
        if (APR_ARRAY_IDX(conf->identity, i, nanomdm_source_t).from
                == NANOMDM_FROM_SIGNATURE) {
            return 1;
        }
    }
    return 0;
}

static const nanomdm_conf_t *conf_of(const look_t *look,
                                     const ap_directive_t *handler)
{
    return nanomdm_tree_section_conf(look->pconf, look->pool,
                                     look->tree->server, handler);
}

static void find_devices(look_t *look)
{
    nanomdm_enroll_site_t *site = look->site;
    int i;

    site->devices = apr_array_make(look->pconf, 2,
                                   sizeof(nanomdm_device_location_t));
    for (i = 0; i < look->tree->device_uses->nelts; i++) {
        const ap_directive_t *use = APR_ARRAY_IDX(
            look->tree->device_uses, i, const ap_directive_t *);
        const char *path = nanomdm_tree_location(look->pconf, use->parent);
        const nanomdm_conf_t *conf = conf_of(look, use);

        if (path) {
            APR_ARRAY_PUSH(site->devices, nanomdm_device_location_t)
                = (nanomdm_device_location_t){
                    path, apr_pstrdup(look->pconf, nanomdm_tree_first_word(
                                                       look->pool, use)),
                    takes_signatures(conf), conf->policy.tokens != NULL };
        }
    }
}

/* The only one with a handler, or NULL; *n is how many there are. */
static const nanomdm_device_location_t *only_one(
    const nanomdm_enroll_site_t *site, const char *handler, int *n)
{
    const nanomdm_device_location_t *found = NULL;
    int i;

    *n = 0;
    for (i = 0; i < site->devices->nelts; i++) {
        const nanomdm_device_location_t *at = &APR_ARRAY_IDX(
            site->devices, i, nanomdm_device_location_t);

        if (!strcmp(at->handler, handler)) {
            found = at;
            (*n)++;
        }
    }
    return *n == 1 ? found : NULL;
}

static void choose_devices(look_t *look)
{
    nanomdm_enroll_site_t *site = look->site;
    int n, commands;

    site->mdm = only_one(site, "nanomdm", &n);
    if (!n) {
        site->mdm = only_one(site, "nanomdm-command", &commands);
    }
    site->checkin = only_one(site, "nanomdm-checkin", &n);
}

static void find_scep(look_t *look)
{
    const apr_array_header_t *uses = look->tree->scep_uses;
    const ap_directive_t *use = uses->nelts
        ? APR_ARRAY_IDX(uses, 0, const ap_directive_t *) : NULL;

    look->site->serves_scep = use != NULL;
    if (use) {
        look->site->scep = conf_of(look, use);
    }
    if (uses->nelts == 1) {
        look->site->scep_path = nanomdm_tree_location(look->pconf,
                                                      use->parent);
    }
}

/* ---- One Location of the handler ---- */

static void check_url(const look_t *look, const ap_directive_t *use,
                      const nanomdm_conf_t *conf)
{
    if (look->tree->verify_client
        && !strcasecmp(nanomdm_tree_first_word(look->pool,
                                               look->tree->verify_client),
                       "require")) {
        say(look, use, 1, "SSLVerifyClient require keeps out devices that have"
            " no certificate yet, and so cannot fetch a profile; write in the"
            " virtual host: SSLVerifyClient optional_no_ca");
    }
    if (!look->site->base_url) {
        say(look, use, 1, "the name of this server is not known; write"
                          " ServerName and its public name");
    }
    else if (!look->site->mdm && !conf->enroll_server_url
             && !conf->enroll_template) {
        say(look, use, 1, "nanomdm-enroll needs to know where devices check"
            " in, and this server has none or several Locations with"
            " SetHandler nanomdm; write NanoMDMEnrollServerURL and the URL of"
            " one");
    }
    if (!look->site->scep_path && !conf->enroll_template) {
        say(look, use, 1, "nanomdm-enroll needs to know where devices get"
            " their identity, and this server has none or several Locations"
            " with SetHandler nanomdm-scep; leave one, or write the URL of"
            " SCEP into the file of NanoMDMEnrollTemplate");
    }
}

static void check_admission(const look_t *look, const ap_directive_t *use,
                            const nanomdm_conf_t *conf)
{
    const nanomdm_scep_challenge_t *challenge = look->site->scep
        ? look->site->scep->scep_challenge : NULL;

    if (conf->enroll_require & NMDM_ENROLL_MACHINE_INFO
        && !look->site->device_cas) {
        say(look, use, 1, "NanoMDMEnrollRequire machineinfo cannot verify what"
            " devices send without NanoMDMEnrollDeviceCA; write"
            " NanoMDMEnrollDeviceCA and the path of the PEM file with Apple's"
            " CAs of devices");
    }
    else if ((conf->enroll_minimum || conf->enroll_sso)
             && !look->site->device_cas) {
        say(look, use, 1, "NanoMDMEnrollMinimumOS and NanoMDMEnrollPlatformSSO"
            " judge what devices say of themselves, which cannot be verified"
            " without NanoMDMEnrollDeviceCA; write NanoMDMEnrollDeviceCA and"
            " the path of the PEM file with Apple's CAs of devices");
    }
    if (conf->enroll_open) {
        say(look, use, 0, challenge && challenge->how == NMDM_SCEP_STATIC
            ? "NanoMDMEnrollOpen On gives any visitor the password of"
              " NanoMDMSCEPChallenge static, which enrolls devices until it is"
              " changed; write: NanoMDMEnrollOpen Off, or:"
              " NanoMDMSCEPChallenge once"
            : "NanoMDMEnrollOpen On gives any visitor a profile, and so the"
              " identity of a device; write NanoMDMEnrollOpen Off unless this"
              " is a test");
    }
    if (conf->enroll_require == NMDM_ENROLL_USER && !conf->enroll_open
        && !nanomdm_tree_is_protected(use)) {
        say(look, use, 0, "NanoMDMEnrollRequire user gives nobody a profile"
            " where no Require of the same section asks for a user; write"
            " AuthType and Require, or: NanoMDMEnrollRequire user link");
    }
}

static void check_signer(const look_t *look, const ap_directive_t *use,
                         const nanomdm_conf_t *conf)
{
    apr_time_t ends;

    if (!conf->enroll_signer) {
        return;
    }
    ends = nmdm_cms_sign_ends(conf->enroll_signer->signer);
    if (ends - WARN_BEFORE < apr_time_now()) {
        say(look, use, 0, apr_psprintf(
            look->pool, "the certificate of NanoMDMEnrollSigner %s on %s;"
            " renew it and restart gracefully, or devices call profiles"
            " unverified", ends < apr_time_now() ? "ended" : "ends",
            nmdm_time_rfc3339(look->pool, ends)));
    }
}

static void check_location(look_t *look, const ap_directive_t *use)
{
    const nanomdm_conf_t *conf = conf_of(look, use);
    const char *path = nanomdm_tree_location(look->pconf, use->parent);
    nmdm_enroll_conf_t enroll;
    const char *flaw;

    if (!path) {
        say(look, use, 1, "SetHandler nanomdm-enroll has to be in a <Location>"
            " with a path and no pattern: links are made of it");
        return;
    }
    check_url(look, use, conf);
    check_admission(look, use, conf);
    check_signer(look, use, conf);
    nanomdm_enroll_conf(&enroll, look->pconf, conf, look->site);
    flaw = !look->site->base_url ? NULL
        : nmdm_enroll_flaw(look->pool, enroll.profile);
    if (flaw && (conf->enroll_template
                 || (enroll.profile->server_url
                     && enroll.profile->scep_url))) {
        say(look, use, 1, apr_pstrcat(
            look->pool, "no enrollment profile can be made: ", flaw, NULL));
    }
    APR_ARRAY_PUSH(look->site->profiles, const nmdm_profile_conf_t *)
        = enroll.profile;
    if (!look->site->link_url && conf->enroll_require & NMDM_ENROLL_LINK
        && look->site->base_url) {
        look->site->link_url = apr_pstrcat(look->pconf, look->site->base_url,
                                           path, NULL);
    }
}

/* ---- All of it ---- */

static void read_device_cas(look_t *look, const ap_directive_t *use)
{
    const char *pem
        = nanomdm_server_defaults(look->tree->server)->enroll_device_ca.value;
    nmdm_err_t *err = pem ? nmdm_device_cms_read_cas(&look->site->device_cas,
                                                     look->pconf, pem) : NULL;

    if (err) {
        say(look, use, 1, apr_pstrcat(look->pool, "NanoMDMEnrollDeviceCA: ",
                                      nmdm_err_text(err), NULL));
    }
}

void nanomdm_enroll_check(apr_pool_t *pconf, apr_pool_t *ptemp,
                          const nanomdm_tree_site_t *tree,
                          nanomdm_enroll_say_fn say_it, void *baton)
{
    const apr_array_header_t *uses = tree->enroll_uses;
    look_t look = { .pconf = pconf, .pool = ptemp, .tree = tree,
                    .say = say_it, .baton = baton };
    int i;

    if (!uses->nelts) {
        return;
    }
    look.site = apr_pcalloc(pconf, sizeof(*look.site));
    look.site->profiles = apr_array_make(pconf, 1, sizeof(void *));
    look.site->base_url = base_url_of(pconf, tree->server);
    look.site->identifier = tree->server->server_hostname
        ? reversed(pconf, tree->server->server_hostname) : "mdm";
    nanomdm_server(tree->server)->enroll = look.site;
    find_devices(&look);
    choose_devices(&look);
    find_scep(&look);
    read_device_cas(&look, APR_ARRAY_IDX(uses, 0, const ap_directive_t *));
    for (i = 0; i < uses->nelts; i++) {
        check_location(&look, APR_ARRAY_IDX(uses, i, const ap_directive_t *));
    }
}
