/* SPDX-License-Identifier: Apache-2.0 */
/* plot_html.c -- the last hour and day as inline SVG: a bar for each minute,
 * or for each quarter of an hour. */

#include "httpd/plot_html.h"
#include "base/counters.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* In units of the drawing. */
#define BAR 6
#define HEIGHT 60

/* Steps of one span; the last one is the present. */
typedef struct {
    nmdm_step_e step;
    const char *span;           /* "hour" or "day" */
    const char *one;            /* "minute" */
    const char *from;           /* where the picture begins */
} span_t;

static const span_t HOUR = { NMDM_BY_MINUTE, "hour", "minute",
                             "an hour ago" };
static const span_t DAY = { NMDM_BY_QUARTER, "day", "quarter of an hour",
                            "a day ago" };

typedef struct {
    apr_uint64_t good[NMDM_STEPS_MOST], bad[NMDM_STEPS_MOST];
} series_t;

/* Values of a family whose name is good_one are good; NULL: all are. */
static void sum_up(series_t *series, const nanomdm_status_t *status,
                   const span_t *span, nmdm_count_e which,
                   const char *good_one)
{
    const nmdm_family_t *f = nmdm_count_family(which);
    apr_uint64_t one[NMDM_STEPS_MOST];
    int i, k, step;

    memset(series, 0, sizeof(*series));
    for (i = 0; i < f->n; i++) {
        for (k = 0; k < f->seconds; k++) {
            apr_uint64_t *to = !good_one || !strcmp(f->values[i], good_one)
                ? series->good : series->bad;

            nmdm_counted_by_step(one, status->counters, span->step, which, i,
                                 k, status->now);
            for (step = 0; step < nmdm_counted_steps(span->step); step++) {
                to[step] += one[step];
            }
        }
    }
}

/* ---- Drawing ---- */

static void put_bar(nanomdm_html_t *sheet, const char *mood, int step,
                    double from, double n, double most)
{
    double scale = (double)HEIGHT / most, height = n * scale;

    if (n > 0) {
        nanomdm_html_put(sheet, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\""
                         " width=\"%d\" height=\"%.1f\"/>", mood,
                         step * BAR, HEIGHT - from * scale - height, BAR - 1,
                         height);
    }
}

/* The words say what the picture shows, for those who cannot see it. */
static void open_picture(nanomdm_html_t *sheet, const span_t *span,
                         const char *title, const char *said)
{
    nanomdm_html_put(sheet, "<p class=\"dim\">%s</p>\n"
                     "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label="
                     "\"%s: %s\" preserveAspectRatio=\"none\">", said,
                     nmdm_counted_steps(span->step) * BAR, HEIGHT, title,
                     said);
}

static void close_picture(nanomdm_html_t *sheet, const span_t *span)
{
    nanomdm_html_put(sheet, "</svg>\n<p class=\"dim axis\"><span>%s</span>"
                     "<span>now</span></p>\n", span->from);
}

/* ---- What is counted ---- */

static void put_counts(nanomdm_html_t *sheet, const span_t *span,
                       const char *title, const series_t *series,
                       const char *bad_word)
{
    apr_uint64_t good = 0, bad = 0, most = 1;
    int i, steps = nmdm_counted_steps(span->step);
    const char *said;

    for (i = 0; i < steps; i++) {
        apr_uint64_t n = series->good[i] + series->bad[i];

        good += series->good[i];
        bad += series->bad[i];
        most = n > most ? n : most;
    }
    said = apr_psprintf(sheet->pool, "%s in the last %s, at most %s in a %s",
                        nanomdm_html_number(sheet, good + bad), span->span,
                        nanomdm_html_number(sheet, good + bad ? most : 0),
                        span->one);
    if (bad) {
        said = apr_pstrcat(sheet->pool, said, "; ",
                           nanomdm_html_number(sheet, bad), " ", bad_word,
                           NULL);
    }
    open_picture(sheet, span, title, said);
    for (i = 0; i < steps; i++) {
        put_bar(sheet, "g", i, 0, (double)series->good[i], (double)most);
        put_bar(sheet, "b", i, (double)series->good[i],
                (double)series->bad[i], (double)most);
    }
    close_picture(sheet, span);
}

