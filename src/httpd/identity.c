/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c -- who is asking: from TLS, Mdm-Signature or a
 * trusted proxy's header to a verified certificate. */

#include "httpd/identity.h"
#include "config/config.h"
#include "crypto/cms.h"
#include "crypto/identity_cert.h"
#include "crypto/trust.h"
#include "httpd/log.h"
#include "httpd/traffic_dump.h"

#include <apr_lib.h>
#include <apr_network_io.h>
#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <http_connection.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define LARGE 65536

/* mod_ssl's optional hooks; their header is not installed everywhere. */
typedef int ssl_HOOK_init_server_t(server_rec *s, apr_pool_t *p, int is_proxy,
                                   struct ssl_ctx_st *context);
typedef int ssl_HOOK_pre_handshake_t(conn_rec *c, struct ssl_st *ssl,
                                     int is_proxy);

/* What we keep with a connection. The streams of an HTTP/2 connection run in
 * threads of their own, so what they read together has a lock and a pool to
 * itself. Other connections do without that pool, of which each would take
 * 8 KiB for as long as it is kept. */
typedef struct {
    const struct ssl_st *ssl;
    apr_thread_mutex_t *lock;   /* guards the rest */
    apr_pool_t *pool;           /* of the streams; NULL until they need it */
    const nmdm_peer_t *peer;
} link_t;

/* ---- From TLS ---- */

/* A device whose certificate ends the handshake would see no status at all,
 * and NanoMDMIdentityGrace could not serve it. */
static int judge_later(server_rec *s, apr_pool_t *p, int is_proxy,
                       struct ssl_ctx_st *context)
{
    if (!is_proxy && nanomdm_server_defaults(s)->ca_file) {
        nmdm_identity_cert_tls_judge_later(p, context);
    }
    return OK;
}

static apr_status_t end_link(void *data)
{
    link_t *link = data;

    if (link->pool) {
        apr_pool_destroy(link->pool);
        link->pool = NULL;
    }
    return APR_SUCCESS;
}

static int remember_ssl(conn_rec *c, struct ssl_st *ssl, int is_proxy)
{
    link_t *link;

    if (is_proxy) {
        return OK;
    }
    link = apr_pcalloc(c->pool, sizeof(*link));
    if (apr_thread_mutex_create(&link->lock, APR_THREAD_MUTEX_DEFAULT,
                                c->pool) != APR_SUCCESS) {
        return OK;              /* without a link: as without a certificate */
    }
    link->ssl = ssl;
    apr_pool_cleanup_register(c->pool, link, end_link, apr_pool_cleanup_null);
    ap_set_module_config(c->conn_config, &nanomdm_module, link);
    return OK;
}

/* Where a certificate lives as long as the connection does. The pool of the
 * streams is no child of the connection's, whose thread has no lock for it. */
static apr_pool_t *pool_for(link_t *link, request_rec *r)
{
    if (!r->connection->master) {
        return r->connection->pool;
    }
    if (!link->pool && nmdm_own_pool(&link->pool, NULL) != APR_SUCCESS) {
        link->pool = NULL;
        return r->pool;
    }
    return link->pool;
}

static nmdm_err_t *from_tls(const nmdm_cert_t **out, request_rec *r)
{
    conn_rec *c = r->connection->master ? r->connection->master
                                        : r->connection;
    link_t *link = ap_get_module_config(c->conn_config, &nanomdm_module);
    const nmdm_peer_t *peer;
    apr_pool_t *pool;
    nmdm_err_t *err;

    *out = NULL;
    if (!link) {
        return NULL;
    }
    apr_thread_mutex_lock(link->lock);
    pool = pool_for(link, r);
    err = nmdm_identity_cert_tls_peer(&peer, pool, link->ssl, link->peer);
    if (!err) {
        link->peer = pool != r->pool ? peer : link->peer;
        *out = peer ? &peer->cert : NULL;
    }
    apr_thread_mutex_unlock(link->lock);
    return err;
}

