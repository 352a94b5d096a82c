/* SPDX-License-Identifier: Apache-2.0 */
/* access.c -- who may use the handlers of operators. Who has which rights is
 * httpd's business (Require); that a user was authenticated, and asks on
 * purpose, is checked here. */

#include "httpd/access.h"
#include "config/config.h"
#include "config/handlers.h"
#include "httpd/identity.h"
#include "httpd/request_state.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_log.h>
#include <http_request.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* ---- Authenticated ---- */

static int is_for_operators(request_rec *r)
{
    const char *handler = nanomdm_configured_handler(r);

    return nanomdm_is_our_handler(handler)
        && !nanomdm_is_device_handler(handler);
}

/* What the client sent, before any module changes it. */
static int keep_authorization(request_rec *r)
{
    const char *sent = apr_table_get(r->headers_in, "Authorization");

    if (sent) {
        nanomdm_request_state(r)->authorization = sent;
    }
    return DECLINED;
}

static const char *sent_authorization(const request_rec *r)
{
    const nanomdm_request_state_t *state;

    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    state = ap_get_module_config(r->request_config, &nanomdm_module);
    return state ? state->authorization : NULL;
}

/* SSLUserName takes the name from any certificate that SSLVerifyClient
 * optional_no_ca let pass, and a name that is there makes Require skip the
 * authentication. This runs between the two. */
static int forget_unproved_name(request_rec *r)
{
    if (r->user && is_for_operators(r)
        && !nanomdm_access_is_vouched_for(r)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, NMDMNO(1204)
                      "-: %s: the name \"%s\" is not believed: no"
                      " authentication vouches for it, and no CA that mod_ssl"
                      " knows issued a certificate for it", r->uri, r->user);
        r->user = NULL;
        r->ap_auth_type = NULL;
    }
    return DECLINED;
}

/* SSLOptions +FakeBasicAuth has by now put the subject of the certificate into
 * the header. Without a verified one, what the client sent itself counts. */
static int undo_fake_authorization(request_rec *r)
{
    const char *now = apr_table_get(r->headers_in, "Authorization");
    const char *sent = sent_authorization(r);

    if (!now || (sent && !strcmp(now, sent)) || !is_for_operators(r)
        || nanomdm_identity_is_verified_by_httpd(r)) {
        return DECLINED;
    }
    if (sent) {
        apr_table_setn(r->headers_in, "Authorization", sent);
    }
    else {
        apr_table_unset(r->headers_in, "Authorization");
    }
    return DECLINED;
}

/* mod_ssl calls it ClientCert (seen with 2.4.71) or nothing, whether or not
 * the certificate is a good one. */
static int is_named_by_certificate(const request_rec *r)
{
    return !r->ap_auth_type || !strcasecmp(r->ap_auth_type, "ClientCert");
}

int nanomdm_access_is_vouched_for(request_rec *r)
{
    return r->user && *r->user
        && (!is_named_by_certificate(r)
            || nanomdm_identity_is_verified_by_httpd(r));
}

int nanomdm_access_error_before(const request_rec *r)
{
    int status = 0;

    while (r) {
        r = r->main ? r->main : r->prev;
        if (r && ap_is_HTTP_ERROR(r->status)) {
            status = r->status;
        }
    }
    return status;
}

/* ---- On purpose ---- */

static int is_token_of(const char *value, const char *const *words)
{
    for (; *words; words++) {
        if (!strcasecmp(value, *words)) {
            return 1;
        }
    }
    return 0;
}

/* host:port without the port that the scheme implies. */
static const char *without_port(apr_pool_t *p, const char *host,
                                const char *port)
{
    apr_size_t len = strlen(host), n = strlen(port);

    return len > n && !strcmp(host + len - n, port)
        ? apr_pstrmemdup(p, host, len - n) : host;
}

/* With a proxy that ends TLS, pages of https and requests of http belong
 * together; never the reverse. */
static int is_own_origin(request_rec *r, const char *origin)
{
    const char *host = apr_table_get(r->headers_in, "Host");
    int is_tls = !strcmp(ap_http_scheme(r), "https");

    if (!host || !*host) {
        return 0;
    }
    host = without_port(r->pool, host, is_tls ? ":443" : ":80");
    if (!strncasecmp(origin, "https://", 8)) {
        return !strcasecmp(without_port(r->pool, origin + 8, ":443"),
                           without_port(r->pool, host, ":443"));
    }
    return !is_tls && !strncasecmp(origin, "http://", 7)
        && !strcasecmp(without_port(r->pool, origin + 7, ":80"), host);
}

static int is_other_site(const char *site)
{
    static const char *const OWN[] = { "none", "same-origin", NULL };

    return site && !is_token_of(site, OWN);
}

const char *nanomdm_access_embedded(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *dest = apr_table_get(r->headers_in, "Sec-Fetch-Dest");

    return !is_other_site(site) || !dest || !strcasecmp(dest, "document")
        ? NULL
        : apr_psprintf(r->pool, "cross-site request refused: Sec-Fetch-Site"
                       " is \"%s\" and Sec-Fetch-Dest \"%s\"", site, dest);
}

const char *nanomdm_access_cross_site(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");

    if (is_other_site(site)) {
        return apr_psprintf(r->pool, "cross-site request refused:"
                            " Sec-Fetch-Site is \"%s\"", site);
    }
    if (origin && !is_own_origin(r, origin)) {
        return apr_psprintf(r->pool, "cross-site request refused: Origin is"
                            " \"%s\", and not this host", origin);
    }
    return NULL;
}

void nanomdm_access_hooks(void)
{
    static const char *const SSL[] = { "mod_ssl.c", NULL };
    static const char *const BASIC[] = { "mod_auth_basic.c",
                                         "mod_auth_digest.c", NULL };

    ap_hook_post_read_request(keep_authorization, NULL, NULL,
                              APR_HOOK_REALLY_FIRST);
    ap_hook_check_access(forget_unproved_name, SSL, NULL,
                         APR_HOOK_REALLY_LAST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authn(undo_fake_authorization, SSL, BASIC, APR_HOOK_FIRST,
                        AP_AUTH_INTERNAL_PER_CONF);
}
