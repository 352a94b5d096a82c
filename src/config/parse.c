/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c -- values that several directives take: files, secrets,
 * certificates, URLs. */

#include "config/parse.h"
#include "config/secret_program.h"
#include "crypto/trust.h"

#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_uri.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>

#include <stdlib.h>
#include <string.h>

/* A secret file holds one line. */
#define MAX_SECRET 4096

/* In UTF-8. */
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* The certificates that a system trusts take a quarter of this. */
#define MAX_PEM 1048576

int nanomdm_is_first_reading(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG;
}

const char *nanomdm_wrong(cmd_parms *cmd, const char *value,
                          const char *remedy)
{
    return apr_psprintf(cmd->pool, "%s \"%s\": %s", cmd->cmd->name, value,
                        remedy);
}

/* ---- Files and secrets ---- */

const char *nanomdm_read_file(cmd_parms *cmd, char **text, apr_size_t *len,
                              const char *path, const char *said,
                              apr_size_t most)
{
    const char *file = ap_server_root_relative(cmd->pool, path);
    apr_file_t *f;
    apr_status_t rv;
    char why[120];

    *text = apr_palloc(cmd->pool, most + 1);
    *len = 0;
    rv = apr_file_open(&f, file ? file : path, APR_READ, APR_OS_DEFAULT,
                       cmd->temp_pool);
    if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(f, *text, most, len);
        apr_file_close(f);
    }
    if (rv != APR_SUCCESS && rv != APR_EOF) {
        return nanomdm_wrong(cmd, said,
                             apr_psprintf(cmd->pool, "%s; name a file that the"
                                          " user who starts httpd can read",
                                          apr_strerror(rv, why, sizeof(why))));
    }
    (*text)[*len] = '\0';
    return NULL;
}

static void warn_of_readers(cmd_parms *cmd, const char *path)
{
    const char *file = ap_server_root_relative(cmd->temp_pool, path);
    apr_finfo_t info;

    if (nanomdm_is_first_reading()
        && apr_stat(&info, file ? file : path, APR_FINFO_PROT, cmd->temp_pool)
               == APR_SUCCESS
        && info.protection & APR_FPROT_WREAD) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, NULL,
                     NMDMNO(0017) "%s \"file:%s\": every user of this host can"
                     " read the secret; write: chmod o= %s (%s:%d)",
                     cmd->cmd->name, path, path, cmd->directive->filename,
                     cmd->directive->line_num);
    }
}

const char *nanomdm_flaw_of_key_mode(apr_pool_t *p, const char *file)
{
    apr_finfo_t info;
    apr_status_t rv = apr_stat(&info, file, APR_FINFO_PROT, p);
    char why[120];

    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return apr_psprintf(p, "%s: %s; name a file that the user who starts"
                            " httpd can read", file,
                            apr_strerror(rv, why, sizeof(why)));
    }
    return info.protection & (APR_GREAD | APR_GWRITE | APR_WREAD | APR_WWRITE)
        ? apr_psprintf(p, "%s: group or others may read or write the private"
                       " key; write: chmod 600 %s", file, file)
        : NULL;
}

void nanomdm_warn_of_short_key(cmd_parms *cmd, const char *key)
{
    if (nanomdm_is_first_reading() && strlen(key) < NANOMDM_KEY_LENGTH) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, NULL,
                     NMDMNO(0018) "%s: the key has fewer than %d characters"
                     " and can be guessed; write one made by: openssl rand"
                     " -hex 32 (%s:%d)", cmd->cmd->name, NANOMDM_KEY_LENGTH,
                     cmd->directive->filename, cmd->directive->line_num);
    }
}

/* What editors and shells put around the one line of a secret is no part of
 * it: a byte order mark, blanks, the end of the line. */
static const char *set_line(cmd_parms *cmd, const char **secret, char *text,
                            const char *said, const char *where)
{
    apr_size_t len;

    text += strncmp(text, BYTE_ORDER_MARK, 3) ? 0 : 3;
    text += strspn(text, " \t");
    len = strlen(text);
    while (len && apr_isspace(text[len - 1])) {
        len--;
    }
    text[len] = '\0';
    if (!len) {
        return nanomdm_wrong(cmd, said, apr_psprintf(
            cmd->pool, "no secret in it; write one line of text into the %s",
            where));
    }
    if (strpbrk(text, "\r\n")) {
        return nanomdm_wrong(cmd, said, apr_psprintf(
            cmd->pool, "more than one line in it; write one line of text into"
            " the %s", where));
    }
    *secret = text;
    return NULL;
}

static const char *read_secret_file(cmd_parms *cmd, const char **secret,
                                    const char *path)
{
    const char *said = apr_pstrcat(cmd->pool, "file:", path, NULL);
    const char *problem;
    apr_size_t len;
    char *text;

    problem = nanomdm_read_file(cmd, &text, &len, path, said, MAX_SECRET);
    if (problem) {
        return problem;
    }
    if (len == MAX_SECRET) {
        return nanomdm_wrong(cmd, said, "longer than a secret is; write one"
                                        " line of text into the file");
    }
    if (strlen(text) != len) {
        return nanomdm_wrong(cmd, said, "no secret in it, but a zero byte;"
                                        " write one line of text into the"
                                        " file");
    }
    problem = set_line(cmd, secret, text, said, "file");
    if (!problem) {
        warn_of_readers(cmd, path);
    }
    return problem;
}

