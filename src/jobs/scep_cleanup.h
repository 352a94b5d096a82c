/* SPDX-License-Identifier: Apache-2.0 */
/* scep_cleanup.h -- removes expired challenges, tokens and certificates. */

#ifndef NMDM_SCEP_CLEANUP_H
#define NMDM_SCEP_CLEANUP_H

#include "base/context.h"

/* Removes up to 5,000 rows of each kind that have expired, a hundred in one
 * transaction: challenges and enrollment tokens a day ago, certificates a year
 * ago. *more is set where some are left, 0 on error. Any number of children and
 * servers may call it at once. */
nmdm_err_t *nmdm_scep_cleanup_run(nmdm_ctx_t *ctx, int *more);

#endif /* NMDM_SCEP_CLEANUP_H */
