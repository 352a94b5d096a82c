/* SPDX-License-Identifier: Apache-2.0 */
/* retention_rules.h -- a pass is due at once when NanoMDMRetention changed. */

#ifndef NMDM_RETENTION_RULES_H
#define NMDM_RETENTION_RULES_H

#include "base/context.h"

/* Compares a digest of the rules with the one that the database has, once in
 * each child; where they differ it is replaced, and a pass from the beginning
 * is due. Any number of children may call it: one of them changes the row. */
nmdm_err_t *nmdm_retention_rules_record(nmdm_ctx_t *ctx);

#endif /* NMDM_RETENTION_RULES_H */
