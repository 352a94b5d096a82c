/* SPDX-License-Identifier: Apache-2.0 */
/* mod_nanomdm_auth.c -- AuthBasicProvider nanomdm. */

#include "mod_nanomdm.h"

#include <ap_provider.h>
#include <http_request.h>
#include <mod_auth.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define API_USER "nanomdm"

/* Both are compared in any case, so that the time taken tells neither. */
static authn_status check_password(request_rec *r, const char *user,
                                   const char *password)
{
    const nanomdm_conf_t *conf = nanomdm_conf(r);
    int same_user, same_key;

    if (!conf->api_key) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, NMDMNO(1301)
                      "-: AuthBasicProvider nanomdm without NanoMDMAPIKey");
        return AUTH_GENERAL_ERROR;
    }
    same_user = nmdm_crypto_same_secret(user, API_USER);
    same_key = nmdm_crypto_same_secret(password, conf->api_key);
    if (same_user & same_key) {
        return AUTH_GRANTED;
    }
    return same_user ? AUTH_DENIED : AUTH_USER_NOT_FOUND;
}

static const authn_provider PROVIDER = { check_password, NULL };

void nanomdm_auth_hooks(apr_pool_t *p)
{
    ap_register_auth_provider(p, AUTHN_PROVIDER_GROUP, "nanomdm",
                              AUTHN_PROVIDER_VERSION, &PROVIDER,
                              AP_AUTH_INTERNAL_PER_CONF);
}
