/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_errors.h -- errors of status reports (declarative management
 * specification 8.1). */

#ifndef NMDM_DECLARATIVE_ERRORS_H
#define NMDM_DECLARATIVE_ERRORS_H

#include "base/context.h"
#include "codec/json_tree.h"

/* Keeps the errors of a report, and as many in all as the policy says; either
 * may be NULL. `longest` is how many bytes the database takes; none has more
 * than 64 KiB, and *left_out grows by those that would. */
nmdm_err_t *nmdm_declarative_errors_add(nmdm_ctx_t *ctx, int *left_out,
                                        const char *id,
                                        const nmdm_json_tree_t *declarations,
                                        const nmdm_json_tree_t *errors,
                                        apr_size_t longest);

#endif /* NMDM_DECLARATIVE_ERRORS_H */
