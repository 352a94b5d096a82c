/* SPDX-License-Identifier: Apache-2.0 */
/* check_mistakes.h -- what a configuration says that was likely meant
 * otherwise. */

#ifndef NANOMDM_CHECK_MISTAKES_H
#define NANOMDM_CHECK_MISTAKES_H

#include "config/findings.h"

/* Looks through the tree of directives. Adds warnings, and as errors what
 * would keep everything from working; each says what to write. */
void nanomdm_check_mistakes(nanomdm_findings_t *findings,
                            const ap_directive_t *tree);

#endif /* NANOMDM_CHECK_MISTAKES_H */
