/* SPDX-License-Identifier: Apache-2.0 */
/* tls_conn.c -- bytes to and from a server: TCP, perhaps a proxy, TLS. The
 * only file that knows OpenSSL's TLS. */

#include "net/tls_conn.h"
#include "net/tcp_connect.h"

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string.h>

/* ---- Failures ---- */

static const char *openssl_says(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return reason ? reason : "no reason given";
}

/* Why OpenSSL could not go on; 0 if it only has to wait, and for what. */
static int tls_failed(nmdm_tls_conn_t *conn, int ret, apr_int16_t *wait)
{
    apr_status_t rv = apr_get_netos_error();
    long verdict;

    switch (SSL_get_error(conn->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
        *wait = APR_POLLIN;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        *wait = APR_POLLIN | APR_POLLOUT;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        nmdm_tls_conn_fail(conn, "connection closed by %s",
                           conn->server->name);
        return 1;
    case SSL_ERROR_SYSCALL:
        nmdm_tcp_connect_fail(conn, "connection lost to",
                               rv ? rv : APR_FROM_OS_ERROR(ECONNRESET));
        return 1;
    default:
        verdict = SSL_get_verify_result(conn->ssl);
        if (verdict != X509_V_OK) {
            nmdm_tls_conn_fail(conn, "TLS: certificate verify failed: %s",
                    X509_verify_cert_error_string(verdict));
        }
        else {
            nmdm_tls_conn_fail(conn, "TLS: %s", openssl_says());
        }
        return 1;
    }
}

/* ---- Step 3: TLS ---- */

/* No terminal is asked for the password of an encrypted key. */
static int no_password(char *buf, int size, int is_for_writing, void *data)
{
    (void)buf, (void)size, (void)is_for_writing, (void)data;
    return 0;
}

static int use_certificates(SSL *ssl, const char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *x509 = PEM_read_bio_X509(in, NULL, no_password, NULL);
    int ok = x509 && SSL_use_certificate(ssl, x509) == 1;

    X509_free(x509);
    while (ok && (x509 = PEM_read_bio_X509(in, NULL, no_password, NULL))) {
        ok = SSL_add1_chain_cert(ssl, x509) == 1;
        X509_free(x509);
    }
    BIO_free(in);
    return ok;
}

static int use_key(SSL *ssl, const char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
    int ok = key && SSL_use_PrivateKey(ssl, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(in);
    return ok;
}

static int present_identity(nmdm_tls_conn_t *conn)
{
    const nmdm_server_t *to = conn->server;

    if (!to->cert_pem) {
        return 1;
    }
    if (!use_certificates(conn->ssl, to->cert_pem)
        || !use_key(conn->ssl, to->key_pem ? to->key_pem : to->cert_pem)) {
        conn->is_final = 1;
        return nmdm_tls_conn_fail(conn, "certificate or key is of no use: %s",
                       openssl_says());
    }
    ERR_clear_error();
    return 1;
}

/* The certificate must be the server's; literal addresses are not sent as
 * names (RFC 6066). */
static int expect_server(nmdm_tls_conn_t *conn)
{
    const char *host = conn->server->host;
    X509_VERIFY_PARAM *rules = SSL_get0_param(conn->ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(rules, host)) {
        return 1;
    }
    ERR_clear_error();
    return (X509_VERIFY_PARAM_set1_host(rules, host, 0)
            && SSL_set_tlsext_host_name(conn->ssl, host))
           || nmdm_tls_conn_fail(conn, "TLS: %s", openssl_says());
}

static apr_status_t free_ssl(void *ssl)
{
    SSL_free(ssl);
    return APR_SUCCESS;
}

static int begin_tls(nmdm_tls_conn_t *conn)
{
    conn->ssl = SSL_new(conn->conns->tls);
    if (!conn->ssl || !SSL_set_fd(conn->ssl, nmdm_tcp_connect_fd(conn))) {
        SSL_free(conn->ssl);
        conn->ssl = NULL;
        return nmdm_tls_conn_fail(conn, "TLS: %s", openssl_says());
    }
    apr_pool_cleanup_register(conn->pool, conn->ssl, free_ssl,
                              apr_pool_cleanup_null);
    SSL_set_connect_state(conn->ssl);
    return expect_server(conn) && present_identity(conn);
}

static int shake_hands(nmdm_tls_conn_t *conn)
{
    apr_int16_t wait = 0;
    const unsigned char *protocol = NULL;
    unsigned int len = 0;
    int ret;

    ERR_clear_error();
    ret = SSL_do_handshake(conn->ssl);
    if (ret != 1) {
        if (!tls_failed(conn, ret, &wait)) {
            nmdm_tcp_connect_watch(conn, wait);
        }
        return 0;
    }
    SSL_get0_alpn_selected(conn->ssl, &protocol, &len);
    if (len != 2 || memcmp(protocol, "h2", 2)) {
        return nmdm_tls_conn_fail(conn, "TLS: %s does not offer HTTP/2",
                       conn->server->name);
    }
    conn->step = NMDM_TLS_CONN_OPEN;
    return 1;
}

/* ---- Bytes ---- */

apr_size_t nmdm_tls_conn_read(nmdm_tls_conn_t *conn, char *buf)
{
    apr_int16_t wait = 0;
    int len;

    ERR_clear_error();
    len = SSL_read(conn->ssl, buf, NMDM_TLS_CONN_RECORD);
    if (len > 0) {
        return (apr_size_t)len;
    }
    tls_failed(conn, len, &wait);
    return 0;
}

int nmdm_tls_conn_write(nmdm_tls_conn_t *conn, const char *buf, apr_size_t len)
{
    apr_int16_t wait = 0;
    int done = 1;

    /* Without SSL_MODE_ENABLE_PARTIAL_WRITE it is all or nothing. */
    if (len) {
        ERR_clear_error();
        done = SSL_write(conn->ssl, buf, (int)len);
    }
    if (done > 0) {
        nmdm_tcp_connect_watch(conn, APR_POLLIN);
        return 1;
    }
    if (!tls_failed(conn, done, &wait)) {
        nmdm_tcp_connect_watch(conn, wait);
    }
    return 0;
}

/* ---- The course of a connection ---- */

nmdm_tls_conn_t *nmdm_tls_conn_open(nmdm_tls_conns_t *conns, apr_pool_t *p,
                                    const nmdm_server_t *server, void *owner,
                                    apr_time_t connect_until, apr_time_t now)
{
    nmdm_tls_conn_t *conn = apr_pcalloc(p, sizeof(*conn));

    conn->conns = conns;
    conn->pool = p;
    conn->server = server;
    conn->connect_until = connect_until;
    conn->watched.p = p;
    conn->watched.desc_type = APR_POLL_SOCKET;
    conn->watched.client_data = owner;
    nmdm_tcp_connect_begin(conn, now);
    return conn;
}

void nmdm_tls_conn_close(nmdm_tls_conn_t *conn)
{
    if (conn->step == NMDM_TLS_CONN_OPEN && !*conn->failure) {
        ERR_clear_error();
        SSL_shutdown(conn->ssl);
        ERR_clear_error();
    }
    nmdm_tcp_connect_forget(conn);
}

int nmdm_tls_conn_connect(nmdm_tls_conn_t *conn, apr_time_t now)
{
    switch (conn->step) {
    case NMDM_TLS_CONN_CONNECTING:
        if (!nmdm_tcp_connect_is_done(conn, now)) {
            return 0;
        }
        if (conn->conns->proxy) {
            conn->step = NMDM_TLS_CONN_ASKING_PROXY;
            return nmdm_tcp_connect_ask_proxy(conn);
        }
        conn->step = NMDM_TLS_CONN_SHAKING_HANDS;
        return begin_tls(conn) && shake_hands(conn);
    case NMDM_TLS_CONN_ASKING_PROXY:
        if (!nmdm_tcp_connect_is_admitted(conn)) {
            return 0;
        }
        conn->step = NMDM_TLS_CONN_SHAKING_HANDS;
        return begin_tls(conn) && shake_hands(conn);
    case NMDM_TLS_CONN_SHAKING_HANDS:
        return shake_hands(conn);
    default:
        return 1;
    }
}

apr_time_t nmdm_tls_conn_tick(nmdm_tls_conn_t *conn, apr_time_t now)
{
    if (now >= conn->connect_until) {
        nmdm_tcp_connect_fail(conn, "connecting to", APR_TIMEUP);
        return NMDM_NEVER;
    }
    if (conn->step != NMDM_TLS_CONN_CONNECTING || !conn->address->next) {
        return conn->connect_until;
    }
    if (now >= conn->address_until) {
        nmdm_tcp_connect_try_next(conn, APR_TIMEUP, now);
    }
    return conn->address_until;
}

const char *nmdm_tls_conn_failure(const nmdm_tls_conn_t *conn)
{
    return *conn->failure ? conn->failure : NULL;
}

int nmdm_tls_conn_failure_is_final(const nmdm_tls_conn_t *conn)
{
    return conn->is_final;
}

/* ---- What all connections share ---- */

static apr_status_t free_tls(void *tls)
{
    SSL_CTX_free(tls);
    return APR_SUCCESS;
}

/* Every certificate of a PEM text; 0 when there is none. */
static int trust(SSL_CTX *tls, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    int n = 0;
    X509 *x509;

    while ((x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        n += X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), x509);
        X509_free(x509);
    }
    BIO_free(bio);
    if (n) {
        ERR_clear_error();
    }
    return n;
}

static nmdm_err_t *make_tls(nmdm_tls_conns_t *conns, apr_pool_t *p,
                            const char *ca_pem)
{
    static const unsigned char h2[] = { 2, 'h', '2' };
    SSL_CTX *tls = conns->tls = SSL_CTX_new(TLS_client_method());

    if (!tls) {
        return nmdm_err(p, NMDM_INTERNAL, APR_SUCCESS,
                        NMDMNO(1603) "TLS for pushes: %s", openssl_says());
    }
    apr_pool_cleanup_register(p, tls, free_tls, apr_pool_cleanup_null);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    /* HTTP/2 knows by itself whether something was cut off. */
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION
                             | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_alpn_protos(tls, h2, sizeof(h2));
    if (ca_pem ? !trust(tls, ca_pem)
               : !SSL_CTX_set_default_verify_paths(tls)) {
        return nmdm_err(p, NMDM_INTERNAL, APR_SUCCESS,
                        NMDMNO(1604) "certificates to verify the push server"
                        " (%s): %s", ca_pem ? "given as PEM" : "the system's",
                        openssl_says());
    }
    return NULL;
}

nmdm_err_t *nmdm_tls_conns_create(nmdm_tls_conns_t **out, apr_pool_t *p,
                                  const char *ca_pem, const char *proxy,
                                  apr_pollset_t *pollset)
{
    nmdm_tls_conns_t *conns = apr_pcalloc(p, sizeof(*conns));

    conns->pollset = pollset;
    NMDM_TRY(nmdm_tcp_connect_read_proxy(conns, p, proxy));
    NMDM_TRY(make_tls(conns, p, ca_pem));
    *out = conns;
    return NULL;
}
