/* SPDX-License-Identifier: Apache-2.0 */
/* plot_html.c -- the last hour as inline SVG: a bar for each minute. */

#include "httpd/plot_html.h"
#include "base/counters.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* In units of the drawing. */
#define BAR 6
#define HEIGHT 60

typedef struct {
    apr_uint64_t good[NMDM_MINUTES], bad[NMDM_MINUTES];
} series_t;

/* Values of a family whose name is good_one are good; NULL: all are. */
static void sum_up(series_t *series, const nanomdm_status_t *status,
                   nmdm_count_e which, const char *good_one)
{
    const nmdm_family_t *f = nmdm_count_family(which);
    apr_uint64_t one[NMDM_MINUTES];
    int i, k, minute;

    for (i = 0; i < f->n; i++) {
        for (k = 0; k < f->seconds; k++) {
            apr_uint64_t *to = !good_one || !strcmp(f->values[i], good_one)
                ? series->good : series->bad;

            nmdm_counted_by_minute(one, status->counters, which, i, k,
                                   status->now);
            for (minute = 0; minute < NMDM_MINUTES; minute++) {
                to[minute] += one[minute];
            }
        }
    }
}

static void put_bar(nanomdm_html_t *sheet, const char *mood, int minute,
                    apr_uint64_t from, apr_uint64_t n, apr_uint64_t most)
{
    double scale = (double)HEIGHT / (double)most;
    double height = (double)n * scale;

    if (n) {
        nanomdm_html_put(sheet, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\""
                         " width=\"%d\" height=\"%.1f\"/>", mood,
                         minute * BAR, HEIGHT - (double)from * scale - height,
                         BAR - 1, height);
    }
}

/* The words say what the picture shows, for those who cannot see it. */
static void put_plot(nanomdm_html_t *sheet, const char *title,
                     const series_t *series, const char *bad_word)
{
    apr_uint64_t good = 0, bad = 0, most = 1;
    const char *said;
    int i;

    for (i = 0; i < NMDM_MINUTES; i++) {
        apr_uint64_t n = series->good[i] + series->bad[i];

        good += series->good[i];
        bad += series->bad[i];
        most = n > most ? n : most;
    }
    said = apr_pstrcat(sheet->pool, nanomdm_html_number(sheet, good + bad),
                       " in the last hour, at most ",
                       nanomdm_html_number(sheet, good + bad ? most : 0),
                       " in a minute", NULL);
    if (bad) {
        said = apr_pstrcat(sheet->pool, said, "; ",
                           nanomdm_html_number(sheet, bad), " ", bad_word,
                           NULL);
    }
    nanomdm_html_put(sheet, "<section><h2>%s</h2>\n<p class=\"dim\">%s</p>\n"
                     "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label="
                     "\"%s: %s\" preserveAspectRatio=\"none\">", title, said,
                     NMDM_MINUTES * BAR, HEIGHT, title, said);
    for (i = 0; i < NMDM_MINUTES; i++) {
        put_bar(sheet, "g", i, 0, series->good[i], most);
        put_bar(sheet, "b", i, series->good[i], series->bad[i], most);
    }
    nanomdm_html_put(sheet, "</svg>\n<p class=\"dim axis\"><span>an hour ago"
                     "</span><span>now</span></p></section>\n");
}

void nanomdm_plot_html_put(nanomdm_html_t *sheet,
                           const nanomdm_status_t *status)
{
    series_t checkins = { { 0 }, { 0 } }, reports = { { 0 }, { 0 } },
             pushes = { { 0 }, { 0 } };

    sum_up(&checkins, status, NMDM_COUNT_CHECKINS, NULL);
    sum_up(&reports, status, NMDM_COUNT_REPORTS, NULL);
    sum_up(&pushes, status, NMDM_COUNT_PUSHES, "ok");
    nanomdm_html_put(sheet, "<div class=\"parts\">\n");
    put_plot(sheet, "Polls and reports", &reports, "");
    put_plot(sheet, "Check-ins", &checkins, "");
    put_plot(sheet, "Pushes", &pushes, "were not accepted");
    nanomdm_html_put(sheet, "</div>\n");
}

/* ---- Latency ---- */

/* The upper bound below which that share of them is. */
static const char *bound_of(const nmdm_family_t *f, const apr_uint64_t *n,
                            apr_uint64_t all, double share)
{
    apr_uint64_t below = 0;
    int k;

    for (k = 0; k < f->seconds - 1; k++) {
        below += n[k];
        if ((double)below >= share * (double)all) {
            break;
        }
    }
    return f->second_values[k];
}

/* "0.025" is 25 ms; beyond the last bound it says so. */
static const char *spoken(const nanomdm_html_t *sheet, const nmdm_family_t *f,
                          const char *bound)
{
    if (!strcmp(bound, "+Inf")) {
        return apr_pstrcat(sheet->pool, "&gt; ",
                           f->second_values[f->seconds - 2], " s", NULL);
    }
    return apr_psprintf(sheet->pool, "%d ms",
                        (int)(1000 * atof(bound) + 0.5));
}

const char *nanomdm_plot_html_latency(const nanomdm_html_t *sheet,
                                      const nanomdm_status_t *status)
{
    const nmdm_family_t *f = nmdm_count_family(NMDM_COUNT_DURATION);
    apr_uint64_t *n = apr_pcalloc(sheet->pool,
                                  (apr_size_t)f->seconds * sizeof(*n));
    apr_uint64_t all = 0;
    int k;

    /* The first handler is that of devices. */
    for (k = 0; k < f->seconds; k++) {
        n[k] = nmdm_counted_lately(status->counters, NMDM_COUNT_DURATION, 0, k,
                                   status->now);
        all += n[k];
    }
    return !all ? "–"
        : apr_pstrcat(sheet->pool,
                      spoken(sheet, f, bound_of(f, n, all, 0.5)), " / ",
                      spoken(sheet, f, bound_of(f, n, all, 0.99)), NULL);
}
