/* SPDX-License-Identifier: Apache-2.0 */
/* grant.h -- who gets a certificate: challenges, renewals, the row that goes
 * with each certificate. */

#ifndef NMDM_SCEP_GRANT_H
#define NMDM_SCEP_GRANT_H

#include "scep/scep.h"

/* Issues a certificate for a request that was read and verified, or finds the
 * one already issued for it; or sets message->flaw. Nothing is issued without a
 * row. */
nmdm_err_t *nmdm_scep_grant(nmdm_ctx_t *ctx, const nmdm_scep_conf_t *conf,
                            nmdm_scep_message_t *message,
                            const nmdm_csr_t *csr, struct x509_st **cert);

#endif /* NMDM_SCEP_GRANT_H */
