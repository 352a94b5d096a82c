/* SPDX-License-Identifier: Apache-2.0 */
/* check_httpd.h -- httpd's own directives that do not fit devices. */

#ifndef NANOMDM_CHECK_HTTPD_H
#define NANOMDM_CHECK_HTTPD_H

#include "config/findings.h"

/* Looks through the tree of directives for handlers of ours and for what is in
 * force for them; adds warnings, and as an error a handler that could not
 * work. Each says what to write. */
void nanomdm_check_httpd(nanomdm_findings_t *findings,
                         const ap_directive_t *tree);

#endif /* NANOMDM_CHECK_HTTPD_H */
