/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_connect.c -- the way to a server before TLS: lookup, TCP, and CONNECT at
 * a proxy. */

#include "net/tcp_connect.h"
#include "net/tls_conn.h"

#include <apr_escape.h>
#include <apr_network_io.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_uri.h>

#include <string.h>
#include <sys/socket.h>

/* For one address, when there are more. */
#define ADDRESS_WITHIN apr_time_from_sec(3)
#define MAX_HEAD 4096           /* of a proxy's answer */

int nmdm_tls_conn_fail(nmdm_tls_conn_t *conn, const char *fmt, ...)
{
    va_list args;

    if (!*conn->failure) {
        va_start(args, fmt);
        apr_vsnprintf(conn->failure, sizeof(conn->failure), fmt, args);
        va_end(args);
    }
    return 0;
}

int nmdm_tcp_connect_fail(nmdm_tls_conn_t *conn, const char *doing,
                          apr_status_t rv)
{
    char text[100];

    return nmdm_tls_conn_fail(conn, "%s %s: %s", doing,
                   conn->step == NMDM_TLS_CONN_CONNECTING && conn->conns->proxy
                       ? conn->conns->proxy : conn->server->name,
                   apr_strerror(rv, text, sizeof(text)));
}

/* ---- What the pollset looks for ---- */

void nmdm_tcp_connect_unwatch(nmdm_tls_conn_t *conn)
{
    if (conn->is_watched) {
        apr_pollset_remove(conn->conns->pollset, &conn->watched);
        conn->is_watched = 0;
    }
}

void nmdm_tcp_connect_watch(nmdm_tls_conn_t *conn, apr_int16_t events)
{
    apr_status_t rv;

    if (conn->is_watched && conn->watched.reqevents == events) {
        return;
    }
    nmdm_tcp_connect_unwatch(conn);
    conn->watched.reqevents = events;
    rv = apr_pollset_add(conn->conns->pollset, &conn->watched);
    if (rv != APR_SUCCESS) {
        nmdm_tcp_connect_fail(conn, "watching", rv);
        return;
    }
    conn->is_watched = 1;
}

/* ---- Step 1: TCP ---- */

void nmdm_tcp_connect_forget(nmdm_tls_conn_t *conn)
{
    nmdm_tcp_connect_unwatch(conn);
    if (conn->socket) {
        apr_socket_close(conn->socket);
        conn->socket = NULL;
    }
}

/* Begins to connect to connection->address. */
static apr_status_t begin_connect(nmdm_tls_conn_t *conn, apr_time_t now)
{
    apr_status_t rv;

    conn->address_until = now + ADDRESS_WITHIN;
    rv = apr_socket_create(&conn->socket, conn->address->family, SOCK_STREAM,
                           APR_PROTO_TCP, conn->pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_socket_opt_set(conn->socket, APR_TCP_NODELAY, 1);
    apr_socket_timeout_set(conn->socket, 0);
    rv = apr_socket_connect(conn->socket, conn->address);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EINPROGRESS(rv)) {
        return rv;
    }
    conn->watched.desc.s = conn->socket;
    nmdm_tcp_connect_watch(conn, APR_POLLOUT);
    return APR_SUCCESS;
}

/* The address failed with rv: tries those after it. */
void nmdm_tcp_connect_try_next(nmdm_tls_conn_t *conn, apr_status_t rv,
                               apr_time_t now)
{
    while (rv != APR_SUCCESS && conn->address->next) {
        nmdm_tcp_connect_forget(conn);
        conn->address = conn->address->next;
        rv = begin_connect(conn, now);
    }
    if (rv != APR_SUCCESS) {
        nmdm_tcp_connect_fail(conn, conn->conns->proxy ? "connecting to proxy"
                                                        : "connecting to", rv);
    }
}

void nmdm_tcp_connect_begin(nmdm_tls_conn_t *conn, apr_time_t now)
{
    const char *proxy = conn->conns->proxy;
    apr_status_t rv;

    /* This blocks the thread for as long as the resolver takes, and thereby
     * all other connections; names of push servers are few and mostly cached.
     */
    rv = apr_sockaddr_info_get(&conn->address,
                               proxy ? conn->conns->proxy_host
                                     : conn->server->host,
                               APR_UNSPEC,
                               proxy ? conn->conns->proxy_port
                                     : conn->server->port,
                               0, conn->pool);
    if (rv != APR_SUCCESS) {
        nmdm_tcp_connect_fail(conn, "looking up", rv);
        return;
    }
    rv = begin_connect(conn, now);
    if (rv != APR_SUCCESS) {
        nmdm_tcp_connect_try_next(conn, rv, now);
    }
}