int nanomdm_identity_is_verified_by_httpd(request_rec *r)
{
    conn_rec *c = r->connection->master ? r->connection->master
                                        : r->connection;
    link_t *link = ap_get_module_config(c->conn_config, &nanomdm_module);
    int is_verified = 0;

    if (link) {
        apr_thread_mutex_lock(link->lock);
        is_verified = nmdm_identity_cert_tls_is_verified(link->ssl);
        apr_thread_mutex_unlock(link->lock);
    }
    return is_verified;
}

/* ---- From headers ---- */

/* The first of repeated headers: httpd folds them with commas, which neither
 * base64 nor an escaped PEM contains. */
static const char *first_header(request_rec *r, const char *name)
{
    const char *value = apr_table_get(r->headers_in, name);
    const char *comma = value ? strchr(value, ',') : NULL;

    return comma ? apr_pstrmemdup(r->pool, value, (apr_size_t)(comma - value))
                 : value;
}

/* Whether a body is long enough, or may be, that its signature is looked at
 * first: that costs a tenth of a poll. */
static int is_large(request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    return !length || apr_atoi64(length) > LARGE;
}

/* Has no stranger make us keep a body: who claims to have signed it must have
 * a certificate that would be served. */
static nmdm_err_t *check_claim(request_rec *r, const char *signature)
{
    apr_interval_time_t grace = nanomdm_conf(r)->identity_grace;
    nmdm_trust_t *trust = nanomdm_server(r->server)->trust;
    nmdm_cert_t *cert;
    apr_time_t ends;

    NMDM_TRY(nmdm_cms_claimed_signer(&cert, r->pool, signature, grace));
    return trust ? nmdm_trust_verify_late(&ends, trust, r->pool, cert,
                                          r->request_time, grace) : NULL;
}

static nmdm_err_t *from_signature(const nmdm_cert_t **out, int *needs_body,
                                  request_rec *r, const nmdm_bytes_t *body)
{
    const char *signature = first_header(r, "Mdm-Signature");
    nmdm_cert_t *cert;

    if (!signature || !*signature) {
        return NULL;
    }
    if (!body) {
        *needs_body = 1;
        return is_large(r) ? check_claim(r, signature) : NULL;
    }
    NMDM_TRY(nmdm_cms_signer(
        &cert, r->pool, signature, *body,
        nanomdm_conf(r)->identity_grace));
    *out = cert;
    return NULL;
}

/* Going by the TCP connection, whatever mod_remoteip made of it since. */
static int peer_is_trusted(request_rec *r, const nanomdm_conf_t *conf)
{
    int i;

    for (i = 0; conf->trusted_proxies && i < conf->trusted_proxies->nelts;
         i++) {
        if (apr_ipsubnet_test(APR_ARRAY_IDX(conf->trusted_proxies, i,
                                            nanomdm_network_t).subnet,
                              r->connection->client_addr)) {
            return 1;
        }
    }
    return 0;
}

/* httpd folds a header that was sent more than once, with a comma and a blank.
 * A comma alone is of one header only in bare base64, where it separates the
 * certificates of a chain. */
static const char *next_value(const char **rest, apr_pool_t *p)
{
    const char *at = *rest;
    const char *end = apr_isalnum(*at) ? strstr(at, ", ") : strchr(at, ',');
    const char *value = end ? apr_pstrmemdup(p, at, (apr_size_t)(end - at))
                            : at;

    *rest = end ? end + 1 + strspn(end + 1, " \t") : NULL;
    return value;
}

/* Of headers that differ, all but one are not the proxy's, and nothing shows
 * which. */
