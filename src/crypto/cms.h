/* SPDX-License-Identifier: Apache-2.0 */
/* cms.h -- Mdm-Signature: who signed a message. */

#ifndef NMDM_CMS_H
#define NMDM_CMS_H

#include "base/context.h"

/* The signer of a detached CMS signature over body, Mdm-Signature's value
 * being the base64 text (behaviour specification 1.7 A; Apple's "Pass an
 * Identity Certificate Through a Proxy"). It may have been made until `grace`
 * after the certificate's end. */
nmdm_err_t *nmdm_cms_signer(nmdm_cert_t **out, apr_pool_t *p,
                            const char *base64, nmdm_bytes_t body,
                            apr_interval_time_t grace);

/* The same with no body yet: who says to have signed, which is not proved. What
 * would be refused whatever the body is, is refused. */
nmdm_err_t *nmdm_cms_claimed_signer(nmdm_cert_t **out, apr_pool_t *p,
                                    const char *base64,
                                    apr_interval_time_t grace);

#endif /* NMDM_CMS_H */
