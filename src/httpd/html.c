/* SPDX-License-Identifier: Apache-2.0 */
/* html.c -- writes a status page: HTML that needs nothing from elsewhere, and
 * no script. */

#include "httpd/html.h"
#include "base/time.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <httpd.h>

#include <stdarg.h>
#include <string.h>

#define A_DAY (24 * 60 * 60)

static const char HEAD[] =
"<!DOCTYPE html>\n"
"<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
"<meta name=\"color-scheme\" content=\"light dark\">\n"
"<title>mod_nanomdm";
static const char STYLE[] =
"</title>\n<style>\n"
":root{--bg:#f5f6f8;--box:#fff;--ink:#1c2430;--dim:#5b6675;--line:#dde2e8;"
"--link:#0b5cad;--warn:#8a5300;--bad:#b3261e}\n"
"@media(prefers-color-scheme:dark){:root{--bg:#12161c;--box:#1b212a;"
"--ink:#e6eaf0;--dim:#9aa6b5;--line:#303946;--link:#7db7f5;--warn:#f0b35a;"
"--bad:#ff8a80}}\n"
"*{box-sizing:border-box}\n"
"body{margin:0 auto;padding:1rem;max-width:70rem;background:var(--bg);"
"color:var(--ink);font:16px/1.45 system-ui,sans-serif}\n"
"h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.05rem;margin:0 0 .5rem}\n"
"a{color:var(--link)}p{margin:.3rem 0}.dim,th,dt{color:var(--dim)}\n"
".tiles{display:grid;gap:.7rem;margin:1rem 0;"
"grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr))}\n"
".parts{display:grid;gap:.7rem;margin-top:.7rem;"
"grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr))}\n"
".tile,section{background:var(--box);border:1px solid var(--line);"
"border-radius:.6rem;padding:.8rem 1rem;min-width:0}\n"
".tile b{display:block;font-size:1.5rem;font-weight:600;line-height:1.2}\n"
".two{grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr))}\n"
".when{white-space:nowrap}"
".wide{grid-column:1/-1}.warn{color:var(--warn)}.bad{color:var(--bad)}\n"
"table{border-collapse:collapse;width:100%}\n"
"th{font-weight:normal;text-align:left}\n"
"th,td{padding:.25rem .6rem .25rem 0;border-top:1px solid var(--line);"
"vertical-align:top;overflow-wrap:anywhere}\n"
"tr:first-child>*{border-top:0}"
".n{text-align:right;white-space:nowrap;width:1%;"
"font-variant-numeric:tabular-nums;padding-right:0}"
".n+*{padding-left:1rem}\n"
"dl{display:grid;gap:.25rem 1rem;"
"grid-template-columns:minmax(4rem,max-content) 1fr;"
"margin:0}dd{margin:0;overflow-wrap:anywhere}\n"
"form{display:flex;flex-wrap:wrap;gap:.5rem;margin:.7rem 0}"
"input,button,select{font:inherit;padding:.4rem .6rem;"
"border:1px solid var(--line);border-radius:.4rem;background:var(--bg);"
"color:var(--ink);min-width:0}input{flex:1}\n"
".verdict ul{margin:0;padding-left:1.2rem}\n"
".verdict,#database{margin-top:.7rem}\n"
"svg{width:100%;height:3.2rem;display:block;border-bottom:1px solid "
"var(--line)}.g{fill:var(--link)}.l{fill:var(--link);opacity:.45}"
".b{fill:var(--bad)}.axis{display:flex;justify-content:space-between}\n"
"code{overflow-wrap:anywhere}nav a,.pages a{margin-right:.8rem}\n"
".group{margin:1rem 0 .4rem}.group+.tiles{margin:0}\n"
".scroll{overflow-x:auto}.list{min-width:44rem}.list td,.list th{"
"overflow-wrap:normal}.list td:first-child{overflow-wrap:anywhere;"
"min-width:10rem}\n"
/* Where a table is too wide, what belongs to a row stands below each other. */
"@media(max-width:48rem){.list{min-width:0}.list thead{display:none}"
".list tr{display:block;padding:.3rem 0;border-top:1px solid var(--line)}"
".list tr:first-child{border-top:0}.list td{display:inline-block;border:0;"
"padding:0 1rem 0 0;width:auto;text-align:left;overflow-wrap:anywhere}"
".list td:first-child,.timeline td{display:block}"
".timeline td+td{border:0;padding-top:0}"
".list td[data-label]::before{content:attr(data-label) \" \";"
"color:var(--dim)}}\n"
"</style>\n</head>\n<body>\n<main>\n";

void nanomdm_html_put(nanomdm_html_t *sheet, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    APR_ARRAY_PUSH(sheet->parts, const char *) = apr_pvsprintf(
        sheet->pool, fmt, args);
    va_end(args);
}

nanomdm_html_t nanomdm_html_begin(apr_pool_t *p, apr_time_t now,
                                  const char *title)
{
    nanomdm_html_t sheet
        = {p, now, apr_array_make(p, 128, sizeof(const char *))};

    APR_ARRAY_PUSH(sheet.parts, const char *) = HEAD;
    nanomdm_html_put(&sheet, ": %s", nanomdm_html_esc(&sheet, title));
    APR_ARRAY_PUSH(sheet.parts, const char *) = STYLE;
    return sheet;
}

