/* SPDX-License-Identifier: Apache-2.0 */
/* status.h -- handler nanomdm-status. */

#ifndef NANOMDM_STATUS_H
#define NANOMDM_STATUS_H

#include "api/db_stats.h"
#include "base/context.h"
#include "base/time.h"

#include <httpd.h>

#include <string.h>

/* From these on something is likely wrong: what the database takes for a row;
 * the age of a command, and, in seconds, of a change of declarations whose
 * devices are not notified yet; events that wait for a receiver. */
#define NANOMDM_HIGH_LATENCY apr_time_from_msec(250)
#define NANOMDM_OLD_COMMAND (7 * NMDM_TIME_DAY)
#define NANOMDM_OLD_CHANGE 600
#define NANOMDM_LARGE_BACKLOG 100

typedef struct {
    apr_time_t now;
    nmdm_counters_t *counters;
    nmdm_db_stats_t db;
    const char *failure;        /* why db is not known, or NULL */
    const char *issuer, *former;        /* SHA-256 of this server's
                                         * issuers, or NULL */
} nanomdm_status_t;

/* What an issuer is to this server: "the issuer", "the former issuer" or
 * NULL. */
static inline const char *nanomdm_status_issuer(const nanomdm_status_t *status,
                                                const char *sha256)
{
    return status->issuer && !strcmp(status->issuer, sha256)
        ? "the issuer"
        : status->former && !strcmp(status->former, sha256)
        ? "the former issuer" : NULL;
}

/* The handler nanomdm-status: HTML, JSON or Prometheus text. */
int nanomdm_status_handler(request_rec *r);

#endif /* NANOMDM_STATUS_H */
