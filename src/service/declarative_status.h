/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_status.h -- status reports: what of a report is kept, and what
 * gives way to it (declarative management specification 8.1). */

#ifndef NMDM_DECLARATIVE_STATUS_H
#define NMDM_DECLARATIVE_STATUS_H

#include "base/context.h"

/* Stores a report of an enrollment, all of it or nothing. NMDM_INVALID when it
 * is no JSON object. */
nmdm_err_t *nmdm_declarative_status_take(nmdm_ctx_t *ctx, const char *id,
                                         nmdm_bytes_t report);

#endif /* NMDM_DECLARATIVE_STATUS_H */
