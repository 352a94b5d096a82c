/* SPDX-License-Identifier: Apache-2.0 */
/* child.h -- what the files of a child process share: its sites,
 * who lends them connections, and the threads that work without a request. */

#ifndef MOD_NANOMDM_CHILD_H
#define MOD_NANOMDM_CHILD_H

#include "httpd/mod_nanomdm.h"
#include "net/apns_client.h"
#include "net/circuit_breaker.h"
#include "net/http_client.h"
#include "base/counters.h"
#include "webhook/relay.h"
#include "base/once_daily.h"
#include "db/db.h"
#include "jobs/rekey.h"
#include "storage/last_seen.h"

/* A server or virtual host with handlers of ours, in this child. */
struct nanomdm_site_t {
    server_rec *server;
    nmdm_db_source_t *db_source;
    nmdm_policy_t policy;       /* of work without a request */
    nmdm_push_conf_t push;
    nanomdm_dbd_cache_t *shelf;     /* shared by those on one database */
    nmdm_last_seen_t *seen;
    nmdm_once_daily_t *daily;
    nmdm_circuit_breaker_t *breaker;
    nmdm_stats_cache_t *totals;
    nmdm_rekey_t *sealer;      /* NULL without NanoMDMStorageKey */
    nmdm_apns_client_t *apns;
    nmdm_http_client_t *http;
    nmdm_relay_t *relay;    /* of the child, or NULL */
    const int *number_of_sites; /* of this child */
};

/* ---- httpd/child.c ---- */

/* For work without a request: in p, with the time of now. */
nmdm_ctx_t *nanomdm_site_context(nanomdm_site_t *site, apr_pool_t *p);

/* ---- httpd/dbd.c: connections of mod_dbd, lent out ---- */

/* Once in each child, before the rest. 0 when mod_dbd is not loaded. */
int nanomdm_dbd_init(void);
/* What a shelf closes its connections with. */
void nanomdm_dbd_close(nanomdm_dbd_conn_t loan);
/* Lends connections to the database of s, by way of the shelf. Its wal is the
 * caller's to make. NULL when there is no mutex. */
nmdm_db_source_t *nanomdm_dbd_create(apr_pool_t *pchild, server_rec *s,
                                     nanomdm_dbd_cache_t *shelf);

/* ---- httpd/background.c: work without a request ---- */

typedef struct nanomdm_background_t nanomdm_background_t;
/* Starts the threads that work for these sites (nanomdm_site_t *); they end
 * with pchild, before mod_dbd's connections do. NULL when they cannot start,
 * which is in the log of s. */
nanomdm_background_t *nanomdm_background_start(apr_pool_t *pchild,
                                               const apr_array_header_t *sites,
                                               server_rec *s);
/* Other children have the configuration now. */
void nanomdm_background_stop_jobs(nanomdm_background_t *threads);

#endif /* MOD_NANOMDM_CHILD_H */
