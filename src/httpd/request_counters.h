/* SPDX-License-Identifier: Apache-2.0 */
/* request_counters.h -- counted by all children together. */

#ifndef NANOMDM_REQUEST_COUNTERS_H
#define NANOMDM_REQUEST_COUNTERS_H

#include "base/counters.h"

/* NULL until the server has started. */
nmdm_counters_t *nanomdm_counters(void);
void nanomdm_counters_hooks(void);

#endif /* NANOMDM_REQUEST_COUNTERS_H */
