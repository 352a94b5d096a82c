/* SPDX-License-Identifier: Apache-2.0 */
/* request_state.c -- what is known of a request whose client is, or says it
 * is, a device. */

#include "httpd/request_state.h"
#include "config/config.h"

#include <httpd.h>
#include <http_config.h>

nanomdm_request_state_t *nanomdm_request_state(request_rec *r)
{
    nanomdm_request_state_t *verdict = ap_get_module_config(r->request_config,
                                                            &nanomdm_module);

    if (!verdict) {
        verdict = apr_pcalloc(r->pool, sizeof(*verdict));
        ap_set_module_config(r->request_config, &nanomdm_module, verdict);
    }
    return verdict;
}
