/* SPDX-License-Identifier: Apache-2.0 */
/* site.h -- a server or virtual host with handlers of ours, in one child: what
 * it owns, and what a request borrows of it. */

#ifndef NANOMDM_SITE_H
#define NANOMDM_SITE_H

#include "httpd/dbd_cache.h"
#include "api/db_stats.h"
#include "base/context.h"
#include "base/once_daily.h"
#include "db/db.h"
#include "jobs/rekey.h"
#include "net/apns_client.h"
#include "net/circuit_breaker.h"
#include "net/http_client.h"
#include "net/waiters.h"
#include "push/apns_message.h"
#include "storage/last_seen.h"
#include "webhook/relay.h"

#include <httpd.h>

/* A server or virtual host with handlers of ours, in this child. */
typedef struct nanomdm_site_t {
    server_rec *server;
    nmdm_services_t services;   /* what its requests use */
    nmdm_policy_t policy;       /* of work without a request */
    nmdm_push_conf_t push;
    nanomdm_dbd_cache_t *dbd_cache;     /* shared by those on one database */
    nmdm_rekey_t *rekey;        /* NULL without NanoMDMStorageKey */
    apr_time_t scep_cleaned;    /* on the steady clock: the last time */
    apr_time_t notify_failed;   /* likewise: the last line about it */
    const int *number_of_sites; /* of this child */
} nanomdm_site_t;

/* For work without a request: in p, with the time of now. */
nmdm_ctx_t *nanomdm_site_context(nanomdm_site_t *site, apr_pool_t *p);

#endif /* NANOMDM_SITE_H */