nmdm_bytes_t nanomdm_html_end(nanomdm_html_t *sheet)
{
    nmdm_bytes_t bytes;

    nanomdm_html_put(sheet, "</main>\n</body>\n</html>\n");
    bytes.data = apr_array_pstrcat(sheet->pool, sheet->parts, 0);
    bytes.len = strlen(bytes.data);
    return bytes;
}

/* For text and for values in double quotes. */
const char *nanomdm_html_esc(const nanomdm_html_t *sheet, const char *text)
{
    return text ? ap_escape_html2(sheet->pool, text, 0) : "";
}

const char *nanomdm_html_duration(apr_pool_t *p, apr_interval_time_t d)
{
    apr_int64_t s = apr_time_sec(d < 0 ? 0 : d);

    return s < 120 ? apr_psprintf(p, "%d s", (int)s)
        : s < 120 * 60 ? apr_psprintf(p, "%d min", (int)(s / 60))
        : s < 2 * A_DAY ? apr_psprintf(p, "%d h", (int)(s / 3600))
        : apr_psprintf(p, "%" APR_INT64_T_FMT " days", s / A_DAY);
}

/* Both for who reads and for who compares. */
const char *nanomdm_html_moment(const nanomdm_html_t *sheet, apr_time_t t)
{
    return t ? apr_psprintf(sheet->pool,
                            "%s ago <span class=\"dim when\">%s"
                            "</span>",
                            nanomdm_html_duration(sheet->pool, sheet->now - t),
                            nmdm_time_rfc3339(sheet->pool, t))
             : "–";
}

/* 10,000 rather than 10000. */
const char *nanomdm_html_number(const nanomdm_html_t *sheet, apr_uint64_t n)
{
    const char *rest = n >= 1000 ? apr_psprintf(sheet->pool, ",%03d",
                                                (int)(n % 1000)) : "";

    return n >= 1000
        ? apr_pstrcat(sheet->pool, nanomdm_html_number(sheet, n / 1000), rest,
                      NULL)
        : apr_itoa(sheet->pool, (int)n);
}

const char *nanomdm_html_amount(const nanomdm_html_t *sheet, nmdm_amount_t a)
{
    return apr_pstrcat(sheet->pool, a.is_least ? "≥ " : "",
                       nanomdm_html_number(sheet, (apr_uint64_t)a.number),
                       NULL);
}

void nanomdm_html_crumbs(nanomdm_html_t *sheet)
{
    nanomdm_html_put(sheet, "<nav><a href=\"?\">mod_nanomdm</a>"
                     "<a href=\"?devices=1\">Devices</a>"
                     "<a href=\"?events=dead\">Webhooks</a></nav>\n");
}

void nanomdm_html_search(nanomdm_html_t *sheet, const char *text)
{
    nanomdm_html_put(sheet,
                     "<form method=\"get\"><input name=\"q\" value=\"%s\""
                     " aria-label=\"Serial number, name or enrollment ID\""
                     " placeholder=\"Serial number, name or enrollment ID\""
                     " required><button>Search</button></form>\n",
                     nanomdm_html_esc(sheet, text));
}

/* Of a title: letters and digits, and a hyphen for what stands between. */
static const char *id_of(const nanomdm_html_t *sheet, const char *title)
{
    char *id = apr_palloc(sheet->pool, strlen(title) + 1), *to = id;

    for (; *title; title++) {
        if (apr_isalnum(*title)) {
            *to++ = (char)apr_tolower(*title);
        }
        else if (to > id && to[-1] != '-') {
            *to++ = '-';
        }
    }
    *to = '\0';
    return id;
}

void nanomdm_html_open_tiles(nanomdm_html_t *sheet, const char *title)
{
    nanomdm_html_put(sheet, "<h2 class=\"group\" id=\"%s\">%s</h2>\n"
                     "<div class=\"tiles\">\n", id_of(sheet, title), title);
}

void nanomdm_html_close_tiles(nanomdm_html_t *sheet)
{
    nanomdm_html_put(sheet, "</div>\n");
}

void nanomdm_html_tile(nanomdm_html_t *sheet, const char *mood,
                       const char *value, const char *what)
{
    nanomdm_html_put(sheet,
                     "<div class=\"tile\"><b class=\"%s\">%s</b>%s</div>\n",
                     mood, value, what);
}

void nanomdm_html_open_part(nanomdm_html_t *sheet, const char *title)
{
    nanomdm_html_put(sheet, "<section id=\"%s\"><h2>%s</h2>\n<table>\n",
                     id_of(sheet, title), title);
}

void nanomdm_html_close_part(nanomdm_html_t *sheet)
{
    nanomdm_html_put(sheet, "</table></section>\n");
}

void nanomdm_html_row(nanomdm_html_t *sheet, const char *name,
                      const char *value)
{
    nanomdm_html_put(sheet, "<tr><td>%s</td><td class=\"n\">%s</td></tr>\n",
                     name, value);
}

const char *nanomdm_html_link(const nanomdm_html_t *sheet, const char *id)
{
    return apr_psprintf(sheet->pool, "<a href=\"?id=%s\">%s</a>",
                        nanomdm_html_esc(sheet,
                                         ap_escape_urlencoded(sheet->pool,
                                                              id)),
                        nanomdm_html_esc(sheet, id));
}
