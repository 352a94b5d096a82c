/* SPDX-License-Identifier: Apache-2.0 */
/* html.h -- writes a status page: HTML that needs nothing from elsewhere, and
 * no script. What a device or an operator may have chosen goes through
 * nanomdm_html_esc. */

#ifndef NANOMDM_HTML_H
#define NANOMDM_HTML_H

#include "api/db_stats.h"
#include "base/text.h"

#include <apr_tables.h>
#include <apr_time.h>

/* A page being written; what comes of it lives as long as pool. */
typedef struct {
    apr_pool_t *pool;
    apr_time_t now;
    apr_array_header_t *parts;          /* of const char * */
} nanomdm_html_t;

/* title is text; "mod_nanomdm" stands before it. */
nanomdm_html_t nanomdm_html_begin(apr_pool_t *p, apr_time_t now,
                                  const char *title);
nmdm_bytes_t nanomdm_html_end(nanomdm_html_t *sheet);
void nanomdm_html_put(nanomdm_html_t *sheet, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* For text and for values in double quotes; NULL is "". */
const char *nanomdm_html_esc(const nanomdm_html_t *sheet, const char *text);
/* In the unit that reads best. */
const char *nanomdm_html_duration(apr_pool_t *p, apr_interval_time_t d);
/* How long ago, and when; a dash for 0. */
const char *nanomdm_html_moment(const nanomdm_html_t *sheet, apr_time_t t);
/* 10,000 rather than 10000. */
const char *nanomdm_html_number(const nanomdm_html_t *sheet, apr_uint64_t n);
const char *nanomdm_html_amount(const nanomdm_html_t *sheet, nmdm_amount_t a);

/* To the page of an enrollment. */
const char *nanomdm_html_link(const nanomdm_html_t *sheet, const char *id);

/* The way back to the first page and to the lists. */
void nanomdm_html_crumbs(nanomdm_html_t *sheet);
/* A field to search enrollments in, with text in it. */
void nanomdm_html_search(nanomdm_html_t *sheet, const char *text);

/* Figures belong together: open, tiles, close. */
void nanomdm_html_open_tiles(nanomdm_html_t *sheet, const char *title);
void nanomdm_html_close_tiles(nanomdm_html_t *sheet);

/* A figure; a part of the page with a table in it, whose id is its title in
 * lower case with hyphens; a row of that. mood is a class of its style: "",
 * "warn" or "bad". */
void nanomdm_html_tile(nanomdm_html_t *sheet, const char *mood,
                       const char *value, const char *what);
void nanomdm_html_open_part(nanomdm_html_t *sheet, const char *title);
void nanomdm_html_close_part(nanomdm_html_t *sheet);
void nanomdm_html_row(nanomdm_html_t *sheet, const char *name,
                      const char *value);

#endif /* NANOMDM_HTML_H */
