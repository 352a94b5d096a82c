/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_connect.c -- the way to a server before TLS: lookup, TCP, and CONNECT at
 * a proxy. */

#include "net/tcp_connect.h"
#include "net/tls_conn.h"

#include <apr_network_io.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_uri.h>

#include <string.h>
#include <sys/socket.h>

/* For one address, when there are more. */
#define ADDRESS_WITHIN apr_time_from_sec(3)
#define MAX_HEAD 4096           /* of a proxy's answer */

int nmdm_tls_conn_fail(nmdm_tls_conn_t *wire, const char *fmt, ...)
{
    va_list args;

    if (!*wire->trouble) {
        va_start(args, fmt);
        apr_vsnprintf(wire->trouble, sizeof(wire->trouble), fmt, args);
        va_end(args);
    }
    return 0;
}

int nmdm_tcp_connect_fail(nmdm_tls_conn_t *wire, const char *doing,
                          apr_status_t rv)
{
    char text[100];

    return nmdm_tls_conn_fail(wire, "%s %s: %s", doing,
                   wire->step == NMDM_TLS_CONN_CONNECTING && wire->wires->proxy
                       ? wire->wires->proxy : wire->server->name,
                   apr_strerror(rv, text, sizeof(text)));
}

/* ---- What the pollset looks for ---- */

void nmdm_tcp_connect_unwatch(nmdm_tls_conn_t *wire)
{
    if (wire->is_watched) {
        apr_pollset_remove(wire->wires->pollset, &wire->watched);
        wire->is_watched = 0;
    }
}

void nmdm_tcp_connect_watch(nmdm_tls_conn_t *wire, apr_int16_t events)
{
    apr_status_t rv;

    if (wire->is_watched && wire->watched.reqevents == events) {
        return;
    }
    nmdm_tcp_connect_unwatch(wire);
    wire->watched.reqevents = events;
    rv = apr_pollset_add(wire->wires->pollset, &wire->watched);
    if (rv != APR_SUCCESS) {
        nmdm_tcp_connect_fail(wire, "watching", rv);
        return;
    }
    wire->is_watched = 1;
}

/* ---- Step 1: TCP ---- */

void nmdm_tcp_connect_forget(nmdm_tls_conn_t *wire)
{
    nmdm_tcp_connect_unwatch(wire);
    if (wire->socket) {
        apr_socket_close(wire->socket);
        wire->socket = NULL;
    }
}

/* Begins to connect to wire->address. */
static apr_status_t begin_connect(nmdm_tls_conn_t *wire, apr_time_t now)
{
    apr_status_t rv;

    wire->address_until = now + ADDRESS_WITHIN;
    rv = apr_socket_create(&wire->socket, wire->address->family, SOCK_STREAM,
                           APR_PROTO_TCP, wire->pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_socket_opt_set(wire->socket, APR_TCP_NODELAY, 1);
    apr_socket_timeout_set(wire->socket, 0);
    rv = apr_socket_connect(wire->socket, wire->address);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EINPROGRESS(rv)) {
        return rv;
    }
    wire->watched.desc.s = wire->socket;
    nmdm_tcp_connect_watch(wire, APR_POLLOUT);
    return APR_SUCCESS;
}

/* The address failed with rv: tries those behind it. */
void nmdm_tcp_connect_try_next(nmdm_tls_conn_t *wire, apr_status_t rv,
                               apr_time_t now)
{
    while (rv != APR_SUCCESS && wire->address->next) {
        nmdm_tcp_connect_forget(wire);
        wire->address = wire->address->next;
        rv = begin_connect(wire, now);
    }
    if (rv != APR_SUCCESS) {
        nmdm_tcp_connect_fail(wire, wire->wires->proxy ? "connecting to proxy"
                                                        : "connecting to", rv);
    }
}

