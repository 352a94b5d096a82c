/* SPDX-License-Identifier: Apache-2.0 */
/* scep_cleanup.h -- removes expired challenges, tokens and certificates. */

#ifndef NMDM_SCEP_CLEANUP_H
#define NMDM_SCEP_CLEANUP_H

#include "base/context.h"

/* Removes up to a thousand rows that have expired: challenges and enrollment
 * tokens a day ago, certificates a year ago. Any number of children and servers
 * may call it at once. */
nmdm_err_t *nmdm_scep_cleanup_run(nmdm_ctx_t *ctx);

#endif /* NMDM_SCEP_CLEANUP_H */
