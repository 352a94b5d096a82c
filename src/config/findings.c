/* SPDX-License-Identifier: Apache-2.0 */
/* findings.c -- what is found wrong while the server starts: each virtual host
 * is judged by itself, and several are often wrong in one way. */

#include "config/findings.h"
#include "config/config.h"
#include "config/parse.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

typedef struct {
    int level;
    const char *text;
    apr_array_header_t *places; /* of const char * */
} finding_t;

void nanomdm_findings_init(nanomdm_findings_t *findings, apr_pool_t *p)
{
    findings->pool = p;
    findings->all = apr_array_make(p, 8, sizeof(finding_t));
    findings->errors = 0;
}

static finding_t *find(const nanomdm_findings_t *findings, const char *text)
{
    int i;

    for (i = 0; i < findings->all->nelts; i++) {
        finding_t *finding = &APR_ARRAY_IDX(findings->all, i, finding_t);

        if (!strcmp(finding->text, text)) {
            return finding;
        }
    }
    return NULL;
}

static int has_place(const finding_t *finding, const char *place)
{
    int i;

    for (i = 0; i < finding->places->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(finding->places, i, const char *), place)) {
            return 1;
        }
    }
    return 0;
}

void nanomdm_findings_add(nanomdm_findings_t *findings, int level,
                          const ap_directive_t *at, const char *text)
{
    finding_t *finding = find(findings, text);
    const char *place;

    findings->errors += level == APLOG_ERR;
    if (!finding) {
        finding = apr_array_push(findings->all);
        finding->level = level;
        finding->text = text;
        finding->places = apr_array_make(findings->pool, 2,
                                         sizeof(const char *));
    }
    if (at) {
        place = apr_psprintf(findings->pool, "%s:%d", at->filename,
                             at->line_num);
        if (!has_place(finding, place)) {
            APR_ARRAY_PUSH(finding->places, const char *) = place;
        }
    }
}

static const char *places_of(apr_pool_t *p, const finding_t *finding)
{
    const char *text = "";
    int i;

    for (i = 0; i < finding->places->nelts; i++) {
        text = apr_pstrcat(p, text, i ? ", " : " (",
                           APR_ARRAY_IDX(finding->places, i, const char *),
                           NULL);
    }
    return *text ? apr_pstrcat(p, text, ")", NULL) : "";
}

void nanomdm_findings_log(const nanomdm_findings_t *findings, server_rec *s)
{
    int i;

    for (i = 0; i < findings->all->nelts; i++) {
        const finding_t *finding = &APR_ARRAY_IDX(findings->all, i,
                                                  finding_t);

        if (finding->level != APLOG_WARNING || nanomdm_is_first_reading()) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | finding->level, 0, s,
                         "%s%s", finding->text,
                         places_of(findings->pool, finding));
        }
    }
}
