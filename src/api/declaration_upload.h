/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_upload.h -- a declaration that is uploaded: read, refused,
 * warned of (declarative management specification 7). */

#ifndef NMDM_API_DECLARATION_UPLOAD_H
#define NMDM_API_DECLARATION_UPLOAD_H

#include "api/declarations.h"
#include "storage/declarations.h"

typedef struct {
    nmdm_declaration_t declaration;
    nmdm_err_t *err;            /* why it is refused, with check=1 */
    apr_array_header_t *warnings;       /* of nmdm_declaration_lint_t */
} nmdm_api_declaration_upload_t;

/* Reads the call's body and finds what looks wrong with it. NMDM_INVALID says
 * what cannot be stored; with check=1 that is kept in the upload. */
nmdm_err_t *nmdm_api_declaration_upload_read(
    nmdm_api_declaration_upload_t *upload,
    nmdm_api_declarations_call_t *call);
/* Answers check=1. */
void nmdm_api_declaration_upload_check(
    const nmdm_api_declaration_upload_t *upload,
    nmdm_api_declarations_call_t *call);
/* Puts warnings, nmdm_declaration_lint_t, into the reply's headers;
 * NMDM_INVALID where they are refused (NanoMDMDeclarativeManagementLint). */
nmdm_err_t *nmdm_api_declaration_upload_warn(
    const apr_array_header_t *warnings, nmdm_api_declarations_call_t *call);

#endif /* NMDM_API_DECLARATION_UPLOAD_H */