int nmdm_tcp_connect_fd(const nmdm_tls_conn_t *conn)
{
    int fd = -1;

    apr_os_sock_get(&fd, conn->socket);
    return fd;
}

/* Only to be asked after the pollset spoke. */
int nmdm_tcp_connect_is_done(nmdm_tls_conn_t *conn, apr_time_t now)
{
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(nmdm_tcp_connect_fd(conn), SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        nmdm_tcp_connect_try_next(conn, APR_FROM_OS_ERROR(error), now);
        return 0;
    }
    return 1;
}

/* ---- Step 2: the proxy ---- */

/* A request this small goes out whole on a new connection, or never. Returns
 * 0: the answer arrives later. */
int nmdm_tcp_connect_ask_proxy(nmdm_tls_conn_t *conn)
{
    const char *login = conn->conns->proxy_login;
    const char *name = conn->server->name;
    const char *text;
    apr_size_t len;
    apr_status_t rv;

    text = apr_pstrcat(conn->pool, "CONNECT ", name, " HTTP/1.1\r\nHost: ",
                       name, "\r\n",
                       login ? "Proxy-Authorization: Basic " : "",
                       login ? login : "", login ? "\r\n" : "",
                       "\r\n", NULL);
    len = strlen(text);
    rv = apr_socket_send(conn->socket, text, &len);
    if (rv != APR_SUCCESS || len != strlen(text)) {
        return nmdm_tls_conn_fail(conn, "proxy %s took no request",
                       conn->conns->proxy);
    }
    nmdm_tcp_connect_watch(conn, APR_POLLIN);
    return 0;
}

/* Nothing follows the head: in TLS the client speaks first. */
int nmdm_tcp_connect_is_admitted(nmdm_tls_conn_t *conn)
{
    apr_size_t len = MAX_HEAD - conn->head_len;
    apr_status_t rv;
    char *head;

    if (!conn->head) {
        conn->head = apr_palloc(conn->pool, MAX_HEAD + 1);
    }
    head = conn->head;
    rv = apr_socket_recv(conn->socket, head + conn->head_len, &len);
    if (APR_STATUS_IS_EAGAIN(rv)) {
        return 0;
    }
    conn->head_len += len;
    head[conn->head_len] = '\0';
    if (rv != APR_SUCCESS || conn->head_len == MAX_HEAD) {
        return nmdm_tls_conn_fail(conn, "proxy %s gave no answer",
                                  conn->conns->proxy);
    }
    if (!strstr(head, "\r\n\r\n")) {
        return 0;
    }
    if (strncmp(head, "HTTP/1.", 7) || strncmp(head + 8, " 2", 2)) {
        return nmdm_tls_conn_fail(conn, "proxy %s refused: %.*s",
                                  conn->conns->proxy,
                                  (int)strcspn(head, "\r\n"), head);
    }
    return 1;
}

/* A part of a URL, as it was before it was written there (RFC 3986, 2.4); as it
 * is, if it cannot have been escaped. */
static const char *unescaped(apr_pool_t *p, const char *part)
{
    const char *plain = part ? apr_punescape_url(p, part, NULL, NULL, 0) : "";

    return plain ? plain : part;
}

nmdm_err_t *nmdm_tcp_connect_read_proxy(nmdm_tls_conns_t *conns, apr_pool_t *p,
                                        const char *url)
{
    apr_uri_t uri;
    nmdm_bytes_t login;

    if (!url) {
        return NULL;
    }
    if (apr_uri_parse(p, url, &uri) != APR_SUCCESS || !uri.scheme
        || strcmp(uri.scheme, "http") || !uri.hostname || !*uri.hostname) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(1606) "the push proxy is not http://host:port");
    }
    conns->proxy_host = uri.hostname;
    conns->proxy_port = uri.port ? uri.port : 80;
    conns->proxy = apr_psprintf(p, "%s:%hu", uri.hostname,
                                conns->proxy_port);
    if (uri.user) {
        login.data = apr_pstrcat(p, unescaped(p, uri.user), ":",
                                 unescaped(p, uri.password), NULL);
        login.len = strlen(login.data);
        conns->proxy_login = nmdm_base64_encode(p, login);
    }
    return NULL;
}
