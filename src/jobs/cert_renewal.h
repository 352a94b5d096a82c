/* SPDX-License-Identifier: Apache-2.0 */
/* cert_renewal.h -- has devices renew their identities before they end. */

#ifndef NMDM_CERT_RENEWAL_H
#define NMDM_CERT_RENEWAL_H

#include "base/context.h"

/* Queues the command for certificates that are due (NanoMDMRenewIdentity, or an
 * operator's order), those that end first in front, no more than the rate
 * allows, and pushes to their devices. Any number of children and nodes may do
 * this at once: one of them works at a time, and no certificate is asked for
 * twice. */
nmdm_err_t *nmdm_cert_renewal_run(nmdm_ctx_t *ctx);

#endif /* NMDM_CERT_RENEWAL_H */
