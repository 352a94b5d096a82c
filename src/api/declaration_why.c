/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_why.c -- why a declaration is not active on a device. */

#include "api/declarations.h"

nmdm_err_t *nmdm_api_declaration_why(nmdm_api_declarations_call_t *call)
{
    return nmdm_err(call->ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS,
                    NMDMNO(2590) "not yet");
}
