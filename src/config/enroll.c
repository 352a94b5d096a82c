/* SPDX-License-Identifier: Apache-2.0 */
/* config/enroll.c -- NanoMDMEnroll...: setters, and what of a configuration
 * goes into a profile. */

#include "config/enroll.h"
#include "config/check_mistakes.h"
#include "config/parse.h"
#include "config/scep.h"
#include "crypto/x509.h"
#include "scep/scep.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* No template is nearly as large; nor are certificates. */
#define MOST_FILE 1048576

/* Characters of an identifier, a topic or a name of an organization. */
#define MOST_TEXT 128
#define MOST_URL 512

/* ---- Files ---- */

static const char *read_file(cmd_parms *cmd, nanomdm_enroll_file_t **slot,
                             const char *path)
{
    nanomdm_enroll_file_t *file = apr_pcalloc(cmd->pool, sizeof(*file));
    const char *problem;
    char *text;

    file->path = ap_server_root_relative(cmd->pool, path);
    problem = nanomdm_read_file(cmd, &text, &file->text.len, path, path,
                                MOST_FILE);
    file->text.data = text;
    *slot = file;
    return problem ? problem
        : file->text.len == MOST_FILE
            ? nanomdm_wrong(cmd, path, "larger than 1 MiB")
        : !file->text.len ? nanomdm_wrong(cmd, path, "the file is empty")
        : NULL;
}

const char *nanomdm_set_enroll_template(cmd_parms *cmd, void *conf,
                                        const char *path)
{
    return read_file(cmd, &((nanomdm_conf_t *)conf)->enroll_template, path);
}

/* The certificates of PEM text, which has no NUL. */
static void read_certs(apr_pool_t *p, apr_array_header_t *certs,
                       const char *text)
{
    static const char BEGIN[] = "-----BEGIN CERTIFICATE-----";
    const char *at = text;

    while ((at = strstr(at, BEGIN)) != NULL) {
        nmdm_bytes_t der;

        if (nmdm_x509_der(&der, p, at)) {
            APR_ARRAY_PUSH(certs, nmdm_bytes_t) = der;
        }
        at += sizeof(BEGIN) - 1;
    }
}

const char *nanomdm_set_enroll_anchors(cmd_parms *cmd, void *conf,
                                       const char *path)
{
    nanomdm_enroll_file_t **slot = &((nanomdm_conf_t *)conf)->enroll_anchors;
    const char *problem = read_file(cmd, slot, path);

    if (problem) {
        return problem;
    }
    (*slot)->certs = apr_array_make(cmd->pool, 2, sizeof(nmdm_bytes_t));
    read_certs(cmd->pool, (*slot)->certs, (*slot)->text.data);
    return (*slot)->certs->nelts ? NULL
        : nanomdm_wrong(cmd, path, "no certificate in PEM; name the file with"
                                   " the CA of this server's certificate");
}

const char *nanomdm_set_enroll_signer(cmd_parms *cmd, void *conf,
                                      const char *path)
{
    nanomdm_enroll_file_t **slot = &((nanomdm_conf_t *)conf)->enroll_signer;
    const char *problem = read_file(cmd, slot, path);
    nmdm_err_t *err;

    if (problem) {
        return problem;
    }
    problem = nanomdm_flaw_of_key_mode(cmd->pool, (*slot)->path);
    if (problem) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, " ", problem, NULL);
    }
    err = nmdm_cms_sign_read(&(*slot)->signer, cmd->pool, (*slot)->text);
    return err ? nanomdm_wrong(cmd, path, nmdm_err_text(err)) : NULL;
}

const char *nanomdm_show_enroll_file(apr_pool_t *p, const nanomdm_conf_t *conf,
                                     const nanomdm_row_t *row)
{
    const nanomdm_enroll_file_t *file
        = *(nanomdm_enroll_file_t *const *)(const void *)(
            (const char *)conf + row->member);

    (void)p;
    return file ? file->path : NULL;
}

const char *nanomdm_set_enroll_device_ca(cmd_parms *cmd, void *conf,
                                         const char *path)
{
    return nanomdm_read_certificates(
        cmd, &((nanomdm_conf_t *)conf)->enroll_device_ca, path,
        "no CA of devices");
}

/* ---- Texts ---- */

static int is_printable(const char *text, apr_size_t most)
{
    const char *c;

    for (c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return 0;
        }
    }
    return c != text && nmdm_utf8_valid(text, strlen(text))
        && nmdm_utf8_length(text) <= most;
}