void nmdm_tcp_connect_begin(nmdm_tls_conn_t *wire, apr_time_t now)
{
    const char *proxy = wire->wires->proxy;
    apr_status_t rv;

    /* This blocks the thread for as long as the resolver takes, and thereby
     * all other links; names of push servers are few and mostly cached. */
    rv = apr_sockaddr_info_get(&wire->address,
                               proxy ? wire->wires->proxy_host
                                     : wire->server->host,
                               APR_UNSPEC,
                               proxy ? wire->wires->proxy_port
                                     : wire->server->port,
                               0, wire->pool);
    if (rv != APR_SUCCESS) {
        nmdm_tcp_connect_fail(wire, "looking up", rv);
        return;
    }
    rv = begin_connect(wire, now);
    if (rv != APR_SUCCESS) {
        nmdm_tcp_connect_try_next(wire, rv, now);
    }
}

int nmdm_tcp_connect_fd(const nmdm_tls_conn_t *wire)
{
    int fd = -1;

    apr_os_sock_get(&fd, wire->socket);
    return fd;
}

/* Only to be asked after the pollset spoke. */
int nmdm_tcp_connect_is_done(nmdm_tls_conn_t *wire, apr_time_t now)
{
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(nmdm_tcp_connect_fd(wire), SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        nmdm_tcp_connect_try_next(wire, APR_FROM_OS_ERROR(error), now);
        return 0;
    }
    return 1;
}

/* ---- Step 2: the proxy ---- */

/* A request this small goes out whole on a new connection, or never. Returns
 * 0: the answer comes later. */
int nmdm_tcp_connect_ask_proxy(nmdm_tls_conn_t *wire)
{
    const char *login = wire->wires->proxy_login;
    const char *name = wire->server->name;
    const char *text;
    apr_size_t len;
    apr_status_t rv;

    text = apr_pstrcat(wire->pool, "CONNECT ", name, " HTTP/1.1\r\nHost: ",
                       name, "\r\n",
                       login ? "Proxy-Authorization: Basic " : "",
                       login ? login : "", login ? "\r\n" : "",
                       "\r\n", NULL);
    len = strlen(text);
    rv = apr_socket_send(wire->socket, text, &len);
    if (rv != APR_SUCCESS || len != strlen(text)) {
        return nmdm_tls_conn_fail(wire, "proxy %s took no request",
                       wire->wires->proxy);
    }
    nmdm_tcp_connect_watch(wire, APR_POLLIN);
    return 0;
}

/* Behind the head comes nothing: in TLS the client speaks first. */
int nmdm_tcp_connect_is_admitted(nmdm_tls_conn_t *wire)
{
    apr_size_t len = MAX_HEAD - wire->head_len;
    apr_status_t rv;
    char *head;

    if (!wire->head) {
        wire->head = apr_palloc(wire->pool, MAX_HEAD + 1);
    }
    head = wire->head;
    rv = apr_socket_recv(wire->socket, head + wire->head_len, &len);
    if (APR_STATUS_IS_EAGAIN(rv)) {
        return 0;
    }
    wire->head_len += len;
    head[wire->head_len] = '\0';
    if (rv != APR_SUCCESS || wire->head_len == MAX_HEAD) {
        return nmdm_tls_conn_fail(wire, "proxy %s gave no answer",
                                  wire->wires->proxy);
    }
    if (!strstr(head, "\r\n\r\n")) {
        return 0;
    }
    if (strncmp(head, "HTTP/1.", 7) || strncmp(head + 8, " 2", 2)) {
        return nmdm_tls_conn_fail(wire, "proxy %s refused: %.*s",
                                  wire->wires->proxy,
                                  (int)strcspn(head, "\r\n"), head);
    }
    return 1;
}

nmdm_err_t *nmdm_tcp_connect_read_proxy(nmdm_tls_conns_t *wires, apr_pool_t *p,
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
    wires->proxy_host = uri.hostname;
    wires->proxy_port = uri.port ? uri.port : 80;
    wires->proxy = apr_psprintf(p, "%s:%hu", uri.hostname,
                                wires->proxy_port);
    if (uri.user) {
        login.data = apr_pstrcat(p, uri.user, ":",
                                 uri.password ? uri.password : "", NULL);
        login.len = strlen(login.data);
        wires->proxy_login = nmdm_base64_encode(p, login);
    }
    return NULL;
}
