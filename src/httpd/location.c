/* SPDX-License-Identifier: Apache-2.0 */
/* location.c -- the path of the Location that a request is in.
 *
 * SetHandler alone makes no configuration of this module, and the core's own
 * says of a merged request only which section came last. The sections
 * themselves are in the core's list of the virtual host, as ap_location_walk
 * reads it. */

#include "httpd/location.h"

#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <http_core.h>

#include <stdlib.h>
#include <string.h>

/* A byte that no URL has a section for. */
#define UNLIKELY "\001"
/* Beginnings of a path that a pattern is asked about. For each it looks through
 * all of it, and who asks may be unknown. */
#define MOST_BEGINNINGS 1024

static int is_pattern(const core_dir_config *section)
{
    return section->r || section->d_is_fnmatch;
}

static int matches(const core_dir_config *section, const char *path)
{
    return section->r
        ? !ap_regexec(section->r, path, 0, NULL, 0)
        : apr_fnmatch(section->d, path, APR_FNM_PATHNAME) == APR_SUCCESS;
}

static apr_size_t without_slashes(const char *path, apr_size_t len)
{
    while (len && path[len - 1] == '/') {
        len--;
    }
    return len;
}

static apr_size_t above(const char *path, apr_size_t len)
{
    while (len && path[len - 1] != '/') {
        len--;
    }
    return without_slashes(path, len);
}

/* Whether the pattern takes any name for the last segment of a path. */
static int takes_any_name(apr_pool_t *p, const core_dir_config *section,
                          const char *path, apr_size_t len)
{
    const char *other = apr_pstrcat(
        p, apr_pstrmemdup(p, path, above(path, len)), "/" UNLIKELY, NULL);

    return matches(section, other)
        || matches(section, apr_pstrcat(p, other, "/", NULL));
}

/* 0 where it is longer than an administrator names. In one copy: those of all
 * lengths of a long path would be 30 MB. */
static apr_size_t shortest_match(apr_pool_t *p, const core_dir_config *section,
                                 const char *uri)
{
    char *part = apr_pstrdup(p, uri);
    apr_size_t n;
    int is_found = 0;

    for (n = 0; uri[n] && n < MOST_BEGINNINGS && !is_found;) {
        part[++n] = '\0';
        is_found = matches(section, part);
        part[n] = uri[n];
    }
    return is_found ? n : 0;
}

/* Of a pattern: the shortest path that it takes, up to the last segment that
 * the administrator named. */
static int find_pattern(apr_size_t *len, apr_pool_t *p,
                        const core_dir_config *section, const char *uri)
{
    apr_size_t shortest = matches(section, uri)
        ? shortest_match(p, section, uri) : 0;

    if (!shortest) {
        return 0;
    }
    *len = without_slashes(uri, shortest);
    if ((uri[*len] && uri[*len] != '/')
        || takes_any_name(p, section, uri, *len)) {
        *len = above(uri, *len);
    }
    return 1;
}

static int find_plain(apr_size_t *len, const core_dir_config *section,
                      const char *uri)
{
    *len = without_slashes(section->d, strlen(section->d));
    return *section->d == '/' && !strncmp(section->d, uri, *len)
        && (uri[*len] == '/' || !uri[*len]);
}

static int find_path(apr_size_t *len, apr_pool_t *p,
                     const core_dir_config *section, const char *uri)
{
    if (is_pattern(section)) {
        return find_pattern(len, p, section, uri);
    }
    return section->d && find_plain(len, section, uri);
}

static int gives_handler(const core_dir_config *section, const char *handler)
{
    return section->expr_handler
        || (section->handler && handler
            && !strcmp(section->handler, handler));
}

/* Those that name the handler, or all that apply. */
static void collect(apr_array_header_t *paths, request_rec *r, int naming)
{
    const core_server_config *core
        = ap_get_core_module_config(r->server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)core->sec_url->elts;
    int i;

    for (i = 0; i < core->sec_url->nelts; i++) {
        const core_dir_config *section
            = ap_get_core_module_config(sections[i]);
        apr_size_t len;

        if ((naming && !gives_handler(section, r->handler))
            || !find_path(&len, r->pool, section, r->uri)) {
            continue;
        }
        APR_ARRAY_PUSH(paths, apr_size_t) = len;
        if (is_pattern(section)) {
            APR_ARRAY_PUSH(paths, apr_size_t) = above(r->uri, len);
        }
    }
}

static int compare(const void *a, const void *b)
{
    apr_size_t left = *(const apr_size_t *)a, right = *(const apr_size_t *)b;

    return (left > right) - (left < right);
}

const apr_array_header_t *nanomdm_location_paths(request_rec *r)
{
    apr_array_header_t *paths = apr_array_make(r->pool, 4,
                                               sizeof(apr_size_t));

    collect(paths, r, 1);
    if (!paths->nelts) {
        collect(paths, r, 0);
    }
    if (!paths->nelts) {
        APR_ARRAY_PUSH(paths, apr_size_t) = 0;
    }
    qsort(paths->elts, (size_t)paths->nelts, sizeof(apr_size_t), compare);
    return paths;
}

static int is_exactly(const core_dir_config *section, request_rec *r)
{
    apr_size_t len;

    return (section->d && !strcmp(section->d, r->uri))
        || (find_path(&len, r->pool, section, r->uri) && !r->uri[len]);
}

int nanomdm_location_is_below(request_rec *r)
{
    const core_server_config *core
        = ap_get_core_module_config(r->server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)core->sec_url->elts;
    int i, is_known = 0;

    for (i = 0; i < core->sec_url->nelts; i++) {
        const core_dir_config *section
            = ap_get_core_module_config(sections[i]);
        apr_size_t len;

        if (!gives_handler(section, r->handler)
            || !find_path(&len, r->pool, section, r->uri)) {
            continue;
        }
        is_known = 1;
        if (is_exactly(section, r)) {
            return 0;
        }
    }
    return is_known;
}
