/* SPDX-License-Identifier: Apache-2.0 */
/* tls_conn.h -- bytes to and from a server: TCP, perhaps through a proxy, and
 * TLS with ALPN "h2". The lowest part of nmdm_apns.
 *
 * A wire belongs to one thread and waits for nothing but the lookup of a
 * name. Once it has trouble it is of no use any more. */

#ifndef NMDM_WIRE_H
#define NMDM_WIRE_H

#include "base/context.h"

#include <apr_network_io.h>
#include <apr_poll.h>

typedef struct nmdm_wire_t nmdm_wire_t;
typedef struct nmdm_wires_t nmdm_wires_t;

#define NMDM_TROUBLE_MOST 192   /* room for a text */
#define NMDM_NEVER APR_INT64_MAX

/* Where a wire goes, and as whom. */
typedef struct {
    const char *name;           /* host:port, for texts and CONNECT */
    const char *host;
    apr_port_t port;
    const char *cert_pem, *key_pem;     /* or NULL */
} nmdm_server_t;

/* What all wires share. ca_pem: PEM, NULL for the system's; proxy:
 * http://[user:password@]host:port or NULL. */
nmdm_err_t *nmdm_wires_create(nmdm_wires_t **out, apr_pool_t *p,
                              const char *ca_pem, const char *proxy,
                              apr_pollset_t *pollset);

/* Begins to connect; it must be usable by connect_until. owner comes back as
 * the pollset's client_data. server and p outlive the wire. */
nmdm_wire_t *nmdm_wire_open(nmdm_wires_t *wires, apr_pool_t *p,
                            const nmdm_server_t *server, void *owner,
                            apr_time_t connect_until, apr_time_t now);

/* Before p ends. */
void nmdm_wire_close(nmdm_wire_t *wire);

/* To be called when the pollset says so, until it returns 1: there may be
 * read and written. */
int nmdm_wire_connect(nmdm_wire_t *wire, apr_time_t now);

/* Time-outs, while it is not usable. Returns when to call again. */
apr_time_t nmdm_wire_tick(nmdm_wire_t *wire, apr_time_t now);

/* Returns how many bytes were read, 0 when none are there now or ever. A
 * buffer of NMDM_WIRE_RECORD bytes is always enough to leave none behind that
 * the pollset would not tell of. */
#define NMDM_WIRE_RECORD 16384
apr_size_t nmdm_wire_read(nmdm_wire_t *wire, char *buf);

/* Writes all and returns 1, or returns 0: the same bytes are to be written
 * again when the pollset says so. */
int nmdm_wire_write(nmdm_wire_t *wire, const char *buf, apr_size_t len);

/* Notes what went wrong, unless something did before: what follows follows
 * from that. Returns 0. */
int nmdm_wire_fail(nmdm_wire_t *wire, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What went wrong, one line; NULL while the wire is of use. */
const char *nmdm_wire_trouble(const nmdm_wire_t *wire);
/* Would every other wire to this server fail in the same way? */
int nmdm_wire_is_hopeless(const nmdm_wire_t *wire);

#endif /* NMDM_WIRE_H */