static const char *set_name(cmd_parms *cmd, const char **slot,
                            const char *word)
{
    if (!is_printable(word, MOST_TEXT) || strpbrk(word, " \t")) {
        return nanomdm_wrong(cmd, word, "write a name such as com.example.mdm,"
                                        " without blanks, of up to 128"
                                        " characters");
    }
    *slot = word;
    return NULL;
}

const char *nanomdm_set_enroll_identifier(cmd_parms *cmd, void *conf,
                                          const char *word)
{
    return set_name(cmd, &((nanomdm_conf_t *)conf)->enroll_identifier, word);
}

const char *nanomdm_set_enroll_topic(cmd_parms *cmd, void *conf,
                                     const char *word)
{
    return set_name(cmd, &((nanomdm_conf_t *)conf)->enroll_topic, word);
}

const char *nanomdm_set_enroll_organization(cmd_parms *cmd, void *conf,
                                            const char *word)
{
    if (!is_printable(word, MOST_TEXT)) {
        return nanomdm_wrong(cmd, word, "write a name of up to 128 characters"
                                        " in UTF-8");
    }
    ((nanomdm_conf_t *)conf)->enroll_organization = word;
    return NULL;
}

static int is_https_url(cmd_parms *cmd, const char *url)
{
    const char *set = NULL;

    return strlen(url) <= MOST_URL && !strncasecmp(url, "https://", 8)
        && !nanomdm_set_url(cmd, &set, url);
}

const char *nanomdm_set_enroll_url(cmd_parms *cmd, void *conf,
                                   const char *url)
{
    if (!is_https_url(cmd, url)) {
        return nanomdm_wrong(cmd, url, "devices take no other than https;"
                                       " write https://HOST/PATH of the"
                                       " Location with SetHandler nanomdm");
    }
    ((nanomdm_conf_t *)conf)->enroll_server_url = url;
    return NULL;
}

/* ---- Who ---- */

static const struct {
    const char *word;
    nmdm_enroll_by_e by;
} REQUIRES[] = {
    { "user", NMDM_ENROLL_USER }, { "link", NMDM_ENROLL_LINK },
    { "machineinfo", NMDM_ENROLL_MACHINE_INFO }, { NULL, 0 }
};

const char *nanomdm_set_enroll_require(cmd_parms *cmd, void *conf, int argc,
                                       char *const argv[])
{
    int *required = &((nanomdm_conf_t *)conf)->enroll_require;
    int i, n;

    *required = 0;
    for (i = 0; i < argc; i++) {
        for (n = 0; REQUIRES[n].word && strcasecmp(REQUIRES[n].word, argv[i]);
             n++) {
            continue;
        }
        if (!REQUIRES[n].word) {
            return nanomdm_wrong(cmd, argv[i], "write user, link or"
                                               " machineinfo, or several");
        }
        *required |= (int)REQUIRES[n].by;
    }
    return argc ? NULL : nanomdm_wrong(cmd, "", "write user, link or"
                                                " machineinfo, or several");
}

const char *nanomdm_show_enroll_require(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row)
{
    const char *text = "";
    int n;

    (void)row;
    for (n = 0; REQUIRES[n].word; n++) {
        if (conf->enroll_require & (int)REQUIRES[n].by) {
            text = apr_pstrcat(p, text, *text ? " " : "", REQUIRES[n].word,
                               NULL);
        }
    }
    return text;
}

/* ---- Gates ---- */

/* Which text begins with a word, or NULL. */
static const char **text_of(nmdm_gate_texts_t *texts, const char *word)
{
    return !strncmp(word, "description=", 12) ? &texts->description
        : !strncmp(word, "message=", 8) ? &texts->message : NULL;
}

/* TEXT or "TEXT", of which httpd has made words; *i is its first, and then its
 * last. */
static const char *text_at(apr_pool_t *p, int *i, int argc, char *const argv[])
{
    const char *plain = strchr(argv[*i], '=') + 1, *text = plain + 1;
    int is_quoted = *plain == '"' || *plain == '\'', last = *i;

    for (; is_quoted && last < argc; last++) {
        text = last == *i ? text
            : apr_pstrcat(p, text, " ", argv[last], NULL);
        if (*text && text[strlen(text) - 1] == *plain) {
            *i = last;
            return apr_pstrmemdup(p, text, strlen(text) - 1);
        }
    }
    return plain;
}

/* Takes description=TEXT and message=TEXT off the end of what was written;
 * *argc is what is left. */
