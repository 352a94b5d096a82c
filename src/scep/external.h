/* SPDX-License-Identifier: Apache-2.0 */
/* external.h -- NanoMDMSCEPChallenge external: another server says who gets a
 * certificate. */

#ifndef NMDM_SCEP_EXTERNAL_H
#define NMDM_SCEP_EXTERNAL_H

#include "scep/scep.h"
#include "storage/scep.h"

/* Asks it; waits up to NanoMDMUpstreamTimeout, without a database connection.
 * *why is NULL when it allows the certificate, which then has *binding. */
void nmdm_scep_external_ask(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                            const nmdm_scep_message_t *message,
                            const nmdm_csr_t *csr, const char **why,
                            nmdm_binding_t *binding);

#endif /* NMDM_SCEP_EXTERNAL_H */
