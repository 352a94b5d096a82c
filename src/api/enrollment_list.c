/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_list.c -- enrollments for people: a page of those of a type or a
 * state, or what a search finds. */

#include "api/enrollment_list.h"
#include "base/text.h"
#include "db/db.h"

#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* How many keys are looked at for a page. */
#define MOST_EXAMINED 2000
/* An id or a name; columns hold no more. */
#define LONGEST_TEXT 255
#define SHORTEST_PREFIX 4

typedef struct {
    nmdm_api_enrollment_list_t *out;
    const nmdm_api_enrollment_list_query_t *query;
    const char *text;           /* of a search */
    apr_hash_t *found;          /* id -> row */
} list_t;

static apr_array_header_t *texts(apr_pool_t *p)
{
    return apr_array_make(p, 4, sizeof(const char *));
}

/* ---- Rows of keys ---- */

static nmdm_err_t *add_rows(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                            const apr_array_header_t *ids, int is_pending)
{
    if (!ids->nelts) {
        return NULL;
    }
    return is_pending
        ? nmdm_enrollment_queries_begun(ctx, rows, ids)
        : nmdm_enrollment_queries_enrollments(ctx, rows, ids, 0, 0);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const nmdm_enrollment_t *)a)->id,
                  ((const nmdm_enrollment_t *)b)->id);
}

static void sort(const apr_array_header_t *rows)
{
    qsort(rows->elts, (size_t)rows->nelts, sizeof(nmdm_enrollment_t), by_id);
}

/* ---- A page ---- */

static int passes(const nmdm_key_t *key,
                  const nmdm_api_enrollment_list_query_t *query)
{
    return query->state == NMDM_LIST_PENDING
        || ((query->state == NMDM_LIST_ANY_STATE
             || key->enabled == (query->state == NMDM_LIST_ENABLED))
            && (!query->type || !strcmp(key->type, query->type)));
}

/* Takes ids of a page of keys until the list is full; returns whether it is
 * and leaves in *after the last key that was looked at. */
static int take(apr_array_header_t *ids, const char **after,
                const apr_array_header_t *keys,
                const nmdm_api_enrollment_list_query_t *query)
{
    int i;

    for (i = 0; i < keys->nelts; i++) {
        const nmdm_key_t *key = &APR_ARRAY_IDX(keys, i, nmdm_key_t);

        if (ids->nelts == NMDM_API_ENROLLMENT_LIST_PAGE) {
            return 1;
        }
        *after = key->id;
        if (passes(key, query)) {
            APR_ARRAY_PUSH(ids, const char *) = key->id;
        }
    }
    return 0;
}

static nmdm_err_t *do_list(nmdm_ctx_t *ctx, void *baton)
{
    list_t *list = baton;
    const nmdm_api_enrollment_list_query_t *query = list->query;
    int is_pending = query->state == NMDM_LIST_PENDING, examined, is_full = 0;
    nmdm_keys_e from = is_pending ? NMDM_KEYS_BEGUN
        : query->state == NMDM_LIST_DISABLED ? NMDM_KEYS_DISABLED
        : query->type ? NMDM_KEYS_OF_TYPE : NMDM_KEYS_ALL;
    apr_array_header_t *ids = texts(ctx->pool), *types = texts(ctx->pool);
    const char *after = query->after;
    int has_more = 1;

    APR_ARRAY_PUSH(types, const char *) = query->type;
    apr_array_clear(list->out->rows);
    for (examined = 0; has_more && !is_full && examined < MOST_EXAMINED;
         examined += NMDM_QUERIES_PAGE) {
        apr_array_header_t *keys = apr_array_make(
            ctx->pool, NMDM_QUERIES_PAGE, sizeof(nmdm_key_t));

        NMDM_TRY(nmdm_enrollment_queries_keys(
            ctx, keys, from, from == NMDM_KEYS_OF_TYPE ? types : NULL,
            after));
        has_more = keys->nelts == NMDM_QUERIES_PAGE;
        is_full = take(ids, &after, keys, query);
    }
    list->out->next = is_full || has_more ? after : NULL;
    NMDM_TRY(add_rows(ctx, list->out->rows, ids, is_pending));
    sort(list->out->rows);
    return NULL;
}

nmdm_err_t *nmdm_api_enrollment_list(
    nmdm_api_enrollment_list_t *out, nmdm_ctx_t *ctx,
    const nmdm_api_enrollment_list_query_t *query)
{
    list_t list = { .out = out, .query = query };

    out->rows = apr_array_make(ctx->pool, NMDM_API_ENROLLMENT_LIST_PAGE,
                               sizeof(nmdm_enrollment_t));
    out->next = NULL;
    out->has_more = 0;
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_list, &list);
}