static const char *take_texts(cmd_parms *cmd, nmdm_gate_texts_t *texts,
                              int *argc, char *const argv[])
{
    const char **slot, *word;
    int i, end = *argc;

    for (i = 0; i < end && !text_of(texts, argv[i]); i++) {
        continue;
    }
    for (*argc = i; i < end; i++) {
        word = argv[i];
        slot = text_of(texts, word);
        if (!slot) {
            return nanomdm_wrong(cmd, word, "what has blanks is written in"
                                            " quotes, such as message=\"Update"
                                            " first\"");
        }
        *slot = text_at(cmd->pool, &i, end, argv);
        if (!is_printable(*slot, 1024)) {
            return nanomdm_wrong(cmd, word, "write a text in UTF-8 of up to"
                                            " 1024 characters");
        }
    }
    return NULL;
}

const char *nanomdm_add_enroll_minimum(cmd_parms *cmd, void *conf_, int argc,
                                       char *const argv[])
{
    nanomdm_conf_t *conf = conf_;
    nmdm_minimum_os_t *minimum = apr_pcalloc(cmd->pool, sizeof(*minimum));
    const char *problem = take_texts(cmd, &minimum->texts, &argc, argv);
    const char *family;

    if (problem) {
        return problem;
    }
    if (argc < 2 || argc > 3) {
        return nanomdm_wrong(cmd, argc ? argv[0] : "", "write FAMILY VERSION,"
                             " and perhaps a build, such as Mac 26.1 25B78");
    }
    family = nmdm_machine_info_family_named(argv[0]);
    if (!family) {
        return nanomdm_wrong(cmd, argv[0], "no family; write iPhone, iPad,"
                             " Mac, AppleTV, RealityDevice or Watch");
    }
    if (!nmdm_machine_info_is_version(argv[1])
        || (argc == 3 && !is_printable(argv[2], MOST_TEXT))) {
        return nanomdm_wrong(cmd, argv[1], "no version; write one such as 26.1"
                                           " or 16.5.1(c)");
    }
    minimum->version = argv[1];
    minimum->build = argc == 3 ? argv[2] : NULL;
    if (!conf->enroll_minimum) {
        conf->enroll_minimum = apr_hash_make(cmd->pool);
    }
    apr_hash_set(conf->enroll_minimum, family, APR_HASH_KEY_STRING, minimum);
    return NULL;
}

const char *nanomdm_show_enroll_minimum(apr_pool_t *p,
                                        const nanomdm_conf_t *conf,
                                        const nanomdm_row_t *row)
{
    static const char *const ORDER[] = { "iPhone", "iPad", "Mac", "AppleTV",
                                         "RealityDevice", "Watch", NULL };
    const char *text = NULL;
    int i;

    (void)row;
    for (i = 0; conf->enroll_minimum && ORDER[i]; i++) {
        const nmdm_minimum_os_t *minimum = apr_hash_get(
            conf->enroll_minimum, ORDER[i], APR_HASH_KEY_STRING);

        if (minimum) {
            text = apr_pstrcat(p, text ? text : "", text ? "\n" : "", ORDER[i],
                               " ", minimum->version,
                               minimum->build ? " " : "", minimum->build,
                               NULL);
        }
    }
    return text;
}

const char *nanomdm_set_enroll_if(cmd_parms *cmd, void *conf, int argc,
                                  char *const argv[])
{
    nanomdm_enroll_if_t *gate = apr_pcalloc(cmd->pool, sizeof(*gate));
    const char *problem = take_texts(cmd, &gate->texts, &argc, argv);

    if (problem || argc != 1) {
        return problem ? problem
            : nanomdm_wrong(cmd, argc ? argv[0] : "",
                            "write one expression in quotes");
    }
    gate->text = argv[0];
    gate->expr = ap_expr_parse_cmd(cmd, gate->text, 0, &problem, NULL);
    ((nanomdm_conf_t *)conf)->enroll_if = gate;
    return problem ? nanomdm_wrong(cmd, gate->text, problem) : NULL;
}

const char *nanomdm_show_enroll_if(apr_pool_t *p, const nanomdm_conf_t *conf,
                                   const nanomdm_row_t *row)
{
    (void)p;
    (void)row;
    return conf->enroll_if ? conf->enroll_if->text : NULL;
}

