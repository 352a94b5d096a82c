/* SPDX-License-Identifier: Apache-2.0 */
/* findings.h -- what is found wrong while the server starts, each thing once
 * with all its places. */

#ifndef NANOMDM_FINDINGS_H
#define NANOMDM_FINDINGS_H

#include <httpd.h>
#include <http_config.h>

typedef struct {
    apr_pool_t *pool;           /* gone after the check */
    apr_array_header_t *all;    /* internal */
    int errors;                 /* with which the server must not start */
} nanomdm_findings_t;

/* An empty list, in p. */
void nanomdm_findings_init(nanomdm_findings_t *findings, apr_pool_t *p);

/* Remembers a text, whose first word is its tag, and the place: at or NULL.
 * level is one of httpd's; APLOG_ERR counts as an error. */
void nanomdm_findings_add(nanomdm_findings_t *findings, int level,
                          const ap_directive_t *at, const char *text);

/* Logs each text once, followed by its places as "(FILE:LINE, FILE:LINE)".
 * Warnings are left out when the configuration is read again, as
 * nanomdm_is_first_reading says. */
void nanomdm_findings_log(const nanomdm_findings_t *findings, server_rec *s);

#endif /* NANOMDM_FINDINGS_H */
