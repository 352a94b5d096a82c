/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h -- values that several directives take: files, secrets, URLs. */

#ifndef NANOMDM_PARSE_H
#define NANOMDM_PARSE_H

#include "config/config.h"

#include <httpd.h>
#include <http_config.h>

/* Each returns NULL, or what httpd is to say about the line; what it sets and
 * what it reads lives as long as the configuration. */

/* Whether httpd reads its configuration for the first time. What is said then
 * reaches who starts the server, and configtest. */
int nanomdm_is_first_reading(void);

/* What to say: the directive, the value and the remedy. */
const char *nanomdm_wrong(cmd_parms *cmd, const char *value,
                          const char *remedy);
/* Up to `most` bytes of a file, and NUL; `said` is how the administrator named
 * it. */
const char *nanomdm_read_file(cmd_parms *cmd, char **text, apr_size_t *len,
                              const char *path, const char *said,
                              apr_size_t most);
/* SECRET: file:PATH, env:NAME, or the secret itself, which is never repeated
 * in a message. */
const char *nanomdm_set_secret(cmd_parms *cmd, nanomdm_hidden_t *slot,
                               const char *value);
/* Why a file with a private key is not for httpd, with the remedy: it cannot be
 * read, or group or others can. NULL where nothing is wrong. */
const char *nanomdm_flaw_of_key_mode(apr_pool_t *p, const char *file);
/* Fewer characters than these can be guessed. */
#define NANOMDM_KEY_LENGTH 16
void nanomdm_warn_of_short_key(cmd_parms *cmd, const char *key);
/* The path of a PEM file with certificates; `problem` is how NanoMDM calls a
 * bad one. */
const char *nanomdm_set_certificates(cmd_parms *cmd, const char **slot,
                                     const char *path, const char *problem);
/* Their text, because a child may not be allowed to read it later. */
const char *nanomdm_read_certificates(cmd_parms *cmd, nanomdm_hidden_t *pem,
                                      const char *path, const char *problem);
/* scheme://host[:port], followed by at most a slash; with takes_login also
 * user:password@ in front of the host. */
const char *nanomdm_set_origin(cmd_parms *cmd, const char **slot,
                               const char *url, const char *scheme,
                               int takes_login);
/* http or https, with a host and whatever path and query. */
const char *nanomdm_set_url(cmd_parms *cmd, const char **slot,
                            const char *url);

#endif /* NANOMDM_PARSE_H */