static void put_family(nanomdm_html_t *sheet, const nanomdm_status_t *status,
                       const char *title, nmdm_count_e which,
                       const char *good_one, const char *bad_word)
{
    static const span_t *const SPANS[] = { &HOUR, &DAY };
    series_t series;
    int i;

    nanomdm_html_put(sheet, "<section><h2>%s</h2>\n", title);
    for (i = 0; i < 2; i++) {
        sum_up(&series, status, SPANS[i], which, good_one);
        put_counts(sheet, SPANS[i], title, &series, bad_word);
    }
    nanomdm_html_put(sheet, "</section>\n");
}

/* ---- The queue ---- */

static const char *depth_in_words(const nanomdm_html_t *sheet,
                                  const span_t *span, const apr_int64_t *depths)
{
    apr_int64_t most = -1, last = -1;
    int i;

    for (i = 0; i < nmdm_counted_steps(span->step); i++) {
        most = depths[i] > most ? depths[i] : most;
        last = depths[i] >= 0 ? depths[i] : last;
    }
    return most < 0
        ? apr_pstrcat(sheet->pool, "not counted yet in the last ",
                      span->span, NULL)
        : apr_psprintf(sheet->pool, "%s wait, at most %s in the last %s",
                       nanomdm_html_number(sheet, (apr_uint64_t)last),
                       nanomdm_html_number(sheet, (apr_uint64_t)most),
                       span->span);
}

static void put_depth(nanomdm_html_t *sheet, const nanomdm_status_t *status,
                      const span_t *span)
{
    apr_int64_t depths[NMDM_STEPS_MOST];
    double most = 1;
    int i, steps = nmdm_counted_steps(span->step);

    nmdm_counters_depths(depths, status->counters, span->step, status->now);
    for (i = 0; i < steps; i++) {
        most = (double)depths[i] > most ? (double)depths[i] : most;
    }
    open_picture(sheet, span, "Commands that wait",
                 depth_in_words(sheet, span, depths));
    for (i = 0; i < steps; i++) {
        put_bar(sheet, "g", i, 0, (double)depths[i], most);
    }
    close_picture(sheet, span);
}

/* ---- Latency ---- */

/* The number of the bound below which that share of them is; -1: there are
 * none. */
static int bound_of(const nmdm_family_t *f, const apr_uint64_t *n,
                    double share)
{
    apr_uint64_t below = 0, all = 0;
    int k;

    for (k = 0; k < f->seconds; k++) {
        all += n[k];
    }
    for (k = 0; all && k < f->seconds - 1; k++) {
        below += n[k];
        if ((double)below >= share * (double)all) {
            break;
        }
    }
    return all ? k : -1;
}

/* "0.025" is 25 ms; beyond the last bound it says so. */
static const char *spoken(const nanomdm_html_t *sheet, const nmdm_family_t *f,
                          int bound)
{
    if (bound < 0) {
        return "–";
    }
    if (bound == f->seconds - 1) {
        return apr_pstrcat(sheet->pool, "&gt; ",
                           f->second_values[f->seconds - 2], " s", NULL);
    }
    return apr_psprintf(sheet->pool, "%d ms",
                        (int)(1000 * atof(f->second_values[bound]) + 0.5));
}

/* Durations of requests of devices, whose handler is the first: by bound, then
 * by step. */