const char *nanomdm_set_enroll_sso(cmd_parms *cmd, void *conf, int argc,
                                   char *const argv[])
{
    nmdm_platform_sso_t *sso = apr_pcalloc(cmd->pool, sizeof(*sso));
    const char *problem = take_texts(cmd, &sso->texts, &argc, argv);
    int i;

    if (problem || argc != 3) {
        return problem ? problem
            : nanomdm_wrong(cmd, argc ? argv[0] : "",
                            "write PROFILEURL MANIFESTURL AUTHURL");
    }
    for (i = 0; i < argc; i++) {
        if (!is_https_url(cmd, argv[i])) {
            return nanomdm_wrong(cmd, argv[i], "write an https URL");
        }
    }
    sso->profile_url = argv[0];
    sso->manifest_url = argv[1];
    sso->auth_url = argv[2];
    ((nanomdm_conf_t *)conf)->enroll_sso = sso;
    return NULL;
}

const char *nanomdm_show_enroll_sso(apr_pool_t *p, const nanomdm_conf_t *conf,
                                    const nanomdm_row_t *row)
{
    const nmdm_platform_sso_t *sso = conf->enroll_sso;

    (void)row;
    return sso ? apr_pstrcat(p, sso->profile_url, " ", sso->manifest_url, " ",
                             sso->auth_url, NULL) : NULL;
}

/* ---- What goes into a profile ---- */

/* The path of an URL of ours, or NULL. */
static const char *path_below(const char *base_url, const char *url)
{
    apr_size_t len = base_url ? strlen(base_url) : 0;

    return len && !strncasecmp(url, base_url, len) ? url + len : NULL;
}

/* The Location that serves devices with an URL; without the directive the only
 * one. */
static const nanomdm_device_location_t *location_of(
    const nanomdm_enroll_site_t *site, const char *server_url)
{
    const char *path;
    int i;

    if (!server_url) {
        return site->mdm;
    }
    path = path_below(site->base_url, server_url);
    for (i = 0; path && i < site->devices->nelts; i++) {
        const nanomdm_device_location_t *at = &APR_ARRAY_IDX(
            site->devices, i, nanomdm_device_location_t);

        if (!strcmp(at->path, path)) {
            return at;
        }
    }
    return NULL;
}

static const char *url_of(apr_pool_t *p, const nanomdm_enroll_site_t *site,
                          const char *path)
{
    return path && site->base_url ? apr_pstrcat(p, site->base_url, path, NULL)
                                  : NULL;
}

static nmdm_profile_conf_t *profile_conf(apr_pool_t *p,
                                         const nanomdm_conf_t *conf,
                                         const nanomdm_enroll_site_t *site)
{
    nmdm_profile_conf_t *profile = apr_pcalloc(p, sizeof(*profile));
    const nanomdm_device_location_t *at = location_of(
        site, conf->enroll_server_url);

    profile->template_list = conf->enroll_template
        ? conf->enroll_template->text : (nmdm_bytes_t){ "", 0 };
    profile->identifier = conf->enroll_identifier ? conf->enroll_identifier
                                                  : site->identifier;
    profile->organization = conf->enroll_organization;
    profile->server_url = conf->enroll_server_url ? conf->enroll_server_url
        : at ? url_of(p, site, at->path) : NULL;
    profile->checkin_url = site->checkin
        ? url_of(p, site, site->checkin->path) : NULL;
    profile->scep_url = url_of(p, site, site->scep_path);
    profile->is_scep_elsewhere = !site->serves_scep;
    profile->topic = conf->enroll_topic;
    profile->signs_messages = at && at->signs;
    profile->has_tokens = at && at->has_tokens;
    profile->anchors = conf->enroll_anchors ? conf->enroll_anchors->certs
                                            : NULL;
    profile->signer = conf->enroll_signer ? conf->enroll_signer->signer
                                          : NULL;
    return profile;
}

void nanomdm_enroll_conf(nmdm_enroll_conf_t *out, apr_pool_t *p,
                         const nanomdm_conf_t *conf,
                         const nanomdm_enroll_site_t *site)
{
    const nanomdm_scep_challenge_t *challenge = site->scep
        ? site->scep->scep_challenge : NULL;
    nmdm_scep_challenge_e how = challenge ? challenge->how : NMDM_SCEP_ONCE;

    out->profile = profile_conf(p, conf, site);
    out->makes_challenges = site->serves_scep && how == NMDM_SCEP_ONCE;
    out->shared_challenge = how == NMDM_SCEP_STATIC ? challenge->secret.value
                                                    : NULL;
    out->life = nanomdm_scep_challenge_life(site->scep ? site->scep : conf);
    out->most_open = (int)conf->enroll_limit;
}
