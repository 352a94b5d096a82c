/* SPDX-License-Identifier: Apache-2.0 */
/* request_counters.h -- counted by all children together. */

#ifndef NANOMDM_REQUEST_COUNTERS_H
#define NANOMDM_REQUEST_COUNTERS_H

#include "base/counters.h"

#include <httpd.h>

/* Of the virtual hosts that share this one's database, which are one tenant's.
 * NULL for a server without handlers of ours that need a database. */
nmdm_counters_t *nanomdm_counters(const server_rec *s);
void nanomdm_counters_hooks(void);

#endif /* NANOMDM_REQUEST_COUNTERS_H */