static apr_uint64_t *durations(const nanomdm_html_t *sheet,
                               const nanomdm_status_t *status,
                               const span_t *span)
{
    const nmdm_family_t *f = nmdm_count_family(NMDM_COUNT_DURATION);
    int steps = nmdm_counted_steps(span->step), i, k;
    apr_uint64_t *all = apr_palloc(sheet->pool, sizeof(*all)
                                   * (apr_size_t)(f->seconds * steps));
    apr_uint64_t one[NMDM_STEPS_MOST];

    for (k = 0; k < f->seconds; k++) {
        nmdm_counted_by_step(one, status->counters, span->step,
                             NMDM_COUNT_DURATION, 0, k, status->now);
        for (i = 0; i < steps; i++) {
            all[i * f->seconds + k] = one[i];
        }
    }
    return all;
}

/* A bar reaches to its bound; those are not far from equal steps of a
 * logarithm. */
static void put_latency(nanomdm_html_t *sheet, const nanomdm_status_t *status,
                        const span_t *span)
{
    const nmdm_family_t *f = nmdm_count_family(NMDM_COUNT_DURATION);
    const apr_uint64_t *all = durations(sheet, status, span);
    int steps = nmdm_counted_steps(span->step), i, worst = -1;

    for (i = 0; i < steps; i++) {
        int p99 = bound_of(f, all + i * f->seconds, 0.99);

        worst = p99 > worst ? p99 : worst;
    }
    open_picture(sheet, span, "Answers to devices", worst < 0
                 ? apr_pstrcat(sheet->pool, "none in the last ", span->span,
                               NULL)
                 : apr_psprintf(sheet->pool, "50th percentile (lower part of a"
                                " bar) and 99th; the slowest %s of the last %s:"
                                " %s",
                                span->one, span->span,
                                spoken(sheet, f, worst)));
    for (i = 0; i < steps; i++) {
        double p50 = bound_of(f, all + i * f->seconds, 0.5) + 1;
        double p99 = bound_of(f, all + i * f->seconds, 0.99) + 1;

        put_bar(sheet, "g", i, 0, p50, f->seconds);
        put_bar(sheet, "l", i, p50, p99 - p50, f->seconds);
    }
    close_picture(sheet, span);
}

const char *nanomdm_plot_html_latency(const nanomdm_html_t *sheet,
                                      const nanomdm_status_t *status)
{
    const nmdm_family_t *f = nmdm_count_family(NMDM_COUNT_DURATION);
    apr_uint64_t *n = apr_pcalloc(sheet->pool,
                                  (apr_size_t)f->seconds * sizeof(*n));
    int k;

    /* The first handler is that of devices. */
    for (k = 0; k < f->seconds; k++) {
        n[k] = nmdm_counted_lately(status->counters, NMDM_COUNT_DURATION, 0, k,
                                   status->now);
    }
    return bound_of(f, n, 0.5) < 0 ? "–"
        : apr_pstrcat(sheet->pool, spoken(sheet, f, bound_of(f, n, 0.5)),
                      " / ", spoken(sheet, f, bound_of(f, n, 0.99)), NULL);
}

/* ---- All of them ---- */

void nanomdm_plot_html_put(nanomdm_html_t *sheet,
                           const nanomdm_status_t *status)
{
    nanomdm_html_put(sheet, "<div class=\"parts\">\n");
    put_family(sheet, status, "Polls and reports", NMDM_COUNT_REPORTS, NULL,
               "");
    put_family(sheet, status, "Check-ins", NMDM_COUNT_CHECKINS, NULL, "");
    put_family(sheet, status, "Pushes", NMDM_COUNT_PUSHES, "ok",
               "were not accepted");
    nanomdm_html_put(sheet, "<section><h2>Answers to devices</h2>\n");
    put_latency(sheet, status, &HOUR);
    put_latency(sheet, status, &DAY);
    nanomdm_html_put(sheet, "</section>\n<section><h2>Commands that wait"
                     "</h2>\n");
    put_depth(sheet, status, &HOUR);
    put_depth(sheet, status, &DAY);
    nanomdm_html_put(sheet, "</section>\n</div>\n");
}
