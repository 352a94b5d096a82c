/* SPDX-License-Identifier: Apache-2.0 */
/* status.h -- handler nanomdm-status. */

#ifndef NANOMDM_STATUS_H
#define NANOMDM_STATUS_H

#include "api/db_stats.h"
#include "base/context.h"

#include <httpd.h>

typedef struct {
    apr_time_t now;
    nmdm_counters_t *counters;
    nmdm_db_stats_t db;
    const char *trouble;        /* why db is not known, or NULL */
} nanomdm_status_t;

/* The handler nanomdm-status: HTML, JSON or Prometheus text. */
int nanomdm_status_handler(request_rec *r);

#endif /* NANOMDM_STATUS_H */
