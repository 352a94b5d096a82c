/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h -- one command, and who has it. */

#ifndef NMDM_API_COMMANDS_H
#define NMDM_API_COMMANDS_H

#include "base/context.h"
#include "api/paging.h"

/* Fills in *reply with JSON and *status with the HTTP status, also when it
 * returns an error: that is then for the log. */

/* A command, who has it and what they answered. */
nmdm_err_t *nmdm_api_commands_get(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                  int *status, const char *uuid,
                                  const nmdm_api_paging_query_t *page);

/* The error of a UUID that names no command; never NULL. */
nmdm_err_t *nmdm_api_commands_unknown(nmdm_ctx_t *ctx, const char *uuid);

#endif /* NMDM_API_COMMANDS_H */
