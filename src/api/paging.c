/* SPDX-License-Identifier: Apache-2.0 */
/* paging.c -- one page of a list: limit, offset, cursor.
 *
 * A cursor is where the last page ended, in base64url: a letter for the list
 * and the key of its last entry. It holds no secret, needs no memory here and
 * stays good whatever is inserted or removed meanwhile. */

#include "api/paging.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* No key of ours is longer. */
#define LONGEST_CURSOR 4096

static nmdm_err_t *bad_number(apr_pool_t *p, const char *name,
                              const char *text, apr_int64_t low,
                              apr_int64_t high)
{
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(1730)
                    "\"%s\" is \"%.40s\", not a number from %"
                    APR_INT64_T_FMT " to %" APR_INT64_T_FMT, name, text, low,
                    high);
}

static nmdm_err_t *read_number(apr_int64_t *out, apr_pool_t *p,
                               const char *name, const char *text,
                               apr_int64_t low, apr_int64_t high)
{
    if (!text || !*text) {
        return NULL;
    }
    if (strlen(text) > 12 || strspn(text, "0123456789") != strlen(text)) {
        return bad_number(p, name, text, low, high);
    }
    *out = apr_atoi64(text);
    return *out < low || *out > high ? bad_number(p, name, text, low, high)
                                     : NULL;
}

/* base64url without padding <-> base64. */
static char *translate(apr_pool_t *p, const char *text, const char *from,
                       const char *to)
{
    char *copy = apr_pstrcat(p, text, "==", NULL), *at;
    apr_size_t len = strlen(text);

    for (at = copy; *at; at++) {
        const char *found = strchr(from, *at);

        if (found) {
            *at = to[found - from];
        }
    }
    copy[len + (4 - len % 4) % 4] = '\0';
    return copy;
}

static nmdm_err_t *bad_cursor(apr_pool_t *p)
{
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(1731)
                    "\"cursor\" is not one that this call gave as"
                    " next_cursor");
}

static nmdm_err_t *read_cursor(nmdm_api_paging_t *page, apr_pool_t *p,
                               const char *text, char kind, int nparts)
{
    nmdm_bytes_t bytes;
    const char *base64, *at;
    int i;

    if (strlen(text) > LONGEST_CURSOR || strpbrk(text, "+/=")
        || strlen(text) % 4 == 1) {
        return bad_cursor(p);
    }
    base64 = translate(p, text, "-_", "+/");
    if (!nmdm_base64_decode(&bytes, p, base64, strlen(base64), 0)
        || strlen(bytes.data) != bytes.len || bytes.data[0] != kind
        || !nmdm_utf8_valid(bytes.data, bytes.len)) {
        return bad_cursor(p);
    }
    at = bytes.data + 1;
    for (i = 0; i < nparts - 1; i++) {
        apr_size_t len = strcspn(at, "\n");

        if (!at[len]) {
            return bad_cursor(p);
        }
        page->parts[i] = apr_pstrmemdup(p, at, len);
        at += len + 1;
    }
    page->parts[i] = at;
    page->has_cursor = 1;
    return NULL;
}

nmdm_err_t *nmdm_api_paging_read(nmdm_api_paging_t *page, apr_pool_t *p,
                                 const nmdm_api_paging_query_t *query,
                                 char kind, int nparts)
{
    apr_int64_t limit = NMDM_API_PAGING_USUAL;
    int i;

    memset(page, 0, sizeof(*page));
    for (i = 0; i < NMDM_API_PAGING_PARTS; i++) {
        page->parts[i] = "";
    }
    NMDM_TRY(read_number(&limit, p, "limit", query->limit, 1,
                         NMDM_API_PAGING_MOST));
    NMDM_TRY(read_number(&page->offset, p, "offset", query->offset, 0,
                         APR_INT32_MAX));
    page->limit = (int)limit;
    page->has_offset = query->offset && *query->offset;
    if (!query->cursor || !*query->cursor) {
        return NULL;
    }
    if (page->has_offset) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(1732)
                        "both \"cursor\" and \"offset\" are given");
    }
    return read_cursor(page, p, query->cursor, kind, nparts);
}

const char *nmdm_api_paging_cursor(apr_pool_t *p, char kind,
                                   const char *const *parts, int nparts)
{
    const char *text = apr_pstrmemdup(p, &kind, 1);
    nmdm_bytes_t bytes;
    char *cursor;
    int i;

    for (i = 0; i < nparts; i++) {
        text = apr_pstrcat(p, text, i ? "\n" : "", parts[i], NULL);
    }
    bytes.data = text;
    bytes.len = strlen(text);
    cursor = translate(p, nmdm_base64_encode(p, bytes), "+/", "-_");
    cursor[strcspn(cursor, "=")] = '\0';
    return cursor;
}

void nmdm_api_paging_begin(nmdm_api_paging_batches_t *batches, apr_pool_t *p)
{
    apr_pool_create(&batches->pools[0], p);
    apr_pool_create(&batches->pools[1], p);
    batches->turn = 0;
}

apr_pool_t *nmdm_api_paging_turn(nmdm_api_paging_batches_t *batches)
{
    batches->turn = !batches->turn;
    apr_pool_clear(batches->pools[batches->turn]);
    return batches->pools[batches->turn];
}
