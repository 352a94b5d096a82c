/* SPDX-License-Identifier: Apache-2.0 */
/* check_mistakes.h -- what a configuration says that was likely meant
 * otherwise. */

#ifndef NANOMDM_CHECK_MISTAKES_H
#define NANOMDM_CHECK_MISTAKES_H

#include <httpd.h>
#include <http_config.h>

/* Looks through the tree of directives. Warns, or returns the number of
 * mistakes with which nothing would work; each is logged with the file, the
 * line and what to write. */
int nanomdm_check_mistakes(apr_pool_t *p, const ap_directive_t *tree);

#endif /* NANOMDM_CHECK_MISTAKES_H */
