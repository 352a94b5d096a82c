/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_notify.h -- makes devices ask for changed declarations. */

#ifndef NMDM_DECLARATIONS_NOTIFY_H
#define NMDM_DECLARATIONS_NOTIFY_H

#include "base/context.h"

/* Queues commands for all that are to be notified, unless another process does
 * so now, and then pushes to them. Returns early once is_stopping(baton) is
 * true; what is left is done later, here or elsewhere. */
nmdm_err_t *nmdm_declarations_notify_run(nmdm_ctx_t *ctx,
                                         int (*is_stopping)(void *baton),
                                         void *baton);

#endif /* NMDM_DECLARATIONS_NOTIFY_H */
