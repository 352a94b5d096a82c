/* SPDX-License-Identifier: Apache-2.0 */
/* rekey.h -- brings the secrets of a database to where NanoMDMStorageKey
 * wants them: sealed with its first key or, after off, in the clear. */

#ifndef NMDM_REKEY_H
#define NMDM_REKEY_H

#include "base/context.h"

/* The progress of one child; used by one thread. */
typedef struct nmdm_rekey_t nmdm_rekey_t;
nmdm_rekey_t *nmdm_rekey_create(apr_pool_t *p);

/* Goes on for two seconds, if it is this child's turn: of however many
 * children and servers one at a time does the work, until it has gone through
 * all. What cannot be opened stays as it is. Says in the log when the keys
 * after the first are no longer needed. */
nmdm_err_t *nmdm_rekey_run(nmdm_ctx_t *ctx, nmdm_rekey_t *rekey);

#endif /* NMDM_REKEY_H */
