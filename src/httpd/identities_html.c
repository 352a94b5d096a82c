/* SPDX-License-Identifier: Apache-2.0 */
/* identities_html.c -- identities, renewals and SCEP on the status page. */

#include "httpd/identities_html.h"
#include "base/time.h"

#include <apr_strings.h>

static const char *name_of(const nanomdm_html_t *sheet,
                           const nanomdm_status_t *status, const char *sha256)
{
    const char *what = nanomdm_status_issuer(status, sha256);

    return apr_psprintf(sheet->pool, "%s <span class=\"dim\">%.16s…</span>",
                        what ? what : "another issuer", sha256);
}

static void put_in_use(nanomdm_html_t *sheet, const nanomdm_status_t *status)
{
    const nmdm_identity_stats_t *stats = &status->db.counted.identities;
    int i;

    nanomdm_html_open_part(sheet, "Identities");
    nanomdm_html_row(sheet, "in use",
                     nanomdm_html_amount(sheet, stats->in_use));
    for (i = 0; i < NMDM_IDENTITY_STATS_ENDS; i++) {
        nanomdm_html_row(sheet, apr_psprintf(
                             sheet->pool, "<span class=\"dim\">of these, end"
                             " within %d days</span>",
                             NMDM_IDENTITY_STATS_DAYS[i]),
                         nanomdm_html_amount(sheet, stats->ending[i]));
    }
    for (i = 0; i < stats->nissuers; i++) {
        nanomdm_html_row(sheet, apr_pstrcat(
                             sheet->pool, "live, of ",
                             name_of(sheet, status, stats->issuers[i].sha256),
                             NULL),
                         nanomdm_html_amount(sheet, stats->issuers[i].live));
    }
    nanomdm_html_close_part(sheet);
}

static void put_renewals(nanomdm_html_t *sheet,
                         const nmdm_identity_stats_t *stats)
{
    nanomdm_html_open_part(sheet, "Renewals");
    nanomdm_html_row(sheet, "devices asked, and not renewed yet",
                     nanomdm_html_amount(sheet, stats->asked));
    nanomdm_html_row(sheet, "stuck", nanomdm_html_amount(sheet,
                                                         stats->stuck));
    nanomdm_html_row(sheet, "due, and not renewed: their profile was not"
                            " served here <span class=\"dim\">(name its"
                            " identifier with NanoMDMRenewIdentifier)</span>",
                     nanomdm_html_amount(sheet, stats->foreign));
    nanomdm_html_close_part(sheet);
    nanomdm_html_open_part(sheet, "SCEP challenges");
    nanomdm_html_row(sheet, "open", nanomdm_html_amount(sheet, stats->open));
    nanomdm_html_row(sheet, "used", nanomdm_html_amount(sheet, stats->used));
    nanomdm_html_row(sheet, "expired unused",
                     nanomdm_html_amount(sheet, stats->expired));
    nanomdm_html_close_part(sheet);
}

void nanomdm_identities_html_put(nanomdm_html_t *sheet,
                                 const nanomdm_status_t *status)
{
    const nmdm_identity_stats_t *stats = &status->db.counted.identities;

    if (stats->is_known && (stats->nissuers || status->issuer)) {
        put_in_use(sheet, status);
        put_renewals(sheet, stats);
    }
}

void nanomdm_identities_html_put_stuck(nanomdm_html_t *sheet,
                                       const nmdm_db_stats_t *db)
{
    int i;

    if (!db->stuck->nelts) {
        return;
    }
    nanomdm_html_put(
        sheet, "<section id=\"stuck\"><h2>Renewals stuck: %s</h2>\n"
        "<p class=\"dim\">Asked three times and more, or not to be asked. When"
        " their identities end, and why:</p>\n<table>\n",
        nanomdm_html_amount(sheet, db->counted.identities.stuck));
    for (i = 0; i < db->stuck->nelts; i++) {
        const nmdm_stuck_t *one = &APR_ARRAY_IDX(db->stuck, i, nmdm_stuck_t);

        nanomdm_html_put(
            sheet, "<tr><td>%s<br><span class=\"dim\">%s</span></td>"
            "<td class=\"n\">%s<br><span class=\"dim\">%d tries</span></td>"
            "</tr>\n", nanomdm_html_link(sheet, one->id),
            *one->error ? nanomdm_html_esc(sheet, one->error)
                : "the device takes the profile and does not enroll with it",
            nmdm_time_rfc3339(sheet->pool, one->not_after), one->tries);
    }
    nanomdm_html_close_part(sheet);
}
