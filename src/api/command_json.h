/* SPDX-License-Identifier: Apache-2.0 */
/* command_json.h -- a command that an operator gives in JSON. */

#ifndef NMDM_API_COMMAND_JSON_H
#define NMDM_API_COMMAND_JSON_H

#include "codec/json.h"

/* The property list of a command given in MicroMDM's JSON: keys that MicroMDM
 * knows become Apple's, with Apple's types; all others keep their names and
 * the types they have in JSON. Without a command_uuid one is made up. */
nmdm_err_t *nmdm_api_command_json_plist(nmdm_bytes_t *out, nmdm_ctx_t *ctx,
                                        const nmdm_json_t *json);

/* Its targets: udid, ids or both. */
nmdm_err_t *nmdm_api_command_json_ids(apr_array_header_t **ids, nmdm_ctx_t *ctx,
                                      const nmdm_json_t *json);

#endif /* NMDM_API_COMMAND_JSON_H */