static nmdm_err_t *only_value(const char **value, request_rec *r,
                              const char *name)
{
    const char *rest = apr_table_get(r->headers_in, name);

    *value = next_value(&rest, r->pool);
    while (rest) {
        if (strcmp(*value, next_value(&rest, r->pool))) {
            return nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1004)
                            "-: refused: several headers %s that differ, from"
                            " %s; the proxy must replace the header of its"
                            " clients, not add one", name,
                            r->connection->client_ip);
        }
    }
    return NULL;
}

static nmdm_err_t *from_header(const nmdm_cert_t **out, request_rec *r,
                               const nanomdm_conf_t *conf, const char *name)
{
    const char *value = apr_table_get(r->headers_in, name);
    nmdm_cert_t *cert;
    nmdm_err_t *err;

    if (!value || !*value) {
        return NULL;
    }
    if (!peer_is_trusted(r, conf)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, NMDMNO(1001)
                      "-: header %s from %s is not believed: no"
                      " NanoMDMTrustedProxy", name, r->connection->client_ip);
        return NULL;
    }
    NMDM_TRY(only_value(&value, r, name));
    if (!*value) {
        return NULL;
    }
    err = nmdm_identity_cert_header(&cert, r->pool, value);
    if (err) {
        nanomdm_log_error(r, NULL, err);
        return NULL;
    }
    *out = cert;
    return NULL;
}

/* ---- All sources, in order ---- */

/* With the body there, the sources before its signature had nothing: what they
 * have now came in a trailer, which no proxy replaces. */
static nmdm_err_t *find(const nmdm_cert_t **out, int *needs_body,
                        request_rec *r, const nmdm_bytes_t *body)
{
    const nanomdm_conf_t *conf = nanomdm_conf(r);
    int i;

    for (i = 0; i < conf->identity->nelts && !*out && !*needs_body; i++) {
        nanomdm_source_t *source = &APR_ARRAY_IDX(conf->identity, i,
                                                  nanomdm_source_t);

        if (body && source->from != NANOMDM_FROM_SIGNATURE) {
            continue;
        }
        switch (source->from) {
        case NANOMDM_FROM_TLS:
            NMDM_TRY(from_tls(out, r));
            break;
        case NANOMDM_FROM_SIGNATURE:
            NMDM_TRY(from_signature(out, needs_body, r, body));
            break;
        case NANOMDM_FROM_HEADER:
            NMDM_TRY(from_header(out, r, conf, source->header));
            break;
        }
    }
    return NULL;
}

nmdm_err_t *nanomdm_identity(nmdm_ctx_t *ctx, request_rec *r,
                             const nmdm_bytes_t *body)
{
    nanomdm_server_t *server = nanomdm_server(r->server);
    const nmdm_cert_t *cert = NULL;
    nmdm_cert_t *verified;
    int needs_body = 0;

    NMDM_TRY(find(&cert, &needs_body, r, body));
    if (needs_body) {
        return NULL;
    }
    if (!cert) {
        return nmdm_err(r->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1002)
                        "no identity certificate from any source of"
                        " NanoMDMIdentity");
    }
    if (!server->trust) {
        return nmdm_err(r->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(1003)
                        "no NanoMDMCACertificateFile for this server: no"
                        " identity can be verified");
    }
    nanomdm_traffic_dump_cert(r, cert);
    /* A copy: the streams of a connection share what it has. */
    verified = apr_pmemdup(r->pool, cert, sizeof(*cert));
    NMDM_TRY(nmdm_trust_verify_late(&ctx->cert_ends, server->trust,
                                    r->pool, verified, ctx->now,
                                    nanomdm_conf(r)->identity_grace));
    ctx->cert_expired = ctx->now > ctx->cert_ends ? ctx->cert_ends : 0;
    ctx->cert = verified;
    nanomdm_traffic_dump_cert(r, verified);
    return NULL;
}

void nanomdm_identity_hooks(void)
{
    APR_OPTIONAL_HOOK(ssl, init_server, judge_later, NULL, NULL,
                      APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, pre_handshake, remember_ssl, NULL, NULL,
                      APR_HOOK_MIDDLE);
}