/* The first line that a program writes, as AuthLDAPBindPassword has it. */
static const char *ask_program(cmd_parms *cmd, nanomdm_hidden_t *slot,
                               const char *line)
{
    const char *said = apr_pstrcat(cmd->pool, "exec:", line, NULL);
    const char *problem;
    char *text;

    problem = nanomdm_secret_program_ask(cmd, &text, line);
    if (problem) {
        return nanomdm_wrong(cmd, said, apr_pstrcat(
            cmd->pool, problem, "; write exec: and the path of one that"
            " writes the secret", NULL));
    }
    slot->shown = said;
    return set_line(cmd, &slot->value, text, said, "program's output");
}

const char *nanomdm_set_secret(cmd_parms *cmd, nanomdm_hidden_t *slot,
                               const char *value)
{
    const char *found;

    slot->shown = value;
    if (!strncmp(value, "file:", 5)) {
        return read_secret_file(cmd, &slot->value, value + 5);
    }
    if (!strncmp(value, "env:", 4)) {
        found = getenv(value + 4);
        if (!found || !*found) {
            return nanomdm_wrong(cmd, value,
                                 "the environment has no such variable, or an"
                                 " empty one; set it, or use file:PATH");
        }
        return set_line(cmd, &slot->value, apr_pstrdup(cmd->pool, found),
                        value, "variable");
    }
    if (!strncmp(value, "exec:", 5)) {
        return ask_program(cmd, slot, value + 5);
    }
    if (!*value) {
        return nanomdm_wrong(cmd, value,
                             "empty; write file:PATH, env:NAME, exec:PROGRAM"
                             " or the secret");
    }
    if (*value == '/' || !strncmp(value, "./", 2) || !strncmp(value, "../", 3)
        || !strncmp(value, "~/", 2)) {
        return nanomdm_wrong(cmd, value, apr_pstrcat(
            cmd->pool, "a path is no secret; write file:", value, NULL));
    }
    if (!strncasecmp(value, "file:", 5) || !strncasecmp(value, "env:", 4)
        || !strncasecmp(value, "exec:", 5)) {
        return nanomdm_wrong(cmd, value, "write file:, env: or exec: in small"
                                         " letters");
    }
    slot->value = value;
    slot->shown = NANOMDM_NOT_SHOWN;
    return NULL;
}

/* ---- Certificates ---- */

const char *nanomdm_set_certificates(cmd_parms *cmd, const char **slot,
                                     const char *path, const char *problem)
{
    const char *file = ap_server_root_relative(cmd->pool, path);
    nmdm_err_t *err;
    int count;

    if (!file) {
        return nanomdm_wrong(cmd, path, "not a path; name a PEM file");
    }
    err = nmdm_trust_count_pem(&count, cmd->temp_pool, file);
    if (err) {
        return nanomdm_wrong(cmd, path, apr_psprintf(
            cmd->pool, "%s: %s; name a readable PEM file with at least one"
            " certificate", problem, nmdm_err_text(err)));
    }
    *slot = file;
    return NULL;
}

const char *nanomdm_read_certificates(cmd_parms *cmd, nanomdm_hidden_t *pem,
                                      const char *path, const char *problem)
{
    const char *file = NULL, *wrong_file;
    apr_size_t len;
    char *text;

    wrong_file = nanomdm_set_certificates(cmd, &file, path, problem);
    if (!wrong_file) {
        wrong_file = nanomdm_read_file(cmd, &text, &len, path, path, MAX_PEM);
    }
    if (!wrong_file) {
        *pem = (nanomdm_hidden_t){ text, file };
    }
    return wrong_file;
}

/* ---- URLs ---- */

/* apr_uri_parse takes any number for one. */
static int has_bad_port(const apr_uri_t *uri)
{
    apr_int64_t port = uri->port_str && *uri->port_str
        ? apr_atoi64(uri->port_str) : 1;

    return port < 1 || port > 65535;
}

const char *nanomdm_set_origin(cmd_parms *cmd, const char **slot,
                               const char *url, const char *scheme,
                               int takes_login)
{
    const char *host = strrchr(url, '@');
    apr_uri_t uri;

    if (apr_uri_parse(cmd->temp_pool, url, &uri) != APR_SUCCESS
        || !uri.scheme || strcmp(uri.scheme, scheme) || !uri.hostname
        || !*uri.hostname || has_bad_port(&uri)
        || ((uri.user || uri.password) && !takes_login) || uri.query
        || uri.fragment || (uri.path && strcmp(uri.path, "/"))) {
        return nanomdm_wrong(
            cmd, host ? apr_pstrcat(cmd->pool, scheme, "://...", host, NULL)
                      : url,
            apr_psprintf(cmd->pool, "not a URL of this kind; write %s://HOST"
                         " or %s://HOST:PORT", scheme, scheme));
    }
    *slot = apr_pstrcat(cmd->pool, scheme, "://", uri.hostinfo, NULL);
    return NULL;
}

const char *nanomdm_set_url(cmd_parms *cmd, const char **slot,
                            const char *url)
{
    apr_uri_t uri;

    if (apr_uri_parse(cmd->temp_pool, url, &uri) != APR_SUCCESS
        || !uri.scheme || (strcmp(uri.scheme, "http")
                           && strcmp(uri.scheme, "https"))
        || !uri.hostname || !*uri.hostname || has_bad_port(&uri)
        || uri.fragment || url[strcspn(url, " \t\r\n")]) {
        return nanomdm_wrong(cmd, url,
                             "not a URL of this kind; write https://HOST/PATH"
                             " or http://HOST/PATH");
    }
    *slot = url;
    return NULL;
}
