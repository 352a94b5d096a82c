/* SPDX-License-Identifier: Apache-2.0 */
/* chain.h -- any valid path from a certificate to a trust anchor. */

#ifndef NMDM_CHAIN_H
#define NMDM_CHAIN_H

#include "base/context.h"

#include <openssl/x509.h>

/* Signature checks for one verdict: what a stranger's certificate may cost,
 * however many certificates of one name are listed. */
#define NMDM_CHAIN_MAX_CHECKS 32

/* Certificates in a path, the first and the anchor included. */
#define NMDM_CHAIN_MAX_LENGTH 16

/* The CA certificates of a server. Every anchor is one whether or not it
 * signed itself (behaviour specification 1.8). Shared between threads once it
 * is filled. */
typedef struct {
    X509_STORE *store;          /* the rules of verification, no certificate */
    STACK_OF(X509) *anchors;
    STACK_OF(X509) *intermediates;      /* or NULL */
    const char *anchors_file;   /* for messages */
    const char *intermediates_file;     /* or NULL */
} nmdm_chain_cas_t;

/* A path that was found: [0] is the certificate, the last one an anchor. The
 * certificates belong to nmdm_chain_cas_t, or to the caller. */
typedef struct {
    X509 *certs[NMDM_CHAIN_MAX_LENGTH];
    int len;
    X509 *issuer;               /* whose key made the signature of [0]; NULL
                                 * where it is an anchor itself and its issuer
                                 * is not listed */
} nmdm_chain_t;

/* Sets the rules in cas->store, which is new. */
void nmdm_chain_set_rules(X509_STORE *store);

/* Searches for a path on which everything is valid at `now`, but for the end
 * of x509 itself up to `grace` ago; in any order of the files, and whatever
 * the authority key identifiers say. NMDM_INVALID when there is none, which
 * names certificate, reason and files. */
nmdm_err_t *nmdm_chain_find(nmdm_chain_t *out, apr_pool_t *p,
                            const nmdm_chain_cas_t *cas, X509 *x509,
                            apr_time_t now, apr_interval_time_t grace);

#endif /* NMDM_CHAIN_H */
