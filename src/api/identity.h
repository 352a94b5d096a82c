/* SPDX-License-Identifier: Apache-2.0 */
/* identity.h -- the certificates of an enrollment, for operators. */

#ifndef NMDM_API_IDENTITY_H
#define NMDM_API_IDENTITY_H

#include "codec/json.h"
#include "storage/cert_renewals.h"
#include "storage/enrollment_queries.h"

/* Adds the object "identity" to out: its end, the nmdm_association_t of its
 * device, and the state of its renewal. */
void nmdm_api_identity_describe(nmdm_json_t *out, nmdm_ctx_t *ctx,
                                const nmdm_enrollment_t *e,
                                const apr_array_header_t *associations,
                                const nmdm_cert_renewal_t *renewal);

#endif /* NMDM_API_IDENTITY_H */
