/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_connect.h -- for tls_conn.c: the way to a server before TLS.
 *
 * A connection belongs to one thread. What returns 0 for a failure has noted
 * it with nmdm_tls_conn_fail; times are on the steady clock. */

#ifndef NMDM_TCP_CONNECT_H
#define NMDM_TCP_CONNECT_H

#include "net/tls_conn.h"

struct ssl_st;
struct ssl_ctx_st;

typedef enum {
    NMDM_TLS_CONN_CONNECTING,
    NMDM_TLS_CONN_ASKING_PROXY,
    NMDM_TLS_CONN_SHAKING_HANDS,
    NMDM_TLS_CONN_OPEN
} nmdm_tls_conn_step_e;

struct nmdm_tls_conns_t {
    apr_pollset_t *pollset;
    struct ssl_ctx_st *tls;
    const char *proxy;          /* host:port, or NULL */
    const char *proxy_host, *proxy_login;
    apr_port_t proxy_port;
};

struct nmdm_tls_conn_t {
    nmdm_tls_conns_t *conns;
    apr_pool_t *pool;
    const nmdm_server_t *server;
    nmdm_tls_conn_step_e step;
    apr_time_t connect_until;

    apr_sockaddr_t *address;    /* being tried, or connected to */
    apr_time_t address_until;
    apr_socket_t *socket;
    apr_pollfd_t watched;
    int is_watched;

    char *head;                 /* of the proxy's answer */
    apr_size_t head_len;
    struct ssl_st *ssl;
    int is_final;
    char failure[NMDM_FAILURE_MOST];    /* "" while there is none */
};

/* Looks up the server or its proxy and begins to connect; blocks for as long
 * as the resolver takes. */
void nmdm_tcp_connect_begin(nmdm_tls_conn_t *conn, apr_time_t now);

/* Whether it is connected; to be asked after the pollset spoke. Otherwise it
 * tries the next address, or has failed. */
int nmdm_tcp_connect_is_done(nmdm_tls_conn_t *conn, apr_time_t now);

/* The address failed with rv: tries those that follow it. */
void nmdm_tcp_connect_try_next(nmdm_tls_conn_t *conn, apr_status_t rv,
                               apr_time_t now);

/* Closes the socket, so that another address can be tried. */
void nmdm_tcp_connect_forget(nmdm_tls_conn_t *conn);

/* Sends CONNECT (RFC 9110 9.3.6) to the proxy. Returns 0: the answer is
 * outstanding. */
int nmdm_tcp_connect_ask_proxy(nmdm_tls_conn_t *conn);

/* Whether the proxy answered 2xx; 0 also while the answer is incomplete. */
int nmdm_tcp_connect_is_admitted(nmdm_tls_conn_t *conn);

/* Reads http://[user:password@]host:port into connections; in p. */
nmdm_err_t *nmdm_tcp_connect_read_proxy(nmdm_tls_conns_t *conns, apr_pool_t *p,
                                        const char *url);

/* Which events the pollset reports: APR_POLLIN, APR_POLLOUT or both. */
void nmdm_tcp_connect_watch(nmdm_tls_conn_t *conn, apr_int16_t events);
void nmdm_tcp_connect_unwatch(nmdm_tls_conn_t *conn);

/* The descriptor of the socket. */
int nmdm_tcp_connect_fd(const nmdm_tls_conn_t *conn);

/* Notes a failure of the system while `doing`; returns 0. */
int nmdm_tcp_connect_fail(nmdm_tls_conn_t *conn, const char *doing,
                          apr_status_t rv);

#endif /* NMDM_TCP_CONNECT_H */
