/* SPDX-License-Identifier: Apache-2.0 */
/* tls_conn.h -- bytes to and from a server: TCP, perhaps through a proxy, and
 * TLS with ALPN "h2". The lowest part of net/apns_client.c.
 *
 * A connection belongs to one thread and waits for nothing but the lookup of a
 * name. Once it has failed it is of no use: close it, open another. */

#ifndef NMDM_TLS_CONN_H
#define NMDM_TLS_CONN_H

#include "base/context.h"

#include <apr_network_io.h>
#include <apr_poll.h>

typedef struct nmdm_tls_conn_t nmdm_tls_conn_t;
typedef struct nmdm_tls_conns_t nmdm_tls_conns_t;

#define NMDM_FAILURE_MOST 192   /* room for a text */
#define NMDM_NEVER APR_INT64_MAX

/* The server of a connection, and the client's identity. */
typedef struct {
    const char *name;           /* host:port, for texts and CONNECT */
    const char *host;
    apr_port_t port;
    const char *cert_pem, *key_pem;     /* or NULL */
} nmdm_server_t;

/* What all connections share. ca_pem: PEM, NULL for the system's; proxy:
 * http://[user:password@]host:port or NULL. */
nmdm_err_t *nmdm_tls_conns_create(nmdm_tls_conns_t **out, apr_pool_t *p,
                                  const char *ca_pem, const char *proxy,
                                  apr_pollset_t *pollset);

/* Begins to connect; it must be usable by connect_until. owner becomes the
 * pollset's client_data. server and p outlive the connection. */
nmdm_tls_conn_t *nmdm_tls_conn_open(nmdm_tls_conns_t *conns, apr_pool_t *p,
                                    const nmdm_server_t *server, void *owner,
                                    apr_time_t connect_until, apr_time_t now);

/* Before p ends. */
void nmdm_tls_conn_close(nmdm_tls_conn_t *conn);

/* To be called when the pollset says so, until it returns 1: there may be
 * read and written. */
int nmdm_tls_conn_connect(nmdm_tls_conn_t *conn, apr_time_t now);

/* Time-outs, while it is not usable. Returns when to call again. */
apr_time_t nmdm_tls_conn_tick(nmdm_tls_conn_t *conn, apr_time_t now);

/* Returns how many bytes were read, 0 when none are there now or ever. A
 * buffer of NMDM_TLS_CONN_RECORD bytes always holds all that was decrypted, of
 * which the pollset would not report the rest. */
#define NMDM_TLS_CONN_RECORD 16384
apr_size_t nmdm_tls_conn_read(nmdm_tls_conn_t *conn, char *buf);

/* Writes all and returns 1, or returns 0: the same bytes are to be written
 * again when the pollset says so. */
int nmdm_tls_conn_write(nmdm_tls_conn_t *conn, const char *buf,
                        apr_size_t len);

/* Notes what went wrong, unless something did before: what follows follows
 * from that. Returns 0. */
int nmdm_tls_conn_fail(nmdm_tls_conn_t *conn, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What went wrong, one line; NULL while the connection is of use. */
const char *nmdm_tls_conn_failure(const nmdm_tls_conn_t *conn);
/* Whether every other connection to this server would fail in the same way. */
int nmdm_tls_conn_failure_is_final(const nmdm_tls_conn_t *conn);

#endif /* NMDM_TLS_CONN_H */
