/* SPDX-License-Identifier: Apache-2.0 */
/* secret_program.h -- a program that writes a secret. */

#ifndef NANOMDM_SECRET_PROGRAM_H
#define NANOMDM_SECRET_PROGRAM_H

#include <httpd.h>
#include <http_config.h>

/* Seconds for it to write the secret and end. */
#define NANOMDM_SECRET_PROGRAM_TIME 10

/* Runs a command line, without a shell, and sets *text to the first line that
 * it writes, without the line's end, in cmd->pool. Returns NULL, or what is
 * wrong: it cannot be run, takes longer than that, ends with another status
 * than 0, or writes nothing. What it writes to stderr goes to httpd's. */
const char *nanomdm_secret_program_ask(cmd_parms *cmd, char **text,
                                       const char *line);

#endif /* NANOMDM_SECRET_PROGRAM_H */