/* ---- A search ---- */

static const char *in_case(apr_pool_t *p, const char *text, int upper)
{
    char *copy = apr_pstrdup(p, text), *at;

    for (at = copy; *at; at++) {
        *at = (char)(upper ? apr_toupper(*at) : apr_tolower(*at));
    }
    return copy;
}

/* As it is, in capitals and in small letters, each once. */
static apr_array_header_t *spellings(apr_pool_t *p, const char *text)
{
    apr_array_header_t *all = texts(p);
    int upper;

    APR_ARRAY_PUSH(all, const char *) = text;
    for (upper = 0; upper < 2; upper++) {
        const char *other = in_case(p, text, upper);

        if (strcmp(other, text)) {
            APR_ARRAY_PUSH(all, const char *) = other;
        }
    }
    return all;
}

/* Those of one source that were not found before. */
static nmdm_err_t *search(nmdm_ctx_t *ctx, list_t *list, nmdm_keys_e from,
                          const apr_array_header_t *of, const char *prefix)
{
    int is_pending = from == NMDM_KEYS_BEGUN_OF_IDS
        || from == NMDM_KEYS_BEGUN_OF_SERIALS;
    apr_array_header_t *keys = apr_array_make(ctx->pool, NMDM_QUERIES_PAGE,
                                              sizeof(nmdm_key_t));
    apr_array_header_t *ids = texts(ctx->pool);
    int i;

    NMDM_TRY(nmdm_enrollment_queries_keys(ctx, keys, from, of,
                                          prefix ? prefix : ""));
    for (i = 0; i < keys->nelts; i++) {
        const char *id = APR_ARRAY_IDX(keys, i, nmdm_key_t).id;

        /* Between them are others in the order of some collations. */
        if (prefix && strncmp(id, prefix, strlen(prefix))) {
            continue;
        }
        list->out->has_more |= i == NMDM_QUERIES_PAGE - 1;
        if (!apr_hash_get(list->found, id, APR_HASH_KEY_STRING)) {
            apr_hash_set(list->found, id, APR_HASH_KEY_STRING, id);
            APR_ARRAY_PUSH(ids, const char *) = id;
        }
    }
    return add_rows(ctx, list->out->rows, ids, is_pending);
}

static nmdm_err_t *do_search(nmdm_ctx_t *ctx, void *baton)
{
    list_t *list = baton;
    apr_array_header_t *as_is = texts(ctx->pool);
    apr_array_header_t *all = spellings(ctx->pool, list->text);
    int i;

    APR_ARRAY_PUSH(as_is, const char *) = list->text;
    apr_array_clear(list->out->rows);
    list->out->has_more = 0;
    list->found = apr_hash_make(ctx->pool);
    NMDM_TRY(search(ctx, list, NMDM_KEYS_OF_IDS, all, NULL));
    NMDM_TRY(search(ctx, list, NMDM_KEYS_OF_SERIALS, all, NULL));
    NMDM_TRY(search(ctx, list, NMDM_KEYS_OF_NAME, as_is, NULL));
    NMDM_TRY(search(ctx, list, NMDM_KEYS_BEGUN_OF_IDS, all, NULL));
    NMDM_TRY(search(ctx, list, NMDM_KEYS_BEGUN_OF_SERIALS, all, NULL));
    for (i = 0; strlen(list->text) >= SHORTEST_PREFIX && i < all->nelts;
         i++) {
        NMDM_TRY(search(ctx, list, NMDM_KEYS_ALL, NULL,
                        APR_ARRAY_IDX(all, i, const char *)));
    }
    sort(list->out->rows);
    return NULL;
}

nmdm_err_t *nmdm_api_enrollment_list_search(nmdm_api_enrollment_list_t *out,
                                            nmdm_ctx_t *ctx, const char *text)
{
    list_t list = { .out = out, .text = text };

    out->rows = apr_array_make(ctx->pool, 8, sizeof(nmdm_enrollment_t));
    out->next = NULL;
    out->has_more = 0;
    /* Nothing is stored under what no database takes for text. */
    if (!*text || strlen(text) > LONGEST_TEXT
        || !nmdm_utf8_valid(text, strlen(text))) {
        return NULL;
    }
    return nmdm_db_unit(ctx, NMDM_UNIT_READ, do_search, &list);
}
