/* SPDX-License-Identifier: Apache-2.0 */
/* rekey.h -- brings the secrets of a database to where NanoMDMStorageKey
 * wants them: sealed with its first key or, after off, in the clear. */

#ifndef NMDM_SEALER_H
#define NMDM_SEALER_H

#include "base/context.h"

/* How far one child has come; used by one thread. */
typedef struct nmdm_sealer_t nmdm_sealer_t;
nmdm_sealer_t *nmdm_sealer_create(apr_pool_t *p);

/* Goes on for two seconds, if it is this child's turn: of however many
 * children and servers one at a time does the work, until it has gone through
 * all. What cannot be opened stays as it is. Says in the log when the keys
 * behind the first are no longer needed. */
nmdm_err_t *nmdm_sealer_run(nmdm_ctx_t *ctx, nmdm_sealer_t *sealer);

#endif /* NMDM_SEALER_H */
