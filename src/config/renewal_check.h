/* SPDX-License-Identifier: Apache-2.0 */
/* renewal_check.h -- whether the profiles that are served now can renew the
 * identities that devices have. */

#ifndef NANOMDM_CONFIG_RENEWAL_CHECK_H
#define NANOMDM_CONFIG_RENEWAL_CHECK_H

#include "config/check_tree.h"
#include "config/findings.h"

/* Of a server as it starts, after nanomdm_enroll_check: warns where
 * NanoMDMRenewIdentity has more days than certificates last, and where its
 * database has certificates in use whose profile cannot be renewed any more. A
 * database that does not answer is not waited for. */
void nanomdm_renewal_check(nanomdm_findings_t *findings, apr_pool_t *p,
                           const nanomdm_tree_site_t *site);

#endif /* NANOMDM_CONFIG_RENEWAL_CHECK_H */
