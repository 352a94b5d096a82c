/* SPDX-License-Identifier: Apache-2.0 */
/* status_prometheus.h -- the status in the text format of Prometheus. */

#ifndef NANOMDM_STATUS_PROMETHEUS_H
#define NANOMDM_STATUS_PROMETHEUS_H

#include "httpd/status.h"

/* The figures in the text format of Prometheus, version 0.0.4, in p. */
nmdm_bytes_t nanomdm_status_prometheus(apr_pool_t *p,
                                       const nanomdm_status_t *status);

#endif /* NANOMDM_STATUS_PROMETHEUS_H */
