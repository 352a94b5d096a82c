/* SPDX-License-Identifier: Apache-2.0 */
/* check_effect.h -- directives that change nothing where they were written. */

#ifndef NANOMDM_CHECK_EFFECT_H
#define NANOMDM_CHECK_EFFECT_H

#include "config/findings.h"

/* Looks through the tree of directives; adds a warning, with the line to
 * write, for each directive that lacks another one or is in a section whose
 * handler does not read it. */
void nanomdm_check_effects(nanomdm_findings_t *findings,
                           const ap_directive_t *tree);

#endif /* NANOMDM_CHECK_EFFECT_H */
